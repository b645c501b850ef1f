"""The record of an evaluation beside its memberships: a digest of the rule, and the files that were read (E8)."""

import hashlib
import json
from datetime import timedelta
from typing import Any

from muster.activation.instants import iso
from muster.activation.model.workspace import Audience
from muster.activation.profiles.opened import Opened


def rule_digest(audience: Audience) -> str:
    """A digest of what decides an audience: its rule, its measures, its source."""
    measures = [
        [each.name, each.function, each.column, each.where, _seconds(each.within)] for each in audience.measures
    ]
    return hashlib.sha256(json.dumps([audience.where, measures, audience.from_feed]).encode()).hexdigest()


def _seconds(length: timedelta | None) -> float | None:
    return None if length is None else length.total_seconds()


def inputs_record(opened: Opened, audience: Audience, roster: str) -> dict[str, Any]:
    """The files that decided an audience (E8), and the kept roster whose numbers the memberships have."""
    snapshot = opened.snapshot
    dated = iso(snapshot.instant) if snapshot.instant else None
    return {
        "snapshot": {"name": snapshot.name, "instant": dated, "files": snapshot.records},
        "events": [part.record for part in opened.event_parts] if audience.measures else [],
        "memberships": [part.record for part in opened.feed_parts] if audience.from_feed else [],
        "roster": roster,
    }
