"""``profiles`` of muster.yml, and what else muster.yml says of profiles from sources, checked (D1, P)."""

from collections.abc import Collection, Iterable, Iterator, Mapping

from muster.activation.config.base_models import REQUIRED
from muster.activation.config.connections import build_input
from muster.activation.config.ids import clash
from muster.activation.config.models import SettingsModel
from muster.activation.config.scalars import ID, ID_WORDS
from muster.activation.config.source_models import AttributesModel, MergePolicyModel, NamespaceModel, ProfilesModel
from muster.activation.config.yaml_reader import Document, KeyPath
from muster.activation.errors import did_you_mean
from muster.activation.model.sources import (
    BUILT_IN,
    DEFAULT_POLICY,
    IdentityGraphLimits,
    MergePolicy,
    Namespace,
    Source,
    record_sources,
)
from muster.activation.model.workspace import ProfilesSource
from muster.activation.wording import listed

_OF_A_PATH = ("path", "id", "identity_map", "connection", "max_age")
_OF_SOURCES = ("namespaces", "identity_graph", "merge_policies")
FROM_SOURCES = "profiles: {from: sources}"


def is_from_sources(model: SettingsModel | None) -> bool:
    """Whether muster.yml says that profiles are made of sources."""
    return bool(model and model.profiles and model.profiles.from_sources)


def has_path(model: SettingsModel | None) -> bool:
    """Whether muster.yml says that profiles have a path, so that nothing in sources/ is read."""
    return bool(model and model.profiles and model.profiles.path and not model.profiles.from_sources)


def build_profiles(
    document: Document, model: ProfilesModel | None, environ: Mapping[str, str]
) -> ProfilesSource | None:
    """Where profiles come from: the path of their snapshots, or the sources (D1, P); None after a mistake."""
    if model is None:
        return None
    written = model.model_fields_set
    if "from" in written:
        for key in (each for each in _OF_A_PATH if each in written):
            document.report(("profiles", key), f"does not go with from: sources{_instead(key)}")
        return ProfilesSource("", from_sources=True) if model.from_sources else None
    if "path" not in written:
        missing = f"is required: {REQUIRED['path']}; or write from: sources"
        document.report(("profiles",), missing, key=("profiles", "path"))
    if "id_key" in written:
        document.report(("profiles", "id_key"), f"is for profiles that muster makes itself: {FROM_SOURCES}")
    connected = build_input(document, model, environ, "profiles")
    keys = {name: value for name, value in connected.items() if name in _OF_A_PATH}
    return ProfilesSource(**keys) if model.path else None


def _instead(key: str) -> str:
    """What to do in the place of a key of ``profiles: {path: ...}``."""
    if key in {"path", "connection", "max_age"}:
        return f"; each file in sources/ has {key} of its own" if key != "path" else "; remove one of them"
    return f", whose profiles have the column {'profile_id' if key == 'id' else key}; remove it"


def check_settings_of_sources(document: Document, model: SettingsModel) -> None:
    """Report blocks of muster.yml that say how profiles are made of sources, where they are not (P)."""
    for key in (each for each in _OF_SOURCES if each in model.model_fields_set):
        document.report((key,), f"is for profiles from sources: write {FROM_SOURCES}, or remove it")


def build_namespaces(document: Document, model: SettingsModel) -> dict[str, Namespace]:
    """The identity namespaces by id: those built in, and over them those that muster.yml declares."""
    declared = {name: _namespace(document, name, each) for name, each in (model.namespaces or {}).items()}
    return dict(sorted({**BUILT_IN, **declared}.items()))


def _namespace(document: Document, name: str, model: NamespaceModel | None) -> Namespace:
    path, model = ("namespaces", name), model or NamespaceModel()
    if name != name.strip() or not name.isprintable() or ":" in name:
        expected = "a name on one line, without blanks around it, and without ':', which divides it from an id"
        document.report(path, f"{name!r} is not the name of a namespace; expected {expected}")
    steps = tuple(each for each in model.normalize or () if each)
    if steps:
        from muster.activation.values import identity_steps  # noqa: PLC0415  # most workspaces declare no namespace

        if wrong := identity_steps.mistake_in(steps):
            document.report((*path, "normalize"), wrong)
    return Namespace(
        name,
        type=model.type or "other",
        priority=model.priority or Namespace.priority,
        unique=bool(model.unique),
        normalize=steps,
        blocked=tuple(each for each in model.blocked or () if each is not None),
        blocked_like=tuple(each for each in model.blocked_like or () if each is not None),
        pattern=model.pattern,
        is_declared=True,
        location=document.location(path),
    )


def build_limits(model: SettingsModel) -> IdentityGraphLimits:
    """The limits of the identity graph (P4, P6)."""
    written = model.identity_graph
    return IdentityGraphLimits(
        max_identities=(written and written.max_identities) or IdentityGraphLimits.max_identities,
        max_links=(written and written.max_links) or IdentityGraphLimits.max_links,
    )


def build_merge_policies(
    document: Document, model: SettingsModel, known: Collection[str], sources: Mapping[str, Source]
) -> dict[str, MergePolicy]:
    """The merge policies by id, with ``default``, each of them checked against the sources (P7, P8).

    ``known`` are the ids of all sources, also of those with mistakes, which are not in ``sources``.
    """
    found, seen = {}, dict[str, str]()
    for name, each in (model.merge_policies or {}).items():
        path: KeyPath = ("merge_policies", name)
        if not ID.fullmatch(name):
            document.report(path, f"{name!r} is not {ID_WORDS}")
        first = seen.setdefault(name.casefold(), name)
        if first != name:
            location = document.location(("merge_policies", first))
            document.report(path, clash("merge policy", name, first, f"on line {location.line}"))
        found[name] = _merge_policy(document, path, each, known)
    found.setdefault(DEFAULT_POLICY, MergePolicy(DEFAULT_POLICY))
    if len(sources) == len(known) and not document.problems:
        _check_records(document, found.values(), sources)
    return dict(sorted(found.items()))


def _check_records(document: Document, policies: Iterable[MergePolicy], sources: Mapping[str, Source]) -> None:
    """Report merge policies that read no source of records."""
    for each in policies:
        if (each.sources or each.precedence) and not record_sources(each, sources):
            document.report(
                ("merge_policies", each.id), f"{_without_records(each, sources)}, so that it makes no profile"
            )


def _without_records(policy: MergePolicy, sources: Mapping[str, Source]) -> str:
    """Why a merge policy reads no source of records."""
    named = [each for each in sources if each in (policy.sources or ()) or each in (policy.precedence or ())]
    unread = [repr(each) for each in named if not sources[each].is_events and not sources[each].profile]
    if unread:
        return f"reads no source of records, as {listed(unread)} {'has' if len(unread) == 1 else 'have'} profile: false"
    if policy.sources and policy.precedence and not set(policy.sources) & set(policy.precedence):
        return "reads only sources that both precedence and sources name, and they have none in common"
    return "reads no source of records, which have kind: records"


def _merge_policy(
    document: Document, path: KeyPath, model: MergePolicyModel | None, known: Collection[str]
) -> MergePolicy:
    written = model or MergePolicyModel()
    attributes = written.attributes or AttributesModel(precedence=None)
    return MergePolicy(
        str(path[-1]),
        graph=written.graph or "private",
        precedence=_ids(document, (*path, "attributes", "precedence"), attributes.precedence, known),
        sources=_ids(document, (*path, "sources"), written.sources, known),
        location=document.location(path),
    )


def _ids(
    document: Document, path: KeyPath, written: list[str | None] | None, known: Collection[str]
) -> tuple[str, ...] | None:
    """The ids of a list of sources; unknown ones and repeated ones are reported."""
    if written == []:
        document.report(path, "is empty; expected the id of at least one source")
    for index, message in wrong_sources(written or (), known):
        document.report((*path, index) if isinstance(document.at(path), list) else path, message)
    return None if written is None else tuple(dict.fromkeys(each for each in written if each))


def wrong_sources(written: Iterable[str | None], known: Collection[str]) -> Iterator[tuple[int, str]]:
    """The position in a list of source ids, and the message, of each that is unknown or there twice."""
    seen = set[str]()
    for index, each in enumerate(written):
        if each is not None and each not in known:
            yield index, f"there is no source {each!r}{did_you_mean(each, known)}"
        elif each is not None and each in seen:
            yield index, f"{each!r} is in the list twice"
        seen.add(each or "")
