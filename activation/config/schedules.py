"""``schedule:`` and ``timezone:``, of activations and of the evaluation (SPEC 8: S1)."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from muster.activation.config.models import KINDS, KINDS_OF_MESSAGES, ScheduleModel, SettingsModel
from muster.activation.config.scalars import listed
from muster.activation.config.times import instant
from muster.activation.config.yaml_reader import Document, KeyPath
from muster.activation.model.workspace import Schedule


def zone_of(settings: SettingsModel | None) -> ZoneInfo:
    """The time zone of the workspace; UTC when ``timezone:`` is missing or wrong."""
    return (settings and settings.timezone) or ZoneInfo("UTC")


def build_schedule(
    document: Document,
    path: KeyPath,
    model: ScheduleModel | None,
    zone: ZoneInfo,
    kinds: Sequence[str] = KINDS,
) -> Schedule | None:
    """A schedule of exactly one of ``kinds`` (S1). ``zone``: the workspace's, for schedules without ``timezone:``."""
    kind = _kind(document, path, model, kinds)
    if model is not None and "monthly" in model.model_fields_set and "at" not in model.model_fields_set:
        beside = 'stands beside at, such as {at: "05:00", monthly: 1}'
        document.report((*path, "monthly"), beside + (f", not beside {kind}" if kind else ""))
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
    return Schedule(kind, zone, times, model.monthly or "", model.every or 0, model.cron or "", start, end)  # type: ignore[arg-type]  # one of KINDS


def _kind(document: Document, path: KeyPath, model: ScheduleModel | None, kinds: Sequence[str]) -> str | None:
    """The one kind that the schedule has; None after reporting none, several or one that is not allowed here."""
    if model is None:
        return None
    given = [kind for kind in KINDS_OF_MESSAGES if kind in model.model_fields_set and getattr(model, kind) is not False]
    wrong = [kind for kind in given if kind not in kinds]
    if wrong:
        document.report((*path, wrong[0]), f"is not possible here; expected {listed(kinds)}")
    elif len(given) != 1:
        found = f"found {' and '.join(given)}" if given else "found none"
        document.report(path, f"expected exactly one of {listed(kinds)}, {found}")
    else:
        return given[0]
    return None
