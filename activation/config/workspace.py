"""All YAML files of a workspace to the frozen nouns of ``model.workspace``, with all mistakes at once (SPEC 2, 10).

Each file is read and parsed alone (``yaml_reader``, ``parse``) and then built (``settings``, ``audiences``,
``connections``, ``activations``). Here stands what spans files: unique ids, known audiences, colliding file names.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

from muster.activation.config.activations import Surroundings, build_activations
from muster.activation.config.audiences import build_audience
from muster.activation.config.connections import build_destination, only_exports_need
from muster.activation.config.governance import Vocabulary, actions_of, build_policy, vocabulary
from muster.activation.config.ids import clash, identify, stem
from muster.activation.config.models import AudienceModel, DestinationModel, Model, PolicyModel, SettingsModel
from muster.activation.config.parse import parse
from muster.activation.config.schedules import zone_of
from muster.activation.config.settings import build_workspace
from muster.activation.config.sources import (
    AUDIENCES_FOLDER,
    DESTINATIONS_FOLDER,
    POLICIES_FOLDER,
    SETTINGS_FILE,
    Sources,
    UnreadError,
    read_sources,
)
from muster.activation.config.yaml_reader import Document, KeyPath, read_document
from muster.activation.errors import ConfigError, Problem
from muster.activation.model import naming
from muster.activation.model.redaction import RecordingEnviron, redact
from muster.activation.model.workspace import Activation, Audience, Destination, Workspace
from muster.activation.stores import urls

M = TypeVar("M", bound=Model)
N = TypeVar("N", AudienceModel, DestinationModel, PolicyModel)


_NOUNS = {AUDIENCES_FOLDER: "audience", DESTINATIONS_FOLDER: "destination", POLICIES_FOLDER: "policy"}


@dataclass(frozen=True)
class _File(Generic[M]):
    """One YAML file with its model and id.

    ``model`` is None when the file cannot be read; a wrong id is replaced by the file's stem.
    """

    document: Document
    model: M | None
    id: str = ""


def load(root: Path, environ: Mapping[str, str]) -> Workspace:
    """The workspace in ``root``; ``ConfigError`` with every mistake in its YAML files."""
    workspace, problems = read(read_sources(root), environ)
    if problems or workspace is None:
        raise ConfigError(problems)
    return workspace


def read(sources: Sources, environ: Mapping[str, str]) -> tuple[Workspace | None, list[Problem]]:
    """The workspace that the files describe, and every mistake in them by file and line (SPEC 10).

    When only destinations have mistakes, the workspace comes without their activations, so that audiences can be
    checked further. A mistake in muster.yml, in an audience or in a policy leaves None.
    """
    root, environ = sources.root, RecordingEnviron(environ)
    settings = _read_settings(sources, environ)
    audiences = _read_folder(sources, AUDIENCES_FOLDER, AudienceModel, environ)
    destinations = _read_folder(sources, DESTINATIONS_FOLDER, DestinationModel, environ, only_exports_need)
    policies = _read_folder(sources, POLICIES_FOLDER, PolicyModel, environ)
    words = vocabulary(settings.document, settings.model)
    kept = {file.id: build_policy(file.document, file.model, file.id, words) for file in policies if file.model}
    built = {file.id: _audience(file, settings.model) for file in reversed(audiences)}
    reached = {
        file.document.file: build_destination(
            file.document, file.model, file.id, root, environ, actions=_actions(file.document, file.model, words)
        )
        for file in destinations
        if file.model
    }
    activations = _activations(root, settings, audiences, destinations, environ, reached=reached)
    workspace = build_workspace(settings.document, settings.model, root, environ) if settings.model else None
    documents = [settings.document, *_documents(audiences), *_documents(destinations), *_documents(policies)]
    problems = {
        replace(problem, message=redact(problem.message, environ.used))
        for document in documents
        for problem in document.problems
    }
    if problems:  # then whoever reads them wants all of them
        problems |= {each.problem for document in documents for each in document.unset}
    if workspace is None or any(document.problems for document in (*_documents(audiences), *_documents(policies))):
        return None, sorted(problems)
    whole = replace(
        workspace,
        audiences={name: audience for name, audience in sorted(built.items()) if audience},
        activations=tuple(
            activation
            for file in destinations
            if not file.document.problems
            for activation in activations[file.document.file]
        ),
        destinations={file.id: reached[file.document.file] for file in destinations if file.document.file in reached},
        variables=environ.used,
        absent=tuple(sorted(environ.absent)),
        labels=words.entries,
        policies=dict(sorted({**words.core, **kept}.items())),
    )
    return whole, sorted(problems)


def _documents(files: Sequence[_File[N]]) -> list[Document]:
    return [file.document for file in files]


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
    """The files of audiences/, destinations/ or policies/, sorted by id; ids are unique, letter case aside (SPEC 2).

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


def _audience(file: _File[AudienceModel], settings: SettingsModel | None) -> Audience | None:
    return build_audience(file.document, file.model, file.id, settings) if file.model else None


def _activations(
    root: Path,
    settings_file: _File[SettingsModel],
    audiences: Sequence[_File[AudienceModel]],
    destinations: Sequence[_File[DestinationModel]],
    environ: Mapping[str, str],
    *,
    reached: Mapping[str, Destination],
) -> dict[str, list[Activation]]:
    """The activations of each destination file. Of two that can write the same file, the later one is at fault (F1)."""
    names = {file.id: (file.model and file.model.name) or file.id for file in audiences}
    settings = settings_file.model
    around = Surroundings(
        workspace=(settings and settings.workspace) or "",
        zone=zone_of(settings),
        audiences=names,
        root=root,
        environ=environ,
        settings=settings_file.document,
        guards=settings.guards if settings else None,
        ids=frozenset({"profile_id", (settings and settings.profiles and settings.profiles.id) or "profile_id"}),
    )
    documents = {file.document.file: file.document for file in destinations}
    built = {
        file.document.file: build_activations(file.document, file.model, file.id, around)
        for file in destinations
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
