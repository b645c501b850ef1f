"""All YAML files of a workspace to the frozen nouns of ``model.workspace``, with all mistakes at once (SPEC 2, 10).

Each file is read and parsed alone (``yaml_reader``, ``parse``) and then built (``settings``, ``audiences``,
``connections``, ``activations``, ``merging``). Here stands what spans files:
unique ids, known audiences, colliding file names.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

from muster.activation.config.activations import Surroundings, build_activations
from muster.activation.config.audiences import build_audience
from muster.activation.config.base_models import Model
from muster.activation.config.connections import build_destination, only_exports_need
from muster.activation.config.governance import Vocabulary, actions_of, build_policy, vocabulary
from muster.activation.config.ids import clash, identify, stem
from muster.activation.config.merging import Merging, build_merging
from muster.activation.config.models import AudienceModel, DestinationModel, PolicyModel, SettingsModel
from muster.activation.config.parse import parse
from muster.activation.config.profiles import has_path
from muster.activation.config.schedules import zone_of
from muster.activation.config.settings import build_workspace
from muster.activation.config.source_models import SourceModel
from muster.activation.config.sources import (
    AUDIENCES_FOLDER,
    DESTINATIONS_FOLDER,
    POLICIES_FOLDER,
    SETTINGS_FILE,
    SOURCES_FOLDER,
    Sources,
    UnreadError,
    read_sources,
)
from muster.activation.config.yaml_reader import Document, KeyPath, read_document
from muster.activation.errors import ConfigError, Problem
from muster.activation.model import naming
from muster.activation.model.governance import Policy
from muster.activation.model.redaction import RecordingEnviron, redact
from muster.activation.model.workspace import Activation, Audience, Destination, Workspace
from muster.activation.stores import urls

M = TypeVar("M", bound=Model)
N = TypeVar("N", AudienceModel, DestinationModel, PolicyModel, SourceModel)

_NOUNS = {
    AUDIENCES_FOLDER: "audience",
    DESTINATIONS_FOLDER: "destination",
    POLICIES_FOLDER: "policy",
    SOURCES_FOLDER: "source",
}


@dataclass(frozen=True)
class _File(Generic[M]):
    """One YAML file with its model and id.

    ``model`` is None when the file cannot be read; a wrong id is replaced by the file's stem.
    """

    document: Document
    model: M | None
    id: str = ""


@dataclass(frozen=True)
class _Files:
    """All YAML files of a workspace, those of each folder sorted by id."""

    settings: _File[SettingsModel]
    audiences: list[_File[AudienceModel]]
    destinations: list[_File[DestinationModel]]
    policies: list[_File[PolicyModel]]
    sources: list[_File[SourceModel]]

    @property
    def inner(self) -> list[Document]:
        """The documents in which a mistake leaves no workspace, but for muster.yml."""
        return [
            *(each.document for each in self.audiences),
            *(each.document for each in self.policies),
            *(each.document for each in self.sources),
        ]

    @property
    def documents(self) -> list[Document]:
        """All documents."""
        return [self.settings.document, *self.inner, *(each.document for each in self.destinations)]


def load(root: Path, environ: Mapping[str, str]) -> Workspace:
    """The workspace in ``root``; ``ConfigError`` with every mistake in its YAML files."""
    workspace, problems = read(read_sources(root), environ)
    if problems or workspace is None:
        raise ConfigError(problems)
    return workspace


def read(sources: Sources, environ: Mapping[str, str]) -> tuple[Workspace | None, list[Problem]]:
    """The workspace that the files describe, and every mistake in them by file and line (SPEC 10).

    When only destinations have mistakes, the workspace comes without their activations, so that audiences can be
    checked further. A mistake in muster.yml, in an audience, a policy or a source leaves None.
    """
    environ = RecordingEnviron(environ)
    files = _read_files(sources, environ)
    settings, words = files.settings, vocabulary(files.settings.document, files.settings.model)
    made_of = [(each.document, each.model, each.id) for each in files.sources]
    merging = build_merging(settings.document, settings.model, made_of, environ, words)
    policies = _policies(files.policies, words, merging)
    audiences = {file.id: _audience(file, settings.model, merging) for file in reversed(files.audiences)}
    reached = _reached(files.destinations, sources.root, environ, words)
    activations = _activations(sources.root, files, environ, reached=reached)
    workspace = build_workspace(settings.document, settings.model, sources.root, environ) if settings.model else None
    problems = _problems(files, environ)
    if workspace is None or any(document.problems for document in files.inner):
        return None, problems
    whole = replace(
        workspace,
        audiences={name: audience for name, audience in sorted(audiences.items()) if audience},
        activations=tuple(
            activation
            for file in files.destinations
            if not file.document.problems
            for activation in activations[file.document.file]
        ),
        destinations={
            file.id: reached[file.document.file] for file in files.destinations if file.document.file in reached
        },
        variables=environ.used,
        absent=tuple(sorted(environ.absent)),
        labels=words.entries,
        policies=dict(sorted({**words.core, **policies}.items())),
        sources=merging.sources,
        namespaces=merging.namespaces,
        identity_graph=merging.limits,
        merge_policies=merging.policies,
    )
    return whole, problems


def _read_files(sources: Sources, environ: Mapping[str, str]) -> _Files:
    settings = _read_settings(sources, environ)
    return _Files(
        settings,
        _read_folder(sources, AUDIENCES_FOLDER, AudienceModel, environ),
        _read_folder(sources, DESTINATIONS_FOLDER, DestinationModel, environ, only_exports_need),
        _read_folder(sources, POLICIES_FOLDER, PolicyModel, environ),
        [] if has_path(settings.model) else _read_folder(sources, SOURCES_FOLDER, SourceModel, environ),
    )


def _problems(files: _Files, environ: RecordingEnviron) -> list[Problem]:
    """Every mistake in the files, by file and line, without values of variables."""
    found = {
        replace(problem, message=redact(problem.message, environ.used))
        for document in files.documents
        for problem in document.problems
    }
    if found:  # then whoever reads them wants all of them
        found |= {each.problem for document in files.documents for each in document.unset}
    return sorted(found)


def _policies(files: Sequence[_File[PolicyModel]], words: Vocabulary, merging: Merging) -> dict[str, Policy]:
    kinds = merging.kinds if merging.is_read else None
    return {file.id: build_policy(file.document, file.model, file.id, words, kinds) for file in files if file.model}


def _reached(
    files: Sequence[_File[DestinationModel]], root: Path, environ: Mapping[str, str], words: Vocabulary
) -> dict[str, Destination]:
    """The destination of each file by the file's name."""
    return {
        file.document.file: build_destination(
            file.document, file.model, file.id, root, environ, actions=_actions(file.document, file.model, words)
        )
        for file in files
        if file.model
    }


def _actions(document: Document, model: DestinationModel, words: Vocabulary) -> tuple[str, ...]:
    return actions_of(document, ("marketing_actions",), model.marketing_actions, words.actions)


def _read_settings(sources: Sources, environ: Mapping[str, str]) -> _File[SettingsModel]:
    if SETTINGS_FILE not in sources.files:
        missing = Problem(SETTINGS_FILE, 0, "", f"is not in {sources.root}; run `muster init` to make a workspace")
        return _File(Document(SETTINGS_FILE, problems=[missing]), None)
    document = read_document(SETTINGS_FILE, sources.files[SETTINGS_FILE], environ)
    return _File(document, parse(SettingsModel, document))


def _read_folder(
    sources: Sources,
    folder: str,
    model: type[N],
    environ: Mapping[str, str],
    needed: Callable[[KeyPath], bool] = lambda _: False,
) -> list[_File[N]]:
    """The files of a folder such as audiences/, sorted by id; ids are unique, letter case aside (SPEC 2).

    ``needed`` says of which values a missing variable is no mistake, because only exports need it.
    """
    files = []
    for name, content in sources.inside(folder):
        document = read_document(name, content, environ, needed)
        parsed = parse(model, document)
        files.append(_File(document, parsed, (parsed and identify(document, parsed)) or stem(document)))
    files.sort(key=lambda file: (file.id, file.document.file))
    _check_ids(
        _NOUNS[folder], [file for file in files if not isinstance(sources.files[file.document.file], UnreadError)]
    )
    return files


def _check_ids(noun: str, files: Sequence[_File[N]]) -> None:
    seen: dict[str, _File[N]] = {}
    for file in sorted(files, key=lambda file: file.document.file):
        first = seen.setdefault(file.id.casefold(), file)
        if first is not file:
            file.document.report(("id",), clash(noun, file.id, first.id, f"in {first.document.file}"))


def _audience(file: _File[AudienceModel], settings: SettingsModel | None, merging: Merging) -> Audience | None:
    return build_audience(file.document, file.model, file.id, settings, merging) if file.model else None


def _activations(
    root: Path, files: _Files, environ: Mapping[str, str], *, reached: Mapping[str, Destination]
) -> dict[str, list[Activation]]:
    """The activations of each destination file. Of two that can write the same file, the later one is at fault (F1)."""
    names = {file.id: (file.model and file.model.name) or file.id for file in files.audiences}
    settings = files.settings.model
    around = Surroundings(
        workspace=(settings and settings.workspace) or "",
        zone=zone_of(settings),
        audiences=names,
        root=root,
        environ=environ,
        settings=files.settings.document,
        guards=settings.guards if settings else None,
        ids=frozenset({"profile_id", (settings and settings.profiles and settings.profiles.id) or "profile_id"}),
    )
    documents = {file.document.file: file.document for file in files.destinations}
    built = {
        file.document.file: build_activations(file.document, file.model, file.id, around)
        for file in files.destinations
        if file.model
    }
    every = [activation for activations in built.values() for activation in activations]

    folders = {
        each.id: (each.service, *urls.local_path(urls.normalise(each.url, root), root).parts)
        if not each.unset
        else ("\0", each.id)  # judged once its variables are set
        for each in reached.values()
    }
    for later, earlier in naming.collisions(every, around.workspace, names, lambda each: folders[each.destination]):
        if later.key.casefold() != earlier.key.casefold():  # otherwise their ids clash, which is reported
            documents[later.location.file].problems.append(later.location.problem(_collision(later, earlier)))
    return built


def _collision(later: Activation, earlier: Activation) -> str:
    remedy = "{activation}" if later.destination == earlier.destination else "{destination} and {activation}"
    where = f"{earlier.location.file}:{earlier.location.line}"
    return (
        f"{later.key} can write a file of the same name as {earlier.key} ({where}), at the same url; put "
        f"{remedy} into file_name"
    )
