"""The reasons for which a member is left out of an export: a table, in their order of precedence (X2).

To add a reason, add one function to ``REASONS``, in its place in the order of X2. It takes the layout and the names of
the marks, and yields the reasons that apply to this activation, none where it has no say. All else follows from the
table: which profile values are read, whether unchanged profiles can be passed over, who exits (X3d), the counts (X10),
and the names in counts and rejects. A reason reaches full and incremental exports, first and later ones, on-demand
exports and `plan` alike.

A reason that depends on profile values names their fields in ``Reason.columns``; its expression then reads each
``Field.value_column``. One that is known of everybody before an export begins reads a mark: a Boolean column by number
(``People.marks``), so that nobody has to be looked at for it.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import groupby

import polars as pl

from muster.activation.comparison.changes import is_regrouped, is_unchanged
from muster.activation.comparison.columns import (
    CONSENTS,
    DESIRED,
    FORGOTTEN,
    IDS_NOW,
    IN_NEWEST,
    MEMBER,
    PRESENT,
    REASON,
    WAS_DELIVERED,
    now,
)
from muster.activation.comparison.duplicates import losers
from muster.activation.frames.columns import ROW
from muster.activation.mapping.columns import VALUE, Field
from muster.activation.mapping.kept import Kept
from muster.activation.mapping.layout import Layout
from muster.activation.mapping.profile_values import ProfileValues

DUPLICATE = "duplicate"
PROFILE_MISSING = "profile_missing"
FORGOTTEN_REASON = "forgotten"
NO_CONSENT = "consent:"  # before the id of a policy
# Finds those among members without an earlier reason (a frame of ``comparison.columns``) to whom a reason applies: a
# frame with their ``muster:row``. For reasons that depend on other profiles.
Step = Callable[[pl.LazyFrame, ProfileValues], pl.LazyFrame]


@dataclass(frozen=True)
class Reason:
    """One reason for which a member is not desired."""

    name: str  # as counts and rejects have it: ``profile_missing``, ``mandatory:email``
    applies: pl.Expr | Step  # over the columns of ``sides`` and the values of ``columns``; null does not apply
    columns: tuple[Field, ...] = ()  # profile values that ``applies`` needs
    may_newly_apply: bool = True  # to a profile that is unchanged (``is_unchanged``); False is a promise

    @property
    def must_see_values(self) -> bool:
        """Whether the reason can only be decided with profile values, or by comparing profiles with each other."""
        return bool(self.columns) or not isinstance(self.applies, pl.Expr)


def _profile_missing(_layout: Layout, marks: Collection[str]) -> Iterator[Reason]:
    """X5: the snapshot lacks the member, or the newest one does by which consent is judged (G5)."""
    newest = [~pl.col(IN_NEWEST).fill_null(value=False)] if IN_NEWEST in marks else []
    yield Reason(PROFILE_MISSING, pl.any_horizontal(~pl.col(PRESENT), *newest))


def _forgotten(_layout: Layout, marks: Collection[str]) -> Iterator[Reason]:
    """G8: the member was forgotten."""
    if FORGOTTEN in marks:
        yield Reason(FORGOTTEN_REASON, pl.col(FORGOTTEN).fill_null(value=False))


def _no_consent(_layout: Layout, marks: Collection[str]) -> Iterator[Reason]:
    """G4: a consent policy does not let the member through; the first one by id counts."""
    for mark in sorted(each for each in marks if each.startswith(CONSENTS)):
        policy = mark.removeprefix(CONSENTS)
        yield Reason(f"{NO_CONSENT}{policy}", ~pl.col(mark).fill_null(value=False))


def _mandatory(layout: Layout, _marks: Collection[str]) -> Iterator[Reason]:
    """M2: a mandatory value, or each identity, is null or an empty string; the first such column counts."""
    for position, kept in enumerate(layout.kept):
        field, name = kept.field, f"mandatory:{kept.target}"
        if field.role == "identity" and layout.ids:
            yield Reason(name, pl.col(IDS_NOW).list.len() == 0, (layout.ids,))
        elif field.column.mandatory and kept.position is not None:
            yield Reason(name, ~_has_value(position, field), (field,))


def _unidentified(layout: Layout, _marks: Collection[str]) -> Iterator[Reason]:
    """X2: the receiver of a preset could not know the member: no group of its identifying columns has all values."""
    if layout.identified_by and not layout.identifies_everybody:
        identifying = {i: each for i, each in enumerate(layout.kept) if each.preset_identifies}
        groups = [[target for target in group if target not in layout.plain_ids] for group in layout.identified_by]
        fields = (each.field for each in identifying.values() if each.field.role != "identity")
        known = (pl.all_horizontal(_has_any(identifying, target) for target in group) for group in groups)
        yield Reason("unidentified", ~pl.any_horizontal(known), (*fields, *([layout.ids] if layout.ids else [])))


def _has_any(columns: Mapping[int, Kept], target: str) -> pl.Expr:
    """Whether one of the columns of a target has a value; ``columns`` are some of ``kept`` by position.

    A target without a kept column is the status or its time, which every member has.
    """
    values = [_has_value(i, each.field) for i, each in columns.items() if each.field.column.target == target]
    return pl.any_horizontal(*values, *([] if values else [pl.lit(value=True)]))


def _has_value(position: int, field: Field) -> pl.Expr:
    """Whether the column at this position of ``kept`` has a value today: neither null nor an empty string (M2)."""
    if field.role == "identity":
        return pl.col(IDS_NOW).list.len() > 0
    value = pl.col(now(position))
    return value.is_not_null() & (value != "") if field.dtype == pl.String else value.is_not_null()


def _duplicate(layout: Layout, _marks: Collection[str]) -> Iterator[Reason]:
    """M3, M5: another member with an equal key, or with one of the identities, comes first."""
    if layout.identity or layout.deduplicate:
        columns = (layout.ids,) if layout.ids else tuple(layout.kept[i].field for i in layout.deduplicate)
        yield Reason(DUPLICATE, partial(losers, layout=layout), columns)


Entry = Callable[[Layout, Collection[str]], Iterator[Reason]]
REASONS: tuple[Entry, ...] = (_profile_missing, _forgotten, _no_consent, _mandatory, _unidentified, _duplicate)


def reasons_of(layout: Layout, marks: Collection[str] = ()) -> tuple[Reason, ...]:
    """The reasons for which an activation leaves members out, in their order of precedence."""
    return tuple(reason for entry in REASONS for reason in entry(layout, marks))


def needed_values(reasons: tuple[Reason, ...]) -> tuple[Field, ...]:
    """The fields whose values the reasons read."""
    return tuple(field for reason in reasons for field in reason.columns)


def is_settled(
    layout: Layout, reasons: tuple[Reason, ...], marks: Collection[str] = (), *, only_changes: bool
) -> pl.Expr | None:
    """The condition under which a profile is desired, and its place in the export is known without its values.

    Where ``only_changes`` are sent, that is a profile that was delivered and is unchanged, which has no row; else a
    member, which has one. Nobody is settled of a merge or split that a receiver is told of (P11). Reads the columns of
    ``sides``. None where every profile must be looked at: the delivered set keeps values of everybody, or a reason that
    may apply needs values.
    """
    applying = [reason for reason in reasons if reason.may_newly_apply or not only_changes]
    if layout.kept or any(reason.must_see_values for reason in applying):
        return None
    applies = [reason.applies for reason in applying if isinstance(reason.applies, pl.Expr)]
    unchanged = is_unchanged() & ~is_regrouped(marks)
    holds = unchanged if only_changes else pl.col(MEMBER) & pl.col(PRESENT)
    return holds & ~pl.any_horizontal(*applies, pl.lit(value=False)).fill_null(value=False)


def evident(reasons: tuple[Reason, ...], marks: Collection[str] = (), *, only_changes: bool) -> dict[str, pl.Expr]:
    """The reasons that are decided without values and before any other, each with its condition.

    A member to whom one of them applies is left out, with no row, and need not be looked at: unless he was delivered,
    under any of his ids, and ``only_changes`` are sent, for then he may exit (X3d, P11). Reads the columns of
    ``sides``.
    """
    may_exit = pl.col(WAS_DELIVERED) | is_regrouped(marks) if only_changes else pl.lit(value=False)
    has_no_row = pl.col(MEMBER) & ~may_exit
    found: dict[str, pl.Expr] = {}
    for each in reasons:
        if not isinstance(each.applies, pl.Expr) or each.must_see_values:
            break
        applies = has_no_row & each.applies
        found[each.name] = found[each.name] | applies if each.name in found else applies
    return found


def judge(everyone: pl.LazyFrame, reasons: tuple[Reason, ...], values: ProfileValues) -> pl.LazyFrame:
    """Add ``reason``, the name of the first reason that applies to a member, and ``desired``.

    ``everyone`` has the columns of ``sides`` and the value columns of ``needed_values``, which are dropped.
    """
    judged = everyone.with_columns(pl.lit(None, pl.String).alias(REASON))
    for is_expression, group in groupby(reasons, key=lambda reason: isinstance(reason.applies, pl.Expr)):
        consecutive = list(group)
        if is_expression:
            judged = _judge_by_expressions(judged, consecutive)
        else:
            judged = _judge_by_steps(judged, consecutive, values)
    desired = pl.col(MEMBER) & pl.col(REASON).is_null()
    return judged.with_columns(desired.alias(DESIRED)).select(pl.exclude(f"^{VALUE}.*$"))


def _judge_by_expressions(judged: pl.LazyFrame, reasons: Iterable[Reason]) -> pl.LazyFrame:
    first = (pl.when(each.applies).then(pl.lit(each.name)) for each in reasons if isinstance(each.applies, pl.Expr))
    return judged.with_columns(pl.when(MEMBER).then(pl.coalesce(REASON, *first)).alias(REASON))


def _judge_by_steps(judged: pl.LazyFrame, reasons: Iterable[Reason], values: ProfileValues) -> pl.LazyFrame:
    for reason in reasons:
        if isinstance(reason.applies, pl.Expr):
            continue
        found = reason.applies(judged.filter(pl.col(MEMBER) & pl.col(REASON).is_null()), values)
        marked = judged.join(found.select(ROW, pl.lit(value=True).alias("found")), on=ROW, how="left")
        named = pl.when("found").then(pl.lit(reason.name)).otherwise(REASON)
        judged = marked.with_columns(named.alias(REASON)).drop("found")
    return judged
