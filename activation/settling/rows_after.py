"""The delivered rows that a run of messages leaves, by the answers (V2): made of files alone, also after a kill.

Each accepted entry moves the audiences that it is about. Digests of values move when all entries of the profile were
accepted. A row in which nothing is held, and nothing is owed, goes.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from muster.activation.comparison.columns import REASON
from muster.activation.frames import engine
from muster.activation.frames.columns import PROFILE_ID, PROFILE_NUMBER, ROW
from muster.activation.model.history import MessageBaseline, StoredFile
from muster.activation.profile_changes.changes import Counts
from muster.activation.profile_changes.delivered_rows import (
    AUDIENCES,
    BACKFILLED,
    FINGERPRINT,
    IS_MAPPED,
    KEPT,
    MAPPING,
    MAYBE_IDS,
    MAYBE_SENT,
    NUMBERING,
    OWED,
    REFUSAL,
    REFUSED_OFFER,
    TRIES,
    Made,
    maybe_held,
    maybe_status,
    maybe_time,
    no_rows,
    read_rows,
    schema,
    sent_type,
)
from muster.activation.profile_changes.people import (
    IDS,
    IDS_DIGEST,
    IDS_SENT,
    IS_WITHDRAWAL,
    OFFER,
    PENDING_SINCE,
    TRIGGER,
    VALUES_DIGEST,
    held,
    is_told,
    now,
    sent,
    status,
    time,
)
from muster.activation.settling import answered as of
from muster.activation.settling.counted import REFUSED, counted_by_answers
from muster.activation.state.files import NUMBERING as NUMBERING_MARK
from muster.activation.state.files import State
from muster.activation.values.identities import DIGEST_TYPE

_PART = 1 << 17  # people whose rows are made at once


@dataclass(frozen=True)
class RowsAfter:
    """The delivered rows after a run, and what the run counts of its profiles once the answers are known."""

    stored: StoredFile
    profiles: int  # rows
    members: int  # rows that hold a mapped audience as realized
    made: dict[str, Any]  # for ``MessageBaseline.made``
    counts: Counts
    rejects: (
        pl.DataFrame
    )  # profile_id, reason, tries (UInt16): those excluded before, the refused and the waiting, by id
    resent: int  # profiles that may have been told twice: of this run, or as an earlier one got no answer (V2, V8)
    refused: int  # profiles
    refused_exits: int  # profiles with an exit that was refused: the run fails (V10)


def write_rows(
    state: State,
    file: str,
    *,
    before: tuple[StoredFile, Made] | None,
    made: dict[str, Any],
    people: pl.LazyFrame,
    entries: pl.LazyFrame,
    counts: Counts,
    excluded: pl.DataFrame,
    repeated: Collection[int] = (),
) -> RowsAfter:
    """Write the rows that outcomes leave as a file of the state.

    ``before`` is a file of rows, with the record of what its columns mean: that of ``Changes.before``, or, where
    ``Changes.moved`` gives rows, a file that ``write_moved`` made, with ``Changes.made``. None: nobody was delivered.
    ``people`` and ``entries`` are the frames of the outbox; entries have their outcomes (``outbox.outcomes``).
    ``counts`` and ``excluded`` are those of ``Changes``, ``repeated`` is of ``outbox.outcomes.Outcomes``.
    """
    told = engine.collect(people.drop(IDS_SENT, ROW, strict=False))
    by_identifier = held(0) in told.columns
    answers = of.answered(told, entries, len(made[AUDIENCES]), by_identifier=by_identifier)
    rows = no_rows(made) if before is None else read_rows(state, before[0], before[1], made)
    theirs = engine.collect(rows.join(told.lazy().select(PROFILE_ID), on=PROFILE_ID, how="semi"))
    moved = pl.concat(
        _moved(part, answers.slice(start, _PART), theirs, made, by_identifier=by_identifier)
        for start, part in ((start, told.slice(start, _PART)) for start in range(0, max(told.height, 1), _PART))
    )
    others = rows.join(told.lazy().select(PROFILE_ID), on=PROFILE_ID, how="anti", maintain_order="left")
    stored = _write(state, file, pl.concat([others, moved.lazy()]), made)
    profiles, members = _sizes(state, stored, made)
    is_complete = not bool(answers[of.IS_UNSENT].any())
    audiences = [each | {BACKFILLED: each[BACKFILLED] or (is_complete and each[IS_MAPPED])} for each in made[AUDIENCES]]
    tries = engine.collect(
        told.lazy()
        .select(PROFILE_ID)
        .join(theirs.lazy().select(PROFILE_ID, TRIES), on=PROFILE_ID, how="left", maintain_order="left")
    )
    found = counted_by_answers(told, answers, tries[TRIES], counts, excluded)
    return RowsAfter(
        stored,
        profiles,
        members,
        made | {AUDIENCES: audiences},
        found.counts,
        found.rejects,
        resent=len(_told_twice(told, answers, theirs, made).union(repeated)),
        refused=int(answers[of.IS_REFUSED].sum()),
        refused_exits=int(answers[of.IS_REFUSED_EXIT].sum()),
    )


def _told_twice(told: pl.DataFrame, answers: pl.DataFrame, rows: pl.DataFrame, made: Made) -> set[int]:
    """The places in ``told`` of those whom an earlier run may have told, without an answer, and who were sent again."""
    places = range(len(made[AUDIENCES]))
    maybe = [
        pl.col(maybe_status(i)).is_not_null() | (pl.col(maybe_held(i)).list.len().fill_null(0) > 0) for i in places
    ]
    unsure = rows.lazy().filter(pl.any_horizontal(*maybe, pl.lit(value=False))).select(PROFILE_ID)
    was_sent = pl.col(of.HAS_ENTRIES) & ~pl.col(of.IS_UNSENT) & ~pl.col(of.WAITS)
    people = pl.concat([told.select(PROFILE_ID), answers], how="horizontal").lazy().with_row_index("person")
    again = people.filter(was_sent).join(unsure, on=PROFILE_ID, how="semi").select("person")
    return set(engine.collect(again, told.height)["person"])


def write_moved(state: State, file: str, moved: pl.LazyFrame, made: Made) -> StoredFile:
    """Write the rows of ``Changes.moved`` as a file of the state: before anything is sent."""
    return _write(state, file, moved, made)


def due_again(state: State, file: str, baseline: MessageBaseline, people: pl.Series | None = None) -> MessageBaseline:
    """The delivered rows in which refused profiles are offered once more, in a file of its own (`muster runs retry`).

    ``people`` (String) are their ids; None: all of them.
    """
    theirs = pl.lit(value=True) if people is None else pl.col(PROFILE_ID).is_in(people.implode())
    offer = pl.when(~theirs).then(REFUSED_OFFER).alias(REFUSED_OFFER)
    rows = read_rows(state, baseline.stored, baseline.made, baseline.made).with_columns(offer)
    return replace(baseline, stored=_write(state, file, rows, baseline.made))


def _write(state: State, file: str, rows: pl.LazyFrame, made: Made) -> StoredFile:
    return state.write(rows.select(list(schema(made))), file, {NUMBERING_MARK: made[NUMBERING]})


def _sizes(state: State, stored: StoredFile, made: Made) -> tuple[int, int]:
    """How many rows there are, and how many hold a mapped audience as realized."""
    mapped = [pl.col(status(i)).fill_null(value=False) for i, each in enumerate(made[AUDIENCES]) if each[IS_MAPPED]]
    is_member = pl.any_horizontal(*mapped, pl.lit(value=False))
    found = engine.collect(state.read(stored).select(pl.len().alias("rows"), is_member.sum().alias("members")))
    return int(found["rows"][0]), int(found["members"][0])


# The rows of people


def _then(name: str) -> pl.Expr:
    """A column of the row before."""
    return pl.col(f"then:{name}")


def _moved(
    told: pl.DataFrame, answers: pl.DataFrame, rows: pl.DataFrame, made: Made, *, by_identifier: bool
) -> pl.DataFrame:
    """The rows that the people have afterwards, in their order, with the columns of ``schema``."""
    before = rows.rename({name: f"then:{name}" for name in rows.columns if name != PROFILE_ID})
    whole = pl.concat([told, answers], how="horizontal")
    beside = whole.lazy().join(before.lazy(), on=PROFILE_ID, how="left", maintain_order="left")
    places = range(len(made[AUDIENCES]))
    columns: dict[str, pl.Expr] = {}
    for i in places:
        columns |= _of_place(i, is_mapped=made[AUDIENCES][i][IS_MAPPED])
        columns |= _identifiers(i) if by_identifier else {}
    columns |= _of_values(made) | _of_answer()
    types = schema(made)
    named = (
        columns.get(name, _then(name)).cast(dtype).alias(name) for name, dtype in types.items() if name != PROFILE_ID
    )
    found = engine.collect(beside.select(PROFILE_ID, *named), told.height)
    kinds = [pl.col(kind(i)).fill_null(value=False) for i in places for kind in (status, maybe_status)]
    maybe = [pl.col(maybe_held(i)).list.len().fill_null(0) > 0 for i in places] + [
        pl.col(maybe_status(i)).is_not_null() for i in places
    ]
    rest = [pl.col(TRIES).fill_null(0) > 0, pl.col(OWED).is_not_null(), pl.col(PENDING_SINCE).is_not_null()]
    return found.filter(pl.any_horizontal(*kinds, *maybe, *rest)).select(list(types))


def _of_place(i: int, *, is_mapped: bool) -> dict[str, pl.Expr]:
    """What a receiver was told of an audience; of one that was taken out, only where a message had to tell of it."""
    rises, falls = pl.col(of.rises(i)), pl.col(of.falls(i))
    whole = pl.col(of.is_whole(i)) & (pl.lit(is_mapped) | pl.col(status(i)).is_not_null())
    may_rise, may_fall = pl.col(of.may_rise(i)), pl.col(of.may_fall(i))
    yes, no = pl.lit(value=True), pl.lit(value=False)
    # What may have been told as realized stays so until an exit is accepted.
    may_hold = _then(maybe_status(i)).fill_null(value=False) & ~_then(status(i)).fill_null(value=False)
    maybe = pl.when(may_rise).then(yes).when(may_fall).then(may_hold)
    return {
        status(i): pl.when(rises).then(yes).when(falls).then(no).otherwise(_then(status(i))),
        time(i): pl.when(rises | falls).then(time(i)).otherwise(_then(time(i))),
        maybe_status(i): maybe.when(~whole).then(_then(maybe_status(i))),
        maybe_time(i): pl.when(may_rise | may_fall).then(time(i)).when(~whole).then(_then(maybe_time(i))),
    }


def _identifiers(i: int) -> dict[str, pl.Expr]:
    """The identifiers that a receiver was told, and those that it may have been told (M5)."""
    taken, given_up = _list(pl.col(of.taken(i))), _list(pl.col(of.given_up(i)))
    before, maybe = _list(_then(held(i))), _list(_then(maybe_held(i)))
    is_told_now = pl.col(is_told(i)).fill_null(value=False)
    settled = is_told_now & pl.col(of.IS_ACCEPTED) & pl.col(of.IS_SETTLED)
    remaining = before.list.set_difference(given_up).list.set_union(taken)
    after = pl.when(settled).then(taken).otherwise(remaining).list.sort()
    unsettled = maybe.list.set_difference(given_up).list.set_difference(taken)
    unsettled = pl.when(settled).then(_list(pl.lit(None, pl.List(pl.String)))).otherwise(unsettled)
    unsettled = unsettled.list.set_union(_list(pl.col(of.maybe_taken(i)))).list.sort()
    return {
        held(i): pl.when(after.list.len() > 0).then(after),
        maybe_held(i): pl.when(unsettled.list.len() > 0).then(unsettled),
    }


def _list(lists: pl.Expr) -> pl.Expr:
    return pl.coalesce(lists, pl.lit([], dtype=pl.List(pl.String)))


def _of_values(made: Made) -> dict[str, pl.Expr]:
    """What a receiver was told of values and identities."""
    moves = pl.col(of.IS_ACCEPTED) & ~pl.col(IS_WITHDRAWAL)
    is_partial = pl.col(of.IS_NEW) & ~pl.col(of.IS_ACCEPTED) & ~pl.col(IS_WITHDRAWAL)
    is_first = is_partial & _then(VALUES_DIGEST).is_null()
    values, ids = moves | is_first, moves | (is_partial & _then(IDS).is_null())
    mapping = pl.lit(int(made[FINGERPRINT]), DIGEST_TYPE)
    found = {
        PROFILE_NUMBER: pl.coalesce(PROFILE_NUMBER, _then(PROFILE_NUMBER)),
        VALUES_DIGEST: pl.when(values).then(VALUES_DIGEST).otherwise(_then(VALUES_DIGEST)),
        MAPPING: pl.when(values).then(mapping).otherwise(_then(MAPPING)),
        IDS: pl.when(ids).then(pl.coalesce(IDS, _then(IDS))).otherwise(_then(IDS)),
        IDS_DIGEST: pl.when(ids).then(pl.coalesce(IDS_DIGEST, _then(IDS_DIGEST))).otherwise(_then(IDS_DIGEST)),
        MAYBE_IDS: pl.when(is_partial).then(IDS).when(~pl.col(of.IS_ACCEPTED)).then(_then(MAYBE_IDS)),
    }
    kept = made[KEPT]
    if not kept:
        return found
    is_new = pl.col(of.IS_NEW) & ~pl.col(IS_WITHDRAWAL)
    found |= {sent(name): pl.when(is_new).then(now(name)).otherwise(_then(sent(name))) for name in kept}
    record = pl.struct(_then(sent(name)).alias(name) for name in kept)
    differs = pl.any_horizontal(_then(sent(name)).ne_missing(pl.col(now(name))) for name in kept)
    is_known = pl.any_horizontal(_then(sent(name)).is_not_null() for name in kept)
    empty = pl.lit([], dtype=sent_type(kept))
    before = pl.coalesce(_then(MAYBE_SENT), empty)
    both = pl.when(differs & is_known).then(before.list.concat(record.implode().over(PROFILE_ID))).otherwise(before)
    after = pl.when(is_partial).then(both.list.unique(maintain_order=True)).when(~pl.col(of.IS_ACCEPTED)).then(before)
    return found | {MAYBE_SENT: pl.when(after.list.len() > 0).then(after)}


def _of_answer() -> dict[str, pl.Expr]:
    """What is still to be sent, and what was refused (V10)."""
    is_accepted, is_refused = pl.col(of.IS_ACCEPTED), pl.col(of.IS_REFUSED)
    is_due = is_refused | pl.col(of.IS_UNCERTAIN) | pl.col(of.IS_PARTIAL)
    owed = pl.when(is_due).then(TRIGGER).when(~is_accepted).then(_then(OWED))
    tries = pl.when(is_refused).then(_then(TRIES).fill_null(0) + 1).when(~is_accepted).then(_then(TRIES))
    reason = pl.lit(REFUSED) + pl.col(REASON)
    return {
        OWED: owed,
        TRIES: tries,
        REFUSAL: pl.when(is_refused).then(reason).when(~is_accepted).then(_then(REFUSAL)),
        REFUSED_OFFER: pl.when(is_refused).then(OFFER).when(~is_accepted).then(_then(REFUSED_OFFER)),
        PENDING_SINCE: pl.when(~is_accepted).then(PENDING_SINCE),
    }
