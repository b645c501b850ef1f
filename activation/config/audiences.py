"""An audience from the model of a file in ``audiences/``, with its measures (SPEC 4: E2, E3, X6).

Mistakes are reported in the document. Rules and measures stay text: ``activation.rules`` parses them.
"""

import re
from dataclasses import replace

from muster.activation.config.merging import Merging
from muster.activation.config.models import AudienceModel, MeasureModel, SettingsModel
from muster.activation.config.profiles import FROM_SOURCES
from muster.activation.config.yaml_reader import Document
from muster.activation.errors import did_you_mean
from muster.activation.model.sources import DEFAULT_POLICY
from muster.activation.model.workspace import Audience, Measure

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED_NAMES = ("audience", "identity_map", "profile_id")


def build_audience(
    document: Document, model: AudienceModel, audience_id: str, settings: SettingsModel | None, merging: Merging
) -> Audience:
    """An audience with its measures. ``settings`` must have the ``memberships:`` it reads, and something the events."""
    written = model.model_fields_set
    if not written & {"where", "source"}:
        document.report(
            (), "is required: an expression, or true for everyone; or write source: memberships", key=("where",)
        )
    if settings and model.source and "memberships" not in settings.model_fields_set:
        document.report(("source",), "needs `memberships: {path: ...}` in muster.yml, to read them from")
    if settings and model.events and "events" not in settings.model_fields_set and not merging.may_have_events:
        other = ", or a source with kind: events" if merging.is_used else ""
        document.report(("events",), f"measures need `events: {{path: ...}}` in muster.yml{other}, to read events from")
    if "merge_policy" in model.model_fields_set and model.merge_policy and (wrong := _unknown(model, merging)):
        document.report(("merge_policy",), wrong)
    measures = [_measure(document, name, measure) for name, measure in (model.events or {}).items()]
    return Audience(
        id=audience_id,
        name=model.name or audience_id,
        where=model.where,
        measures=tuple(measure for measure in measures if measure),
        from_feed=model.source is not None,
        location=document.location(("where",)),
        merge_policy=model.merge_policy or DEFAULT_POLICY,
    )


def _unknown(model: AudienceModel, merging: Merging) -> str:
    """Why an audience cannot have its merge policy; empty if it can, and while muster.yml cannot be read."""
    name = model.merge_policy or ""
    if not merging.is_used:
        return (
            f"is for profiles from sources: write {FROM_SOURCES} in muster.yml, or remove it" if merging.is_read else ""
        )
    if name in merging.policies or not merging.is_read:
        return ""
    return f"there is no merge policy {name!r}{did_you_mean(name, merging.policies)}"


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
