"""An audience from the model of a file in ``audiences/``, with its measures (SPEC 4: E2, E3, X6).

Mistakes are reported in the document. Rules and measures stay text: ``activation.rules`` parses them.
"""

import re
from dataclasses import replace

from muster.activation.config.models import AudienceModel, MeasureModel, SettingsModel
from muster.activation.config.yaml_reader import Document
from muster.activation.model.workspace import Audience, Measure

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED_NAMES = ("audience", "identity_map", "profile_id")


def build_audience(
    document: Document, model: AudienceModel, audience_id: str, settings: SettingsModel | None
) -> Audience:
    """An audience with its measures. ``settings`` must have the ``events:`` or ``memberships:`` it reads."""
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
        location=document.location(("where",)),
    )


def _measure(document: Document, name: str, model: MeasureModel | None) -> Measure | None:
    """A named measure; None when the function that it calls is wrong or missing."""
    path = ("events", name)
    if not _PLAIN_NAME.fullmatch(name):
        document.report(path, f"{name!r} is not a plain name; expected letters, digits and '_', not a digit first")
    elif name in _RESERVED_NAMES:
        document.report(path, f"{name!r} has another meaning in expressions; choose another name")
    if model is None or model.measure is None:
        return None
    return replace(model.measure, name=name, where=model.where, within=model.within, location=document.location(path))
