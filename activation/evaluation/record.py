"""The record of an evaluation beside its memberships: a digest of the rule, and the files that were read (E8)."""

import hashlib
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from muster.activation.instants import iso
from muster.activation.model.sources import DEFAULT_POLICY
from muster.activation.model.workspace import Audience
from muster.activation.profiles.opened import Opened
from muster.activation.rules.order import with_references


def rule_digest(audience: Audience) -> str:
    """A digest of what decides an audience: its rule, its measures, its source, its merge policy."""
    measures = [
        [each.name, each.function, each.column, each.where, _seconds(each.within)] for each in audience.measures
    ]
    policy = [audience.merge_policy] if audience.merge_policy != DEFAULT_POLICY else []
    decisive = [audience.where, measures, audience.from_feed, *policy]
    return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()


def _seconds(length: timedelta | None) -> float | None:
    return None if length is None else length.total_seconds()


def inputs_record(opened: Opened, audience: Audience, audiences: Mapping[str, Audience], roster: str) -> dict[str, Any]:
    """The files that decided an audience and their ages (E8, D2), the kept roster, and how many numbers were given.

    With sources also the build of the view, and more, as ``OpenedPolicy.record_of`` says.
    """
    snapshot = opened.snapshot
    dated = iso(snapshot.instant) if snapshot.instant else None
    return {
        "snapshot": {"name": opened.snapshot_name, "instant": dated, "files": snapshot.records},
        "events": [part.record for part in opened.event_parts] if audience.measures else [],
        "memberships": [part.record for part in opened.feed_parts] if audience.from_feed else [],
        "roster": roster,
        "numbers": opened.numbering.length,
        "ages": opened.freshness.seconds(*opened.profile_kinds, *_kinds(audience, audiences)),
        **opened.record_of(audience),
    }


def _kinds(audience: Audience, audiences: Mapping[str, Audience]) -> set[str]:
    """The kinds of inputs beside profiles that decided an audience, or one that it refers to (D2)."""
    used = [audiences[name] for name in with_references([audience.id], audiences)]
    by_kind = {"events": any(each.measures for each in used), "memberships": any(each.from_feed for each in used)}
    return {kind for kind, is_used in by_kind.items() if is_used}
