"""`audiences members`: who is, and who was, in one audience as an evaluation found it (E5, E8)."""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import polars as pl

from muster.activation.errors import MusterError, RefusedError, did_you_mean
from muster.activation.frames import engine
from muster.activation.frames.columns import PROFILE_ID, STATUS, TIME, TIME_TYPE
from muster.activation.instants import iso
from muster.activation.model.history import AudienceEvaluation, FailedAudience
from muster.activation.state.files import State
from muster.activation.state.ledger import deletion, evaluations_table, failures_table
from muster.activation.state.ledger.database import Ledger
from muster.activation.system.disk import create_file, sync
from muster.activation.system.os_errors import system_message
from muster.activation.values.text import csv_text
from muster.runs.opening import OpenWorkspace, instant_of
from muster.runs.sessions import read_state

T = TypeVar("T")
_ENDINGS = (".csv", ".parquet")


@dataclass(frozen=True)
class Membership:
    """A profile that is or was in an audience, and since when the status holds."""

    profile_id: str
    status: str  # realized or exited
    last_qualification_time: datetime


@dataclass(frozen=True)
class AudienceMembers:
    """One audience as its newest evaluation, at or before an instant if one was given, found it."""

    evaluation: AudienceEvaluation
    exited: int  # profiles that were members once; those that are members count in ``evaluation.realized``
    failed: FailedAudience | None  # why no evaluation could decide the audience since; None of an earlier instant
    memberships: tuple[Membership, ...]  # the first ones, in the order of the ids as text; none that are in a file

    @property
    def total(self) -> int:
        """The number of all memberships."""
        return self.evaluation.realized + self.exited


def list_members(
    workspace: OpenWorkspace, audience: str, *, at: datetime | None = None, limit: int | None = None
) -> AudienceMembers:
    """The memberships of an audience, at most ``limit`` of them, by its newest evaluation at or before ``at``.

    ``RefusedError`` for an unknown audience, and where no such evaluation was made or it was pruned; ``StateError``
    when its memberships are damaged.
    """

    def first(found: pl.LazyFrame) -> tuple[Membership, ...]:
        shown = found if limit is None else found.head(limit)
        return tuple(Membership(*row) for row in engine.collect(shown).iter_rows())

    return _read(workspace, audience, at, first)


def write_members(workspace: OpenWorkspace, audience: str, out: Path, *, at: datetime | None = None) -> AudienceMembers:
    """Write the memberships of an audience into a new CSV or Parquet file, which appears complete or not at all.

    The ending of the name says which; the file has ``file_mode``. ``RefusedError`` for another ending, and when the
    file exists; other errors as of ``list_members``.
    """
    if out.suffix not in _ENDINGS:
        raise RefusedError(f"{out}: expected a name that ends in {' or '.join(_ENDINGS)}")
    if os.path.lexists(out):
        raise _taken(out)

    def write(found: pl.LazyFrame) -> tuple[Membership, ...]:
        _write(found, out, workspace.config.file_mode)
        return ()

    return _read(workspace, audience, at, write)


def _read(
    workspace: OpenWorkspace,
    audience: str,
    at: datetime | None,
    take: Callable[[pl.LazyFrame], tuple[Membership, ...]],
) -> AudienceMembers:
    """What ``take`` takes of the memberships of an audience, in the order of the ids as text."""
    moment = None if at is None else instant_of(at)

    def found(state: State, ledger: Ledger) -> AudienceMembers:
        evaluation = _evaluation(workspace, ledger, audience, moment)
        memberships = state.read(evaluation.stored).select(PROFILE_ID, STATUS, TIME)
        total = int(engine.collect(memberships.select(pl.len())).item())
        failed = failures_table.current(ledger).get(audience) if moment is None else None
        taken = take(memberships.sort(PROFILE_ID))
        return AudienceMembers(evaluation, total - evaluation.realized, failed, taken)

    return read_state(workspace, found)


def _evaluation(workspace: OpenWorkspace, ledger: Ledger, audience: str, moment: datetime | None) -> AudienceEvaluation:
    if evaluation := evaluations_table.newest(ledger, audience, moment):
        return evaluation
    audiences = workspace.config.audiences
    until = deletion.pruned_until(ledger, audience)
    if until is not None:
        raise RefusedError(f"audience {audience!r}: evaluations up to {iso(until)} were pruned")
    if audience not in audiences and not evaluations_table.newest(ledger, audience):
        raise RefusedError(f"there is no audience {audience!r}{did_you_mean(audience, audiences)}")
    if moment is None:
        raise RefusedError(f"audience {audience!r} was never evaluated; `muster evaluate` does that")
    raise RefusedError(
        f"audience {audience!r} has no evaluation at or before {iso(moment)}; see `muster audiences show {audience}`"
    )


def _write(memberships: pl.LazyFrame, out: Path, file_mode: int) -> None:
    """Write a file beside ``out``, then give it that name, unless another file took the name meanwhile."""
    temporary = out.with_name(f".{out.name}.muster-tmp")
    try:
        create_file(temporary, file_mode)
        if out.suffix == ".csv":
            text = csv_text(pl.col(TIME), TIME_TYPE).alias(TIME)
            sink = memberships.with_columns(text).sink_csv(temporary, lazy=True)
        else:
            sink = memberships.sink_parquet(temporary, compression="zstd", lazy=True)
        with engine.writing(temporary):
            engine.collect(sink)
        sync(temporary)
        _give_name(temporary, out)
        sync(out.parent)
    except OSError as error:
        raise MusterError(f"{out}: cannot be written: {system_message(error)}") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _give_name(temporary: Path, out: Path) -> None:
    """Give a file its name; where the file system makes no links, only a look before says that the name is free."""
    try:
        os.link(temporary, out)
    except FileExistsError:
        raise _taken(out) from None
    except OSError:
        if os.path.lexists(out):
            raise _taken(out) from None
        temporary.rename(out)


def _taken(out: Path) -> RefusedError:
    return RefusedError(f"{out}: already exists; give the name of a new file")
