"""What a run keeps in the ledger while it is sent, so that it can be settled from files alone after a kill (V8)."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from muster.activation.instants import iso
from muster.activation.model.history import Run, StoredFile
from muster.activation.profile_changes.changes import Counts

_KEY = "sending"  # beside the keys of the outbox


@dataclass(frozen=True)
class Kept:
    """What settling a run needs beside its outbox."""

    basis: str | None  # what must be as it was for the run to go on; None: it never does
    until: datetime | None  # the instant from which it does not go on, whatever the basis
    before: tuple[StoredFile, Mapping[str, Any]] | None  # rows that the answers change, and what their columns mean
    made: dict[str, Any]
    counts: Counts  # as if each message were accepted
    excluded: StoredFile | None  # profile_id, reason, tries
    waiting: StoredFile | None  # entries that are part of no request, as they wait for others (V7)
    failed: tuple[str, ...]  # why audiences could not be evaluated: the run fails in the end (E9)
    place: str
    policy: str | None
    build: int | None


def with_kept(outbox: dict[str, Any], kept: Kept) -> dict[str, Any]:
    """The record of an outbox with what settling needs."""
    before = kept.before and [kept.before[0].record, dict(kept.before[1])]
    plain = {
        "basis": kept.basis,
        "until": kept.until and iso(kept.until),
        "before": before,
        "made": kept.made,
        "counts": asdict(kept.counts) | {"excluded_by": dict(kept.counts.excluded_by)},
        "excluded": kept.excluded and kept.excluded.record,
        "waiting": kept.waiting and kept.waiting.record,
        "failed": list(kept.failed),
        "place": kept.place,
        "policy": kept.policy,
        "build": kept.build,
    }
    return outbox | {_KEY: plain}


def kept_of(run: Run) -> Kept:
    """What a run that is being sent keeps."""
    plain: dict[str, Any] = (run.outbox or {})[_KEY]
    before, until = plain["before"], plain["until"]
    return Kept(
        basis=plain["basis"],
        until=datetime.fromisoformat(until) if until else None,
        before=(StoredFile.of(before[0]), before[1]) if before else None,
        made=plain["made"],
        counts=Counts(**plain["counts"]),
        excluded=_stored(plain["excluded"]),
        waiting=_stored(plain["waiting"]),
        failed=tuple(plain["failed"]),
        place=plain["place"],
        policy=plain["policy"],
        build=plain["build"],
    )


def _stored(record: dict[str, Any] | None) -> StoredFile | None:
    return StoredFile.of(record) if record else None
