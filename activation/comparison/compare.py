"""The content of an export: the desired set against the delivered set (X2-X5, X10, X12, M2, M3, M5).

    memberships, delivered set -> side by side -> reasons -> changes -> rows, exclusions, counts, next delivered set

Profiles are numbers here, the rows of the command's roster. ``columns`` names the columns of the frames in between.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

import polars as pl

from muster.activation.comparison.changes import has_key, is_by_values_alone, mark_changes
from muster.activation.comparison.columns import (
    CONSIDERED,
    DESIRED,
    EXITS,
    IDENTITY_CHANGED,
    IDS_NOW,
    INCLUDED,
    OUTCOME,
    RANK,
    REASON,
    REGROUPED,
    ROW_TIME,
    SENT_ANEW,
    WAS_DELIVERED,
    now,
)
from muster.activation.comparison.delivered_set import DeliveredSet, SentBefore, kept_columns, nothing_sent
from muster.activation.comparison.exits import exit_rows, exits_without_value, without_rowless_exits
from muster.activation.comparison.keys import ROW_OF_PROFILE
from muster.activation.comparison.reasons import Reason, evident, is_settled, judge, needed_values, reasons_of
from muster.activation.comparison.regrouped import Regrouped, counted_once, merged_people, with_survivors
from muster.activation.comparison.sides import Sides, in_order, side_by_side
from muster.activation.frames import engine
from muster.activation.frames.columns import REALIZED, ROW, ROW_TYPE, STATUS, STATUS_TYPE, TIME, TIME_TYPE
from muster.activation.mapping.columns import Field
from muster.activation.mapping.layout import Layout
from muster.activation.mapping.profile_values import ProfileValues
from muster.activation.mapping.row_columns import AS_SENT, IDENTITY
from muster.activation.profiles.members import Members
from muster.activation.profiles.roster import Roster

_LEFT = "no_longer_desired"
_EXPORTED = pl.col(CONSIDERED) & pl.col(OUTCOME).is_null()
_SIZES = {  # of judged profiles, by name: who is counted
    WAS_DELIVERED: pl.col(WAS_DELIVERED),
    DESIRED: pl.col(DESIRED),
    _LEFT: pl.col(WAS_DELIVERED) & ~pl.col(DESIRED),
    "received": pl.col(CONSIDERED),
    "exited": _EXPORTED & pl.col(EXITS),
    "identity_changed": _EXPORTED & pl.col(IDENTITY_CHANGED),
    "realized": _EXPORTED & ~pl.col(EXITS),
    "sent_anew": pl.col(INCLUDED) & pl.col(SENT_ANEW),
}
_BY_VALUES = "values_changed"  # the name of one more size


@dataclass(frozen=True)
class Counts:
    """The profiles that a run considered, each once (X10)."""

    received: int
    exported: int
    excluded: int
    realized: int
    exited: int
    identity_changed: int
    excluded_by: dict[str, int]  # by the name of the reason, in the order of names

    @property
    def balanced(self) -> bool:
        """``received = exported + excluded``, ``exported = realized + exited``, and the reasons add up."""
        return (
            self.received == self.exported + self.excluded
            and self.exported == self.realized + self.exited
            and self.excluded == sum(self.excluded_by.values())
        )


@dataclass(frozen=True)
class Comparison:
    """The outcome of a comparison.

    ``rows``      the rows to write, in the order of M6: muster:row, status, last_qualification_time, and the columns of
                  ``mapping.row_columns``
    ``excluded``  the considered profiles without a row, in that order: muster:row, reason
    """

    rows: pl.DataFrame
    excluded: pl.DataFrame
    delivered: Callable[[], DeliveredSet]  # makes the delivered set that a success leaves
    is_delivered: Callable[[], pl.Series]  # whether it holds the profile of each number (Boolean)
    counts: Counts
    delivered_before: int  # profiles in the delivered set that was compared
    desired: int
    no_longer_desired: int  # delivered profiles that are not desired any more (X11)
    values_changed: int  # included for changed values alone (X3e)
    sent_anew: int  # included as a key is made in another way now, and written otherwise (X12)
    regrouped: Regrouped | None  # what merges and splits did to the delivered set; None for nothing
    exits_without_value: dict[str, int]  # exits that lack a key, as what was sent is unknown: how many, by target (X12)
    keeps_values: bool  # whether the delivered set keeps more than memberships and digests

    @property
    def merged(self) -> int:
        """How many delivered ids became aliases (P11)."""
        return self.regrouped.merged if self.regrouped else 0

    @property
    def split(self) -> int:
        """How many profiles came out of delivered ones (P11)."""
        return self.regrouped.split if self.regrouped else 0


@dataclass(frozen=True, eq=False)
class People:
    """Those whom an export compares: the memberships, and the delivered set.

    ``delivered`` is None for a first export, and where nobody of the delivered set is needed: such an export
    ``continues`` the columns of it alone. ``marks`` says by number what the reasons ask of ``comparison.columns``.
    ``regrouped`` says what merges and splits did to the delivered set since; None for nothing.
    """

    memberships: Members
    delivered: DeliveredSet | None = None
    continues: DeliveredSet | None = None
    marks: Mapping[str, pl.Series] = field(default_factory=dict)
    regrouped: Regrouped | None = None

    @property
    def all_marks(self) -> Mapping[str, pl.Series]:
        """``marks``, and that of merges and splits."""
        return {**self.marks, **({REGROUPED: self.regrouped.mark} if self.regrouped else {})}


def compare(
    read: Callable[[], People], layout: Layout, values: ProfileValues, *, at: datetime, incremental: bool
) -> Comparison:
    """Decide what an export holds.

    The export holds the desired set unless it is ``incremental`` and not the first. The people are not held by the
    comparison: they are read again for a delivered set with people that were not looked at.
    """
    roster, bound, people = values.roster, layout, read()
    only_changes = incremental and people.delivered is not None
    sides, before = _compared(people, layout, roster, only_changes=only_changes)
    layout = before.layout
    reasons = reasons_of(layout, sides.marks)
    condition = is_settled(layout, reasons, sides.marks, only_changes=only_changes)
    settled, unsettled = sides.parted(pl.lit(value=False) if condition is None else condition)
    left_out, named = sides.first_of(evident(reasons, sides.marks, only_changes=only_changes), unsettled)
    unsettled &= ~left_out
    if condition is not None and not unsettled.any():
        found = _nobody()
    else:
        others = sides.pick(unsettled)
        found = _look_at(others, before, reasons, values, people.regrouped, at=at, only_changes=only_changes)
    excluded = in_order(pl.concat([found.excluded, named]), roster) if found.excluded.height else named
    has_settled_rows = condition is not None and not only_changes
    rows = _with_settled(found.rows, sides.times(settled), roster) if has_settled_rows else found.rows
    settled_sizes = int(settled.sum()), sides.count_delivered(settled)
    size = _with_settled_sizes(found.sizes, *settled_sizes, sent=not only_changes)
    size = _with_left_out(size, named.height, sides.count_delivered(left_out))
    return Comparison(
        rows,
        excluded,
        partial(
            _delivered_after,
            found.judged,
            settled,
            before,
            roster,
            lambda: _compared(read(), bound, roster, only_changes=only_changes)[0],
        ),
        partial(_desired_numbers, found.judged, settled, roster),
        _counts(excluded, size),
        size[WAS_DELIVERED],
        size[DESIRED],
        size[_LEFT],
        values_changed=size[_BY_VALUES],
        sent_anew=size["sent_anew"],
        regrouped=people.regrouped,
        exits_without_value=found.exits_without_value,
        keeps_values=bool(layout.kept),
    )


@dataclass(frozen=True, eq=False)
class _LookedAt:
    """What an export holds of the profiles that are not settled: they were looked at one by one."""

    judged: pl.LazyFrame | None  # a row for each, with the columns of ``changes``; None for nobody
    rows: pl.DataFrame  # as in ``Comparison``
    excluded: pl.DataFrame  # as in ``Comparison``
    sizes: dict[str, int]  # of ``_sizes``
    exits_without_value: dict[str, int]  # as in ``Comparison``


def _nobody() -> _LookedAt:
    """What an export holds of profiles that are not settled, where all are: the delivered set keeps no values then."""
    rows = pl.DataFrame(schema={ROW: ROW_TYPE, STATUS: STATUS_TYPE, TIME: TIME_TYPE})
    excluded = pl.DataFrame(schema={ROW: ROW_TYPE, REASON: pl.String})
    return _LookedAt(None, rows, excluded, dict.fromkeys((*_SIZES, _BY_VALUES), 0), {})


def _look_at(
    others: pl.DataFrame,
    before: SentBefore,
    reasons: tuple[Reason, ...],
    values: ProfileValues,
    regroups: Regrouped | None,
    *,
    at: datetime,
    only_changes: bool,
) -> _LookedAt:
    """Decide what an export holds of ``others``, a frame of ``Sides.pick``; ``regroups`` as ``People.regrouped``."""
    layout, types, marks = before.layout, before.types, others.columns
    sends_exits = only_changes and layout.status_mapped
    merges = sends_exits and regroups is not None and regroups.merged > 0
    marked = judge(with_values_now(others, layout, needed_values(reasons), values), reasons, values).pipe(
        mark_changes, layout, types, marks, at=at, only_changes=only_changes, sends_exits=sends_exits
    )
    found = engine.collect(marked, others.height)
    if merges and regroups:
        found = with_survivors(found, regroups, values.roster, has_key=has_key(layout))
    judged = found.lazy()
    exits = exit_rows(judged, layout, types, values, marks, at=at, merges=merges) if sends_exits else None
    rows = engine.collect(_rows(judged, exits, layout), others.height)
    rows = rows if AS_SENT in rows.columns and rows[AS_SENT].any() else rows.drop(AS_SENT, strict=False)
    if merges:
        judged = _with_outcomes(found, rows)
    elif sends_exits:
        judged = without_rowless_exits(judged, rows.lazy())
    else:
        judged = judged.with_columns(pl.col(REASON).alias(OUTCOME))
    excluded, sizes = engine.collect_all([_excluded(judged), _sizes(judged, marks)], others.height)
    lacking = exits_without_value(rows, judged, layout) if sends_exits else {}
    return _LookedAt(judged, rows, excluded, sizes.row(0, named=True), lacking)


def _with_outcomes(judged: pl.DataFrame, rows: pl.DataFrame) -> pl.LazyFrame:
    """Judged profiles with ``outcome``, where some were merged since the last delivery (X10, P11)."""
    is_merged = merged_people(judged)
    others = without_rowless_exits(judged.lazy().filter(~is_merged), rows.lazy())
    once = counted_once(judged.filter(is_merged), rows)
    return pl.concat([others.select(once.columns), once.lazy()])


def _compared(people: People, layout: Layout, roster: Roster, *, only_changes: bool) -> tuple[Sides, SentBefore]:
    """The people side by side, and what the delivered ones were sent, beside the layout that continues it."""
    before = _sent_before(layout, people.delivered or people.continues, forgets=not only_changes)
    compares_identities = only_changes and "identity" in before.layout.changes
    marks = people.all_marks
    return side_by_side(people.memberships, before, roster, marks, compares_identities=compares_identities), before


def _sent_before(layout: Layout, delivered: DeliveredSet | None, *, forgets: bool) -> SentBefore:
    """What was sent before; without the values where the export ``forgets`` them, since it sends everybody."""
    if delivered is None:
        return nothing_sent(layout)
    found = delivered.sent_before(layout)
    return found.without_values() if forgets else found


def with_values_now(
    everyone: pl.DataFrame, layout: Layout, needed: tuple[Field, ...], values: ProfileValues
) -> pl.LazyFrame:
    """Add ``now(i)`` of the kept columns, the ids of the mapped namespace, and the needed values.

    A floating-point value that is NaN or infinite is null, as in the file (M2, M3, M7).
    """
    fields = {i: each.field for i, each in enumerate(layout.kept)}
    of_profile = {now(i): field for i, field in fields.items() if field.role != "identity"}
    names = of_profile | ({IDS_NOW: layout.ids} if layout.ids else {})
    found = values.of(everyone, (*names.values(), *needed))
    named = found.with_columns(pl.col(field.value_column).alias(name) for name, field in names.items())
    identities = {now(i): field for i, field in fields.items() if field.role == "identity"}
    written = (layout.written_ids(field, pl.col(IDS_NOW)).alias(name) for name, field in identities.items())
    floats = [pl.col(name) for name, field in of_profile.items() if field.dtype.is_float()]
    return named.with_columns(*written, *(pl.when(value.is_finite()).then(value) for value in floats))


def _rows(judged: pl.LazyFrame, exits: pl.LazyFrame | None, layout: Layout) -> pl.LazyFrame:
    """The rows to write, in the order of M6: of a profile exits first, then by identity."""
    identity = [pl.col(IDS_NOW).alias(IDENTITY)] if layout.identity else []
    status, time = pl.lit(REALIZED, STATUS_TYPE).alias(STATUS), pl.col(ROW_TIME).alias(TIME)
    realized = judged.filter(INCLUDED).select(ROW, RANK, status, time, *identity)
    rows = [realized.explode(IDENTITY) if layout.identity else realized]
    rows += [exits] if exits is not None else []
    whole = pl.concat(rows, how="diagonal")
    is_realized, place = pl.col(STATUS) == REALIZED, [ROW_OF_PROFILE] if exits is not None else []
    order = [RANK, is_realized, *place, *([IDENTITY] if layout.identity else [])]
    ordered = whole.sort(order, maintain_order=True).drop(RANK, *place)
    return ordered.with_columns(pl.col(f"^{AS_SENT}$").fill_null(value=False))


def _with_settled(rows: pl.DataFrame, settled: pl.DataFrame, roster: Roster) -> pl.DataFrame:
    """The rows of a file with those of settled members, in the order of M6."""
    members = settled.select(ROW, pl.lit(REALIZED, STATUS_TYPE).alias(STATUS), TIME)
    if rows.is_empty():
        return members
    both = pl.concat([members, rows])
    return both.with_columns(roster.rank_of(both[ROW]).alias(RANK)).sort(RANK).drop(RANK)


def _with_settled_sizes(size: dict[str, int], settled: int, delivered: int, *, sent: bool) -> dict[str, int]:
    """The sizes of the judged profiles and of settled ones, which are received and realized if they are ``sent``."""
    received = settled if sent else 0
    more = {WAS_DELIVERED: delivered, DESIRED: settled, "received": received, "realized": received}
    return {name: number + more.get(name, 0) for name, number in size.items()}


def _with_left_out(size: dict[str, int], left_out: int, delivered: int) -> dict[str, int]:
    """The sizes with those of members who are left out without a look, of whom some were delivered (X10)."""
    more = {WAS_DELIVERED: delivered, _LEFT: delivered, "received": left_out}
    return {name: number + more.get(name, 0) for name, number in size.items()}


def _delivered_after(
    judged: pl.LazyFrame | None,
    settled: pl.Series,
    before: SentBefore,
    roster: Roster,
    sides: Callable[[], Sides],
) -> DeliveredSet:
    """The delivered set that a success leaves: desired profiles, settled ones among them (X8)."""
    columns = kept_columns(before.layout, before.types)
    desired = [] if judged is None else [judged.filter(DESIRED).select(columns)]
    if settled.any() or judged is None:
        others = sides().pick(settled).lazy().with_columns(pl.lit(value=False).alias(INCLUDED))
        desired.append(others.select(columns))
    return DeliveredSet.of_success(pl.concat(desired), roster)


def _desired_numbers(judged: pl.LazyFrame | None, settled: pl.Series, roster: Roster) -> pl.Series:
    """Whether each number is of a desired profile (Boolean), settled ones among them."""
    if judged is None:
        return settled
    rows = engine.collect(judged.filter(DESIRED).select(ROW))[ROW]
    return settled.scatter(roster.numbers.gather(rows), values=True)


def _excluded(judged: pl.LazyFrame) -> pl.LazyFrame:
    without_row = judged.filter(pl.col(CONSIDERED) & pl.col(OUTCOME).is_not_null())
    return without_row.sort(RANK).select(ROW, pl.col(OUTCOME).alias(REASON))


def _sizes(judged: pl.LazyFrame, marks: Collection[str]) -> pl.LazyFrame:
    """How many profiles were delivered, are desired, exit and so on: one row."""
    sizes = _SIZES | {_BY_VALUES: pl.col(INCLUDED) & is_by_values_alone(marks)}
    return judged.select(size.sum().alias(name) for name, size in sizes.items())


def _counts(excluded: pl.DataFrame, size: dict[str, int]) -> Counts:
    """The counts of a run, with the number of excluded profiles by reason (X10)."""
    return Counts(
        received=size["received"],
        exported=size["received"] - excluded.height,
        excluded=excluded.height,
        realized=size["realized"],
        exited=size["exited"],
        identity_changed=size["identity_changed"],
        excluded_by=dict(excluded.group_by(REASON).len().sort(REASON).iter_rows()) if excluded.height else {},
    )
