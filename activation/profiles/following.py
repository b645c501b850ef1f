"""Memberships that follow aliases: those of ids that were merged since come together in the id that survives (P11).

A merged person is a member if any of the merged ids was, since the survivor's time if the survivor was realized, else
the earliest. If none was, the person has exited if any had: at the survivor's time if the survivor had, else at the
newest. An absorbed id has no membership afterwards.

Memberships come by number, as columns, or by id, as frames. *Aliases* are a frame of two Strings, ``alias`` and
``profile_id``; *absorbed* people are the aliases by number, two columns of UInt32: ``absorbed`` and ``survivor``.
"""

from dataclasses import dataclass

import polars as pl

from muster.activation.frames import engine
from muster.activation.frames.columns import EXITED, PROFILE_ID, REALIZED, ROW_TYPE, STATUS, TIME
from muster.activation.profiles.members import Members
from muster.activation.profiles.numbering import Numbering
from muster.activation.profiles.positions import to_length
from muster.activation.views.lineage import Lineage

ALIAS, BUILD = "alias", "build"  # columns of ``lineage.ALIASES``
ABSORBED, SURVIVOR = "absorbed", "survivor"
_NUMBER, _PERSON, _SURVIVES = "number", "person", "survives"


def aliases_since(lineage: Lineage | None, policy: str | None, build: int | None) -> pl.DataFrame | None:
    """The ids that became aliases in later builds of a merge policy than ``build``; None for none.

    Ids of another policy than that of ``lineage`` are of other profiles: nothing follows from one to the other.
    """
    if lineage is None or build is None or policy != lineage.policy:
        return None
    found = lineage.aliases.filter(pl.col(BUILD) > build)
    return found.select(ALIAS, PROFILE_ID) if found.height else None


def absorbed_people(aliases: pl.DataFrame | None, numbering: Numbering, *, gives: bool = True) -> pl.DataFrame | None:
    """The aliases by number, as far as they have one; None for none.

    A survivor without a number is given one, or left out unless ``gives``.
    """
    if aliases is None:
        return None
    numbers = numbering.known_numbers_of(aliases[ALIAS])
    known = aliases.filter(numbers.is_not_null())
    survivors = (numbering.numbers_of if gives else numbering.known_numbers_of)(known[PROFILE_ID])
    found = pl.DataFrame([numbers.drop_nulls().alias(ABSORBED), survivors.alias(SURVIVOR)]).drop_nulls()
    return found if found.height else None


def touched(absorbed: pl.DataFrame) -> pl.Series:
    """The numbers (UInt32), ascending, of absorbed people and of survivors."""
    return pl.concat([absorbed[ABSORBED], absorbed[SURVIVOR].alias(ABSORBED)]).unique().sort().alias(_NUMBER)


@dataclass(frozen=True, eq=False)
class MovedMemberships:
    """The memberships of one audience at some numbers, as they are once they have followed aliases."""

    numbers: pl.Series  # UInt32, ascending
    realized: pl.Series  # Boolean
    times: pl.Series  # Datetime(us, UTC)

    @classmethod
    def of(cls, realized: pl.Series, times: pl.Series, absorbed: pl.DataFrame) -> "MovedMemberships":
        """The moved memberships; ``realized`` and ``times`` are those of before, of each of ``touched``."""
        numbers = touched(absorbed)
        before = pl.DataFrame([numbers, realized.alias(STATUS), times.alias(TIME)])
        persons = before.join(absorbed, left_on=_NUMBER, right_on=ABSORBED, how="left")
        person = pl.coalesce(SURVIVOR, _NUMBER)
        moved = _together(
            persons.select(person.alias(_PERSON), pl.col(SURVIVOR).is_null().alias(_SURVIVES), STATUS, TIME)
        )
        after = numbers.to_frame().join(moved, left_on=_NUMBER, right_on=_PERSON, how="left", maintain_order="left")
        return cls(numbers, after[STATUS], after[TIME])

    def put(self, realized: pl.Series, times: pl.Series, start: int = 0) -> tuple[pl.Series, pl.Series]:
        """The memberships of the numbers from ``start`` on, in the place of those of before."""
        low, high = (self.numbers.search_sorted(each) for each in (start, start + len(realized)))
        if low == high:
            return realized, times
        places = self.numbers.slice(low, high - low) - start
        moved = ((realized, self.realized), (times, self.times))
        after = (before.clone().scatter(places, now.slice(low, high - low)) for before, now in moved)
        return next(after), next(after)


def followed(members: Members, absorbed: pl.DataFrame | None, length: int) -> Members:
    """Memberships by number that have followed aliases; ``length`` is that of the numbering."""
    if absorbed is None:
        return members
    realized, times = to_length(members.realized, length), to_length(members.times, length)
    numbers = touched(absorbed)
    moved = MovedMemberships.of(realized.gather(numbers), times.gather(numbers), absorbed)
    return Members(*moved.put(realized, times))


def followed_by_id(memberships: pl.LazyFrame, aliases: pl.DataFrame | None) -> pl.LazyFrame:
    """Memberships by ``profile_id``, with status and last_qualification_time, that have followed aliases."""
    if aliases is None:
        return memberships
    survivor = f"{PROFILE_ID}_after"
    beside = memberships.select(PROFILE_ID, pl.col(STATUS) == REALIZED, TIME).join(
        aliases.lazy(), left_on=PROFILE_ID, right_on=ALIAS, how="left", suffix="_after"
    )
    persons = beside.with_columns(
        pl.coalesce(survivor, PROFILE_ID).alias(_PERSON), pl.col(survivor).is_null().alias(_SURVIVES)
    )
    found = engine.collect(persons.filter(pl.col(_PERSON).is_in(aliases[PROFILE_ID].implode())))
    status = pl.when(STATUS).then(pl.lit(REALIZED)).otherwise(pl.lit(EXITED))
    moved = _together(found).lazy().select(pl.col(_PERSON).alias(PROFILE_ID), status.alias(STATUS), TIME)
    untouched = memberships.join(found.lazy().select(PROFILE_ID), on=PROFILE_ID, how="anti")
    return pl.concat([untouched.select(PROFILE_ID, pl.col(STATUS).cast(pl.String), TIME), moved]).sort(PROFILE_ID)


def _together(memberships: pl.DataFrame) -> pl.DataFrame:
    """One membership for each ``person`` of memberships: ``person``, ``survives``, Boolean ``status``, time."""
    status, time, survives = pl.col(STATUS), pl.col(TIME), pl.col(_SURVIVES)
    known = memberships.filter(status.is_not_null())
    since = pl.coalesce(time.filter(status & survives).first(), time.filter(status).min())
    until = pl.coalesce(time.filter(survives).first(), time.max())
    found = known.group_by(_PERSON).agg(status.any().alias(STATUS), since.alias("since"), until.alias("until"))
    return found.select(_PERSON, STATUS, pl.when(STATUS).then("since").otherwise("until").alias(TIME))


def followed_numbers(numbers: pl.Series, absorbed: pl.DataFrame | None) -> pl.Series:
    """Numbers of people (UInt32), those of absorbed people replaced by the numbers of their survivors."""
    if absorbed is None:
        return numbers
    frame = numbers.alias(_NUMBER).to_frame()
    found = frame.join(absorbed, left_on=_NUMBER, right_on=ABSORBED, how="left", maintain_order="left")
    return found.select(pl.coalesce(SURVIVOR, _NUMBER).cast(ROW_TYPE).alias(numbers.name))[numbers.name]
