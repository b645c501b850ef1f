"""How profiles are made of sources: all files in ``sources/`` and the blocks of muster.yml, checked together (P)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from muster.activation.config.governance import Vocabulary
from muster.activation.config.models import SettingsModel
from muster.activation.config.profiles import (
    build_limits,
    build_merge_policies,
    build_namespaces,
    check_settings_of_sources,
    is_from_sources,
)
from muster.activation.config.source_files import build_source
from muster.activation.config.source_models import SourceModel
from muster.activation.config.yaml_reader import Document
from muster.activation.model.sources import (
    BUILT_IN,
    DEFAULT_LIMITS,
    IdentityGraphLimits,
    MergePolicy,
    Namespace,
    Source,
)

SourceFile = tuple[Document, SourceModel | None, str]  # with the id


@dataclass(frozen=True)
class Merging:
    """What the YAML says of sources, namespaces and merge policies."""

    is_read: bool = False  # whether muster.yml could be read, so that names in other files can be checked
    is_used: bool = False  # whether profiles are made of sources
    kinds: Mapping[str, str | None] = field(default_factory=dict)  # of each source by id, also of those with mistakes
    sources: Mapping[str, Source] = field(default_factory=dict)  # those without mistakes, by id
    namespaces: Mapping[str, Namespace] = field(default_factory=lambda: dict(BUILT_IN))
    limits: IdentityGraphLimits = DEFAULT_LIMITS
    policies: Mapping[str, MergePolicy] = field(default_factory=dict)  # by id; none without sources

    @property
    def may_have_events(self) -> bool:
        """Whether a source has events, or has a mistake in its kind."""
        return any(kind != "records" for kind in self.kinds.values())


def build_merging(
    document: Document,
    model: SettingsModel | None,
    files: Sequence[SourceFile],
    environ: Mapping[str, str],
    words: Vocabulary,
) -> Merging:
    """The sources, namespaces and merge policies; mistakes are reported in the documents.

    ``document`` and ``model`` are of muster.yml, whose model is None while it cannot be read.
    """
    is_used = is_from_sources(model)
    namespaces = build_namespaces(document, model) if model and is_used else dict(BUILT_IN)
    built = [
        build_source(each, of_file, name, environ, namespaces=namespaces if is_used else None, labels=words.labels)
        for each, of_file, name in files
        if of_file
    ]
    sources = {each.id: each for each in sorted(filter(None, built), key=lambda source: source.id)}
    kinds = {name: of_file.kind if of_file else None for _, of_file, name in files}
    if model is None or model.profiles is None or (not is_used and "from" in model.profiles.model_fields_set):
        return Merging(kinds=kinds, sources=sources)
    if not is_used:
        check_settings_of_sources(document, model)
        return Merging(is_read=True)
    if len(sources) == len(files) and not any(each.profile and not each.is_events for each in sources.values()):
        expected = "at least one file in sources/ with kind: records, and without profile: false"
        document.report(("profiles", "from"), f"there is no source of profiles; expected {expected}")
    return Merging(
        is_read=True,
        is_used=True,
        kinds=kinds,
        sources=sources,
        namespaces=namespaces,
        limits=build_limits(model),
        policies=build_merge_policies(document, model, kinds, sources),
    )
