"""Ids, schedules and audiences from the models of ``muster.activation.config.models``, checked (SPEC 2, 4, 8). Pure.

A builder reports each mistake in the document it reads and returns None for what cannot be built.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import PurePosixPath
from zoneinfo import ZoneInfo

from muster.activation.config.fields import ID, ID_WORDS, listed
from muster.activation.config.models import (
    KINDS,
    AudienceModel,
    DestinationModel,
    MeasureModel,
    RetentionModel,
    ScheduleModel,
    SettingsModel,
)
from muster.activation.config.times import instant
from muster.activation.config.yaml_reader import Document, KeyPath
from muster.activation.model.workspace import Audience, Keep, Measure, Retention, Schedule

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TAKEN_NAMES = ("audience", "identity_map", "profile_id")


def stem(document: Document) -> str:
    """The id that a file's name gives (SPEC 2)."""
    return PurePosixPath(document.file).stem


def identify(document: Document, model: AudienceModel | DestinationModel) -> str | None:
    """The id of a file's noun: ``id:``, else the file's stem."""
    if "id" in model.model_fields_set:
        return model.id
    name = stem(document)
    if not ID.fullmatch(name):
        document.report((), f"the file's name {name!r} is not {ID_WORDS}; rename the file or write an id")
        return None
    return name


def build_schedule(
    document: Document,
    path: KeyPath,
    model: ScheduleModel | None,
    zone: ZoneInfo,
    kinds: Sequence[str] = KINDS,
) -> Schedule | None:
    """A schedule of exactly one of ``kinds`` (S1); ``zone`` is the workspace's."""
    kind = _kind(document, path, model, kinds)
    if model is None or kind is None:
        return None
    zone = model.timezone or zone
    start = instant(model.start, zone) if model.start else None
    end = instant(model.end, zone) if model.end else None
    if start and end and end <= start:
        document.report(
            (*path, "end"), f"{document.shown((*path, 'end'))} is not after start, {document.shown((*path, 'start'))}"
        )
    times = tuple(sorted({at for at in model.at or () if at is not None}))
    if kind == "at" and model.at == []:
        document.report((*path, "at"), 'is empty; expected local times such as ["05:00", "17:00"]')
    return Schedule(kind, zone, times, model.every or 0, model.cron or "", start, end)  # type: ignore[arg-type]  # one of KINDS


def _kind(document: Document, path: KeyPath, model: ScheduleModel | None, kinds: Sequence[str]) -> str | None:
    if model is None:
        return None
    given = [kind for kind in KINDS if kind in model.model_fields_set and getattr(model, kind) is not False]
    wrong = [kind for kind in given if kind not in kinds]
    if wrong:
        document.report((*path, wrong[0]), f"is not possible here; expected {listed(kinds)}")
    elif len(given) != 1:
        found = f"found {' and '.join(given)}" if given else "found none"
        document.report(path, f"expected exactly one of {listed(kinds)}, {found}")
    else:
        return given[0]
    return None


def build_retention(document: Document, model: RetentionModel | None) -> Retention:
    """What `muster prune` is to leave of each kind of history."""
    kinds = {name: getattr(model, name, None) for name in RetentionModel.model_fields}
    for name, kind in kinds.items():
        if kind and not kind.model_fields_set:
            document.report(("retention", name), "says nothing; expected days or count, such as {days: 30, count: 10}")
    return Retention(
        **{name: kind and Keep(kind.days and timedelta(days=kind.days), kind.count) for name, kind in kinds.items()}
    )


def build_audience(
    document: Document, model: AudienceModel, audience_id: str, settings: SettingsModel | None
) -> Audience:
    """An audience with its measures (E2, E3, X6); what it needs of muster.yml is looked up in ``settings``."""
    written = model.model_fields_set
    if not written & {"where", "source"}:
        document.report(
            (), "is required: an expression, or true for everyone; or write source: memberships", key=("where",)
        )
    if settings and model.source and "memberships" not in settings.model_fields_set:
        document.report(("source",), "needs `memberships: {path: ...}` in muster.yml, to read them from")
    if settings and model.events and "events" not in settings.model_fields_set:
        document.report(("events",), "measures need `events: {path: ...}` in muster.yml, to read events from")
    measures = [_measure(document, name, measure) for name, measure in (model.events or {}).items()]
    return Audience(
        id=audience_id,
        name=model.name or audience_id,
        where=model.where,
        measures=tuple(measure for measure in measures if measure),
        from_feed=model.source is not None,
        location=document.place(("where",)),
    )


def _measure(document: Document, name: str, model: MeasureModel | None) -> Measure | None:
    path = ("events", name)
    if not _PLAIN_NAME.fullmatch(name):
        document.report(path, f"{name!r} is not a plain name; expected letters, digits and '_', not a digit first")
    elif name in _TAKEN_NAMES:
        document.report(path, f"{name!r} has a meaning of its own in expressions; expected another name")
    if model is None or model.measure is None:
        return None
    return replace(model.measure, name=name, where=model.where, within=model.within, location=document.place(path))


def zone_of(settings: SettingsModel | None) -> ZoneInfo:
    """The workspace's zone; UTC while it is not known."""
    return (settings and settings.timezone) or ZoneInfo("UTC")


def clash(noun: str, name: str, first: str, where: str) -> str:
    """The message for an id that is taken, or nearly (SPEC 2)."""
    if name == first:
        return f"the {noun} id {name!r} is taken, {where}; give one of them another id"
    return f"the {noun} id {name!r} differs only in letter case from {first!r}, {where}; give one of them another id"
