"""Labels of muster.yml, policies and marketing actions, checked (G1, G3, G4). Mistakes are reported in the document."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from muster.activation.config.models import PolicyModel, SettingsModel
from muster.activation.config.profiles import wrong_sources
from muster.activation.config.yaml_reader import Document, KeyPath
from muster.activation.errors import did_you_mean
from muster.activation.model.governance import LabelEntry, Policy
from muster.activation.rules import expressions
from muster.activation.rules.labels import ACTIONS, CORE_POLICIES, LABELS, LabelError, parse, unknown, unknown_action

_LABEL = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_WORDS = {"AND", "OR", "NOT"}


@dataclass(frozen=True)
class Vocabulary:
    """The labels and marketing actions that a workspace knows: those built in, and its own (G1)."""

    labels: frozenset[str] = frozenset(LABELS)
    actions: frozenset[str] = frozenset(ACTIONS)
    entries: tuple[LabelEntry, ...] = ()
    core: Mapping[str, Policy] = field(default_factory=dict)  # the core policies in use, by id


def vocabulary(document: Document, model: SettingsModel | None) -> Vocabulary:
    """What muster.yml says of labels, actions and core policies."""
    if model is None:
        return Vocabulary()
    labels = frozenset(LABELS) | _own(document, "custom_labels", model.custom_labels, LABELS)
    actions = frozenset(ACTIONS) | _own(document, "custom_actions", model.custom_actions, ACTIONS)
    return Vocabulary(
        labels, actions, label_entries(document, model.labels, labels), _core(document, model.core_policies)
    )


def _own(document: Document, key: str, written: Mapping[str, str | None] | None, built_in: Iterable[str]) -> set[str]:
    """The names that the workspace adds; a name must be a word that an expression can hold, and not be built in."""
    folded, noun = {each.casefold(): each for each in built_in}, key.removeprefix("custom_").removesuffix("s")
    for name in written or {}:
        if name.casefold() in folded:
            document.report((key, name), f"{folded[name.casefold()]!r} is built in; choose another name")
        elif not _LABEL.fullmatch(name) or name.upper() in _WORDS:
            expected = "a letter, then letters, digits, '_', '.' and '-', and not AND, OR or NOT"
            document.report((key, name), f"{name!r} is not the name of a {noun}; expected {expected}")
    return set(written or {})


def label_entries(
    document: Document, written: Mapping[str, list[str | None] | None] | None, known: Collection[str]
) -> tuple[LabelEntry, ...]:
    """The entries of ``labels:`` in muster.yml, or in the file of a source; unknown labels are reported (G1)."""
    return tuple(_entries(document, written or {}, known))


def _entries(
    document: Document, written: Mapping[str, list[str | None] | None], known: Collection[str]
) -> Iterable[LabelEntry]:
    for what, labels in written.items():
        path = ("labels", what)
        for index, label in enumerate(labels or ()):
            if label is not None:
                for message in unknown([label], known):
                    document.report((*path, index) if isinstance(document.at(path), list) else path, message)
        yield LabelEntry(what, tuple(sorted({each for each in labels or () if each})), document.location(path))


def _core(document: Document, written: list[str | None] | None) -> dict[str, Policy]:
    found = {}
    for index, name in enumerate(written or ()):
        path = ("core_policies", index)
        if name is not None and name not in CORE_POLICIES:
            hint = did_you_mean(name, CORE_POLICIES)
            document.report(path, f"unknown core policy {name!r}{hint}; see `muster policies list`")
        elif name is not None:
            found[name] = replace(CORE_POLICIES[name], location=document.location(path))
    return dict(sorted(found.items()))


def actions_of(
    document: Document, path: KeyPath, written: list[str | None] | None, known: Collection[str]
) -> tuple[str, ...]:
    """Marketing actions, sorted; unknown ones are reported (G1)."""
    is_list = isinstance(document.at(path), list)
    for index, name in enumerate(written or ()):
        if name is not None and name not in known:
            document.report((*path, index) if is_list else path, unknown_action(name, known))
    return tuple(sorted({each for each in written or () if each}))


def build_policy(
    document: Document, model: PolicyModel, policy_id: str, words: Vocabulary, kinds: Mapping[str, str | None] | None
) -> Policy:
    """The policy of a file in ``policies/``. ``kinds`` has that of each source of profiles; None: not known yet."""
    written = model.model_fields_set & {"deny", "consent"}
    if len(written) != 1:
        expected = "deny, an expression over labels, or consent, an expression over profile columns"
        document.report((), f"expected exactly one of {expected}", key=("deny",))
    if model.deny is not None:
        _check_deny(document, model.deny, words.labels)
    if model.consent is not None and (mistake := expressions.mistake(model.consent, expressions.IN_A_POLICY)):
        document.report(("consent",), mistake)
    if policy_id in CORE_POLICIES:
        document.report((), f"the id {policy_id!r} is that of a core policy; choose another one", key=("id",))
    if "actions" in model.model_fields_set and model.actions == []:
        document.report(("actions",), "is empty; expected at least one marketing action, such as email_targeting")
    if "consent_from" in model.model_fields_set and kinds is not None:
        _check_consent_from(document, model, kinds)
    return Policy(
        policy_id,
        model.name or policy_id,
        actions_of(document, ("actions",), model.actions, words.actions),
        deny=model.deny,
        consent=model.consent,
        enabled=model.enabled is not False,
        location=document.location(("deny",) if model.deny is not None else ("consent",)),
        consent_from=tuple(dict.fromkeys(each for each in model.consent_from or () if each)),
    )


def _check_consent_from(document: Document, model: PolicyModel, kinds: Mapping[str, str | None]) -> None:
    """Check that ``consent_from`` names sources whose records can say what a person consents to (G4)."""
    path: KeyPath = ("consent_from",)
    if "consent" not in model.model_fields_set:
        document.report(path, "is for policies with consent; remove it")
    elif not kinds:
        document.report(path, "is for profiles from sources, and the workspace has none; remove it")
    elif model.consent_from == []:
        document.report(path, "is empty; expected the id of at least one source")
    else:
        written = model.consent_from or ()
        wrong = dict(wrong_sources(written, kinds))
        events = [index for index, each in enumerate(written) if each and kinds.get(each) == "events"]
        wrong |= {index: f"{written[index]!r} is a source of events; expected one of records" for index in events}
        for index, message in sorted(wrong.items()):
            document.report((*path, index) if isinstance(document.at(path), list) else path, message)


def _check_deny(document: Document, text: str, known: Collection[str]) -> None:
    try:
        found = parse(text)
    except LabelError as error:
        document.report(("deny",), str(error))
        return
    for message in unknown(found.labels, known):
        document.report(("deny",), message)
