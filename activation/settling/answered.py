"""What the answers say of each profile that was to be told, and of each audience (V2, V10).

A frame has one row for each of the people to send, in their order. Of a profile and the audience at a place:

rises(i)      Boolean: told as realized; where identifiers are told, one of them at least
may_rise(i)   Boolean: it may have been told as realized, as no answer settled it
falls(i)      Boolean: no longer told as realized: under all keys and identifiers
may_fall(i)   Boolean: it may have been told as exited
is_whole(i)   Boolean: all entries about the audience were accepted, and there is one
taken(i), maybe_taken(i), given_up(i)  List(String): identifiers that were told as realized, may have been, or were told
              as exited

Of a profile: ``reason`` (String, of a refusal), and the Booleans below.
"""

import polars as pl

from muster.activation.frames import engine
from muster.activation.messages.requests import AUDIENCE, IDENTIFIERS, IS_EXIT, PERSON, REQUEST
from muster.activation.outbox.outcomes import ACCEPTED, OUTCOME, REASON, REFUSED, UNCERTAIN, UNSENT
from muster.activation.profile_changes.people import is_told, leaves, status

WAITING = "waiting"  # in place of an outcome: of an entry that is part of no request, as it waits for others (V7)
IS_ACCEPTED = "is_accepted"  # all entries were, and the profile waits for none
IS_UNCERTAIN = "is_uncertain"  # an entry may have been sent, and no answer settled it
IS_REFUSED = "is_refused"  # an entry was
IS_REFUSED_EXIT = "is_refused_exit"  # an entry with an exit was refused
IS_UNSENT = "is_unsent"  # no entry was sent
IS_PARTIAL = "is_partial"  # of the identifiers that an audience is to be told of as members some were accepted, not all
IS_SETTLED = "is_settled"  # all entries of the run were accepted: so were those of members who share an identifier
IS_NEW = "is_new"  # a realized entry was accepted, or may have been
WAITS = "waits"  # a realized entry waits for others (V7)
HAS_ENTRIES = "has_entries"


def rises(place: int) -> str:
    """The column for whether the profile was told as realized."""
    return f"rises:{place}"


def may_rise(place: int) -> str:
    """The column for whether the profile may have been told as realized."""
    return f"may_rise:{place}"


def falls(place: int) -> str:
    """The column for whether the profile is no longer told as realized."""
    return f"falls:{place}"


def may_fall(place: int) -> str:
    """The column for whether the profile may have been told as exited."""
    return f"may_fall:{place}"


def is_whole(place: int) -> str:
    """The column for whether all entries about the audience were accepted."""
    return f"is_whole:{place}"


def taken(place: int) -> str:
    """The column with identifiers that were told as realized."""
    return f"taken:{place}"


def maybe_taken(place: int) -> str:
    """The column with identifiers that may have been told as realized."""
    return f"maybe_taken:{place}"


def _partly(place: int) -> str:
    """The column for whether some identifiers were told as realized, and others are still to be told."""
    return f"partly:{place}"


def given_up(place: int) -> str:
    """The column with identifiers that were told as exited."""
    return f"given_up:{place}"


_IS = {name: pl.col(OUTCOME) == name for name in (ACCEPTED, REFUSED, UNCERTAIN, UNSENT)}
_SIZES = {
    "n": pl.lit(value=True),
    "accepted": _IS[ACCEPTED],
    "uncertain": _IS[UNCERTAIN],
    "realized": ~pl.col(IS_EXIT),
    "realized_accepted": ~pl.col(IS_EXIT) & _IS[ACCEPTED],
    "realized_uncertain": ~pl.col(IS_EXIT) & _IS[UNCERTAIN],
    "exits": pl.col(IS_EXIT),
    "exits_accepted": pl.col(IS_EXIT) & _IS[ACCEPTED],
    "exits_uncertain": pl.col(IS_EXIT) & _IS[UNCERTAIN],
}


def answered(people: pl.DataFrame, entries: pl.LazyFrame, places: int, *, by_identifier: bool) -> pl.DataFrame:
    """What the answers say of each of ``people``; ``entries`` have outcomes (``outbox.outcomes``), or ``WAITING``."""
    asked = [PERSON, AUDIENCE, IS_EXIT, OUTCOME, REASON, REQUEST, *([IDENTIFIERS] if by_identifier else [])]
    known = engine.collect(entries.select(asked).with_columns(pl.col(OUTCOME).cast(pl.String)))
    whole, waiting = known.filter(pl.col(OUTCOME) != WAITING), known.filter(pl.col(OUTCOME) == WAITING)
    is_settled = bool((whole[OUTCOME] == ACCEPTED).all())
    about_all = whole.filter(pl.col(AUDIENCE).is_null())
    has_own = about_all.height < whole.height
    persons = people.select(pl.row_index().cast(pl.UInt32).alias(PERSON))
    columns = [_of_persons(people, whole, persons)]
    shared = None if has_own else _counted(whole, persons, by_identifier=by_identifier)
    for i in range(places):
        counted = shared
        if counted is None:
            own = whole.filter(pl.col(AUDIENCE).is_null() | (pl.col(AUDIENCE) == i))
            counted = _counted(own, persons, by_identifier=by_identifier)
        columns.append(_of_place(people, counted, i, is_settled=is_settled, by_identifier=by_identifier))
        columns.append(_partly_told(counted, waiting, i, by_identifier=by_identifier))
    found = pl.concat(columns, how="horizontal")
    partly = [_partly(i) for i in range(places)]
    is_partial = pl.any_horizontal(*partly, pl.lit(value=False)).alias(IS_PARTIAL)
    return _with_waiting(found.with_columns(is_partial).drop(partly), waiting, persons, is_settled=is_settled)


def _counted(entries: pl.DataFrame, persons: pl.DataFrame, *, by_identifier: bool) -> pl.DataFrame:
    """How many entries of each kind and outcome each person has, and the identifiers in them."""
    sizes = [size.sum().alias(name) for name, size in _SIZES.items() if name != "n"]
    lists = []
    if by_identifier:
        kinds = {
            "taken": ~pl.col(IS_EXIT) & _IS[ACCEPTED],
            "maybe_taken": ~pl.col(IS_EXIT) & _IS[UNCERTAIN],
            "given_up": pl.col(IS_EXIT) & _IS[ACCEPTED],
        }
        lists = [
            pl.col(IDENTIFIERS).filter(kind).explode().drop_nulls().unique().sort().alias(name)
            for name, kind in kinds.items()
        ]
    grouped = entries.lazy().group_by(PERSON).agg(pl.len().alias("n"), *sizes, *lists)
    beside = persons.lazy().join(grouped, on=PERSON, how="left", maintain_order="left")
    return engine.collect(beside.with_columns(pl.col(name).fill_null(0) for name in _SIZES), persons.height)


def _of_place(
    people: pl.DataFrame, counted: pl.DataFrame, place: int, *, is_settled: bool, by_identifier: bool
) -> pl.DataFrame:
    """What the answers say of one audience; ``is_settled`` says that all entries of the run were accepted."""
    beside = pl.concat([people.select(status(place), is_told(place)), counted], how="horizontal")
    told, stays = pl.col(is_told(place)).fill_null(value=False), pl.col(status(place)).fill_null(value=False)
    leaves_now = ~pl.col(status(place)).fill_null(value=True)
    n, all_accepted = pl.col("n"), (pl.col("n") > 0) & (pl.col("accepted") == pl.col("n"))
    # Without an entry of its own, as a member has what the profile is known by: that member was told, too.
    is_dropped = told & leaves_now & (n == 0) & is_settled
    is_gone = all_accepted
    if by_identifier:  # of others of the identifiers that it had a member has them
        beside = beside.with_columns(people[leaves(place)].list.len().fill_null(0).alias("leaving"))
        is_gone = all_accepted & (pl.lit(is_settled) | (pl.col("exits") >= pl.col("leaving")))
    lost_key = (
        (pl.col("exits") > 0)
        & (pl.col("exits_accepted") == pl.col("exits"))
        & (pl.col("realized") > 0)
        & (pl.col("realized_accepted") + pl.col("realized_uncertain") == 0)
    )
    falls_now = (leaves_now & is_gone) | is_dropped | (stays & lost_key & (not by_identifier))
    lists = [pl.col(name).alias(named(place)) for name, named in _LISTS.items()] if by_identifier else []
    return beside.select(
        (stays & (pl.col("realized_accepted") > 0)).alias(rises(place)),
        (stays & (pl.col("realized_uncertain") > 0)).alias(may_rise(place)),
        falls_now.alias(falls(place)),
        ((leaves_now & (pl.col("uncertain") > 0)) | (stays & (pl.col("exits_uncertain") > 0))).alias(may_fall(place)),
        (all_accepted | is_dropped).alias(is_whole(place)),
        *lists,
    )


def _partly_told(counted: pl.DataFrame, waiting: pl.DataFrame, place: int, *, by_identifier: bool) -> pl.DataFrame:
    """Whether an audience was told of some identifiers of each person, and not of all."""
    theirs = waiting.filter(pl.col(AUDIENCE).is_null() | (pl.col(AUDIENCE) == place))
    waits = pl.col(PERSON).is_in(theirs[PERSON].unique().implode())
    accepted = pl.col("realized_accepted")
    is_partial = (accepted > 0) & ((accepted < pl.col("realized")) | waits) & pl.lit(by_identifier)
    return counted.select(is_partial.alias(_partly(place)))


_LISTS = {"taken": taken, "maybe_taken": maybe_taken, "given_up": given_up}


def _of_persons(people: pl.DataFrame, entries: pl.DataFrame, persons: pl.DataFrame) -> pl.DataFrame:
    """What the answers say of each profile."""
    leaving = [name for name in people.columns if name.startswith("status:")]
    has_exit = pl.any_horizontal(*(~pl.col(name).fill_null(value=True) for name in leaving), pl.lit(value=False))
    exits = people.select(pl.row_index().cast(pl.UInt32).alias(PERSON), has_exit.alias("has_exit"))
    beside = entries.lazy().join(exits.lazy(), on=PERSON, how="left")
    tells_exit = pl.col(IS_EXIT) | (pl.col(AUDIENCE).is_null() & pl.col("has_exit"))
    is_known = _IS[ACCEPTED] | _IS[UNCERTAIN]
    grouped = beside.group_by(PERSON).agg(
        _IS[ACCEPTED].all().alias(IS_ACCEPTED),
        _IS[UNCERTAIN].any().alias(IS_UNCERTAIN),
        _IS[REFUSED].any().alias(IS_REFUSED),
        (_IS[REFUSED] & tells_exit).any().alias(IS_REFUSED_EXIT),
        _IS[UNSENT].all().alias(IS_UNSENT),
        (is_known & ~pl.col(IS_EXIT)).any().alias(IS_NEW),
        pl.col(REASON).filter(_IS[REFUSED]).sort_by(pl.col(REQUEST).filter(_IS[REFUSED])).first().alias(REASON),
        pl.lit(value=True).first().alias(HAS_ENTRIES),
    )
    flags = [IS_ACCEPTED, IS_UNCERTAIN, IS_REFUSED, IS_REFUSED_EXIT, IS_UNSENT, IS_NEW, HAS_ENTRIES]
    found = persons.lazy().join(grouped, on=PERSON, how="left", maintain_order="left")
    filled = found.select(*(pl.col(name).fill_null(value=False) for name in flags), REASON)
    return engine.collect(filled, people.height)


def _with_waiting(
    found: pl.DataFrame, waiting: pl.DataFrame, persons: pl.DataFrame, *, is_settled: bool
) -> pl.DataFrame:
    """Add ``waits``; who has no entry, and waits for none, counts as accepted once all were."""
    waits = persons[PERSON].is_in(waiting[PERSON].unique().implode()).alias(WAITS)
    is_accepted = ~pl.col(WAITS) & (pl.col(IS_ACCEPTED) | (~pl.col(HAS_ENTRIES) & is_settled))
    settled = pl.lit(is_settled).alias(IS_SETTLED)
    return found.with_columns(waits, settled).with_columns(is_accepted.alias(IS_ACCEPTED))
