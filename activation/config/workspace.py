"""All YAML files of a workspace to the frozen nouns of ``model.workspace``, with all mistakes at once (SPEC 2, 10).

Each file is read and parsed alone (``yaml_reader``, ``parse``) and then built (``settings``, ``audiences``,
``connections``, ``activations``, ``merging``). Here stands what spans files:
unique ids, known audiences, colliding file names.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from muster.activation.config.activations import Surroundings, build_activations
from muster.activation.config.audiences import build_audience
from muster.activation.config.base_models import Model
from muster.activation.config.connections import build_destination, only_exports_need
from muster.activation.config.destination_kinds import FILES, kind_of_file
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
from muster.activation.config.yaml_reader import Document, read_document
from muster.activation.errors import ConfigError, Problem
from muster.activation.model import naming
from muster.activation.model.governance import Policy
from muster.activation.model.redaction import RecordingEnviron, redact
from muster.activation.model.sources import DEFAULT_POLICY
from muster.activation.model.workspace import Activation, Audience, Destination, Workspace
from muster.activation.stores import urls

if TYPE_CHECKING:
    from muster.activation.config.message_files import Receiver
    from muster.activation.config.message_models import MessageDestinationModel

M = TypeVar("M", bound=Model)
N = TypeVar("N", bound=Model)

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
    destinations: list[_File[DestinationModel]]  # those of files
    receivers: "list[_File[MessageDestinationModel]]"  # those of messages
    unknown: list[Document]  # destinations of a kind that there is not
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
        return [
            self.settings.document,
            *self.inner,
            *(each.document for each in self.destinations),
            *(each.document for each in self.receivers),
            *self.unknown,
        ]


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
    receivers = _receivers(files, sources.root, environ, words)
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
        **_messages(files, receivers),
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
        *_read_destinations(sources, environ),
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


def _receivers(files: _Files, root: Path, environ: Mapping[str, str], words: Vocabulary) -> "dict[str, Receiver]":
    """The event destination of each file with its activations, by the file's name."""
    if not files.receivers:
        return {}
    from muster.activation.config import message_layers  # noqa: PLC0415  # most workspaces send no messages
    from muster.activation.config.message_files import build_message_file  # noqa: PLC0415

    settings = files.settings.model
    around = message_layers.Surroundings(
        zone=zone_of(settings),
        audiences={file.id: (file.model and file.model.name) or file.id for file in files.audiences},
        merge_policies={file.id: file.model.merge_policy or DEFAULT_POLICY for file in files.audiences if file.model},
        root=root,
        environ=environ,
        settings=files.settings.document,
        guards=settings.guards if settings else None,
    )
    return {
        file.document.file: build_message_file(file.document, file.model, file.id, words, around)
        for file in files.receivers
        if file.model
    }


def _messages(files: _Files, receivers: "Mapping[str, Receiver]") -> dict[str, Any]:
    """The fields of a workspace that tell of event destinations; of a file with mistakes no activation."""
    built = [(file, receivers[file.document.file]) for file in files.receivers if file.document.file in receivers]
    return {
        "message_activations": tuple(
            activation for file, each in built if not file.document.problems for activation in each.activations
        ),
        "message_destinations": {file.id: each.destination for file, each in built},
    }


def _actions(document: Document, model: DestinationModel, words: Vocabulary) -> tuple[str, ...]:
    return actions_of(document, ("marketing_actions",), model.marketing_actions, words.actions)


def _read_settings(sources: Sources, environ: Mapping[str, str]) -> _File[SettingsModel]:
    if SETTINGS_FILE not in sources.files:
        missing = Problem(SETTINGS_FILE, 0, "", f"is not in {sources.root}; run `muster init` to make a workspace")
        return _File(Document(SETTINGS_FILE, problems=[missing]), None)
    document = read_document(SETTINGS_FILE, sources.files[SETTINGS_FILE], environ)
    return _File(document, parse(SettingsModel, document))


def _read_folder(sources: Sources, folder: str, model: type[N], environ: Mapping[str, str]) -> list[_File[N]]:
    """The files of a folder such as audiences/, sorted by id; ids are unique, letter case aside (SPEC 2)."""
    files = [_parsed(read_document(name, content, environ), model) for name, content in sources.inside(folder)]
    files.sort(key=_by_id)
    _check_ids(
        _NOUNS[folder], [file for file in files if not isinstance(sources.files[file.document.file], UnreadError)]
    )
    return files


def _read_destinations(
    sources: Sources, environ: Mapping[str, str]
) -> "tuple[list[_File[DestinationModel]], list[_File[MessageDestinationModel]], list[Document]]":
    """The destinations of files and those of messages, sorted by id, and the files of kinds that there are not.

    Ids are unique among all of them.
    """
    files: list[_File[DestinationModel]] = []
    receivers: list[_File[MessageDestinationModel]] = []
    unknown: list[Document] = []
    for name, content in sources.inside(DESTINATIONS_FOLDER):
        document = read_document(name, content, environ, only_exports_need)
        kind = kind_of_file(document)
        if kind is None:
            unknown.append(document)
        elif kind == FILES:
            files.append(_parsed(document, DestinationModel))
        else:
            from muster.activation.config.message_models import MODELS  # noqa: PLC0415  # most workspaces have none

            receivers.append(_parsed(document, MODELS[kind]))
    files.sort(key=_by_id)
    receivers.sort(key=_by_id)
    _check_ids(_NOUNS[DESTINATIONS_FOLDER], [*files, *receivers])
    return files, receivers, unknown


def _parsed(document: Document, model: type[N]) -> _File[N]:
    parsed = parse(model, document)
    return _File(document, parsed, (parsed and identify(document, parsed)) or stem(document))


def _by_id(file: _File[Any]) -> tuple[str, str]:
    return file.id, file.document.file


def _check_ids(noun: str, files: Sequence[_File[Any]]) -> None:
    seen: dict[str, _File[Any]] = {}
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
