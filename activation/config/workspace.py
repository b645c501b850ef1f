"""A workspace's YAML files to the frozen nouns of ``muster.activation.model.workspace``, with all mistakes at once (SPEC 2, 10). Edge.

``sources`` reads the files, ``yamlfile`` makes data of one, ``config_parse`` a model of that (``config_models``,
``config_fields``, ``config_times``), ``config_build``, ``config_columns`` and ``config_destinations`` make nouns of
models; here is what spans files.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Generic, TypeVar

from muster.activation.config.activations import Surroundings, build_activations
from muster.activation.config.audiences import (
    build_audience,
    build_retention,
    build_schedule,
    clash,
    identify,
    stem,
    zone_of,
)
from muster.activation.config.connections import build_destination, build_source
from muster.activation.config.models import AudienceModel, DestinationModel, EvaluationModel, Model, SettingsModel
from muster.activation.config.parse import parse
from muster.activation.config.sources import AUDIENCES_FOLDER, DESTINATIONS_FOLDER, SETTINGS_FILE, Sources, read_sources
from muster.activation.config.yaml_reader import Document, read_document
from muster.activation.errors import ConfigError, Problem
from muster.activation.model import naming
from muster.activation.model.redaction import Recorded
from muster.activation.model.workspace import (
    Activation,
    Audience,
    Destination,
    EventsSource,
    MembershipsSource,
    ProfilesSource,
    Workspace,
)
from muster.activation.stores import urls

_CLOCK_KINDS = ("at", "every", "cron")

M = TypeVar("M", bound=Model)
N = TypeVar("N", AudienceModel, DestinationModel)


@dataclass(frozen=True)
class _File(Generic[M]):
    """One YAML file, its model (None when it cannot be read), and the id of what it holds, a wrong one replaced by the stem."""

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
    """The workspace that the files say and every mistake in them, by file and line (SPEC 10).

    Mistakes in destinations only leave a workspace without those destinations' activations, so that its audiences can
    be checked further; any other leaves none.
    """
    root, environ = sources.root, Recorded(environ)
    settings = _read_settings(sources, environ)
    audiences = _read_folder(sources, AUDIENCES_FOLDER, AudienceModel, environ)
    destinations = _read_folder(sources, DESTINATIONS_FOLDER, DestinationModel, environ)
    members = {file.id: _audience(file, settings.model) for file in reversed(audiences)}
    places = {
        file.document.file: build_destination(file.document, file.model, file.id, root, environ)
        for file in destinations
        if file.model
    }
    activations = _activations(root, settings.model, audiences, destinations, environ, places=places)
    workspace = _workspace(root, settings, environ)
    documents = [settings.document, *(file.document for file in audiences), *(file.document for file in destinations)]
    problems = {problem for document in documents for problem in document.problems}
    if workspace is None or any(file.document.problems for file in audiences):
        return None, sorted(problems)
    whole = replace(
        workspace,
        audiences={name: audience for name, audience in sorted(members.items()) if audience},
        activations=tuple(
            activation
            for file in destinations
            if not file.document.problems
            for activation in activations[file.document.file]
        ),
        destinations={file.id: places[file.document.file] for file in destinations if file.document.file in places},
        variables=environ.used,
    )
    return whole, sorted(problems)


def _read_settings(sources: Sources, environ: Mapping[str, str]) -> _File[SettingsModel]:
    if SETTINGS_FILE not in sources.files:
        missing = Problem(SETTINGS_FILE, 0, "", f"is not in {sources.root}; run `muster init` to make a workspace")
        return _File(Document(SETTINGS_FILE, problems=[missing]), None)
    document = read_document(SETTINGS_FILE, sources.files[SETTINGS_FILE], environ)
    return _File(document, parse(SettingsModel, document))


def _read_folder(sources: Sources, folder: str, model: type[N], environ: Mapping[str, str]) -> list[_File[N]]:
    """The files of audiences/ or destinations/, in the order of their ids; ids are unique, letter case aside (SPEC 2)."""
    files = []
    for name, content in sources.inside(folder):
        document = read_document(name, content, environ)
        parsed = parse(model, document)
        files.append(_File(document, parsed, (parsed and identify(document, parsed)) or stem(document)))
    files.sort(key=lambda file: (file.id, file.document.file))
    _check_ids(folder.removesuffix("s"), files)
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
    settings: SettingsModel | None,
    audiences: Sequence[_File[AudienceModel]],
    destinations: Sequence[_File[DestinationModel]],
    environ: Mapping[str, str],
    *,
    places: Mapping[str, Destination],
) -> dict[str, list[Activation]]:
    """The activations of each destination file; two that can write one file are a mistake of the later (F1)."""
    names = {file.id: (file.model and file.model.name) or file.id for file in audiences}
    around = Surroundings((settings and settings.workspace) or "", zone_of(settings), names, root, environ)
    documents = {file.document.file: file.document for file in destinations}
    built = {
        file.document.file: build_activations(file.document, file.model, file.id, around)
        for file in destinations
        if file.model
    }
    together = [activation for activations in built.values() for activation in activations]

    folders = {
        each.id: (each.service, *urls.local_path(urls.normalise(each.url, root), root).parts)
        for each in places.values()
        if each.url
    }
    for later, earlier in naming.collisions(together, around.workspace, names, lambda each: folders[each.destination]):
        if later.key.casefold() != earlier.key.casefold():  # else it is said that their ids clash
            place = later.place
            documents[place.file].problems.append(
                Problem(place.file, place.line, place.key, _collision(later, earlier))
            )
    return built


def _collision(later: Activation, earlier: Activation) -> str:
    remedy = "{activation}" if later.destination == earlier.destination else "{destination} and {activation}"
    where = f"{earlier.place.file}:{earlier.place.line}"
    return (
        f"{later.key} can write a file of the same name as {earlier.key} ({where}), at the same url; put "
        f"{remedy} into file_name"
    )


def _workspace(root: Path, settings: _File[SettingsModel], environ: Mapping[str, str]) -> Workspace | None:
    """The workspace without audiences and activations; None when muster.yml has a mistake."""
    document, model = settings.document, settings.model
    if model is None:
        return None
    evaluation, zone = model.evaluation or EvaluationModel(), zone_of(model)
    schedule = build_schedule(document, ("evaluation", "schedule"), evaluation.schedule, zone, _CLOCK_KINDS)
    state = Path(os.path.abspath(root / (model.state or "")))  # noqa: PTH100 (resolve() would follow symlinks)
    if model.state and state == root:
        document.report(("state",), "is the workspace itself; expected a folder of its own such as .muster")
    retention = build_retention(document, model.retention)
    sources = {
        what: build_source(document, what, source, environ)
        for what, source in (("profiles", model.profiles), ("events", model.events), ("memberships", model.memberships))
        if source
    }
    if document.problems or model.workspace is None or model.profiles is None:
        return None
    return Workspace(
        root=root,
        name=model.workspace,
        zone=zone,
        profiles=ProfilesSource(**sources["profiles"]),
        state=state,
        audiences={},
        activations=(),
        destinations={},
        events=EventsSource(**sources["events"]) if model.events else None,
        memberships=MembershipsSource(**sources["memberships"]) if model.memberships else None,
        evaluation_schedule=schedule,
        keep_exited=evaluation.keep_exited if evaluation.keep_exited is not None else timedelta(days=30),
        file_mode=model.file_mode or 0o600,
        memory_limit=model.memory_limit,
        retention=retention,
    )
