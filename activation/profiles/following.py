"""Memberships that follow aliases: those of ids that were merged since come together in the id that survives (P11).

A merged person is a member if any of the merged ids was, since the survivor's time if the survivor was realized, else
the earliest. If none was, the person has exited if any had: at the survivor's time if the survivor had, else at the
newest. An absorbed id has no membership afterwards.

Memberships come by number, as columns, or by id, as frames. *Aliases* are a frame of two Strings, ``alias`` and
``profile_id``; *absorbed* people are the aliases by number, with two columns of UInt32: ``absorbed`` and ``survivor``.
"""

from dataclasses import dataclass

import polars as pl

from muster.activation.frames import engine
from muster.activation.frames.columns import EXITED, PROFILE_ID, REALIZED, STATUS, TIME
from muster.activation.profiles.members import Members
from muster.activation.profiles.numbering import Numbering
from muster.activation.profiles.positions import to_length
from muster.activation.views.lineage import Lineage

ALIAS, NEW_ID, BUILD = "alias", "new_id", "build"  # columns of ``views.lineage``
ABSORBED, SURVIVOR, KEEPER, PART = "absorbed", "survivor", "keeper", "part"
_NUMBER, _PERSON, _SURVIVES = "number", "person", "survives"


def aliases_since(lineage: Lineage | None, policy: str | None, build: int | None) -> pl.DataFrame | None:
    """The ids that became aliases in later builds of a merge policy than ``build``; None for none.

    Ids of another policy than that of ``lineage`` are of other profiles: nothing follows from one to the other.
    """
    if lineage is None or build is None or policy != lineage.policy:
        return None
    found = lineage.aliases.filter(pl.col(BUILD) > build)
    return found.select(ALIAS, PROFILE_ID) if found.height else None


@dataclass(frozen=True, eq=False)
class NumberedLineage:
    """The aliases and splits of a merge policy by the numbers of profiles (UInt32), each with its ``build``."""

    policy: str
    aliases: pl.DataFrame  # absorbed, survivor, build; aliases without a number are left out: nothing is known of them
    splits: pl.DataFrame  # keeper, part, build; null for an id without a number

    @classmethod
    def of(cls, lineage: Lineage, numbering: Numbering) -> "NumberedLineage":
        """A lineage by number; survivors without a number are given one."""
        aliases, splits = lineage.aliases, lineage.splits
        columns = (aliases[ALIAS], aliases[PROFILE_ID], splits[PROFILE_ID], splits[NEW_ID])
        ids = pl.concat([each.alias(PROFILE_ID) for each in columns]).unique().sort()
        known = pl.DataFrame([ids, numbering.known_numbers_of(ids).alias(_NUMBER)])
        absorbed, survivors, keepers, parts = (_numbers(each, known) for each in columns)
        is_known = absorbed.is_not_null()
        missing = is_known & survivors.is_null()
        if missing.any():
            survivors = survivors.scatter(missing.arg_true(), numbering.numbers_of(aliases[PROFILE_ID].filter(missing)))
        merged = pl.DataFrame([absorbed.alias(ABSORBED), survivors.alias(SURVIVOR), aliases[BUILD]])
        parted = pl.DataFrame([keepers.alias(KEEPER), parts.alias(PART), splits[BUILD]])
        return cls(lineage.policy, merged.filter(is_known), parted)

    def absorbed_since(self, policy: str | None, build: int | None) -> pl.DataFrame | None:
        """``aliases_since`` by number: ``absorbed``, ``survivor``, ``build``; None for none."""
        if build is None or policy != self.policy:
            return None
        found = self.aliases.filter(pl.col(BUILD) > build)
        return found if found.height else None


def _numbers(ids: pl.Series, known: pl.DataFrame) -> pl.Series:
    frame = ids.alias(PROFILE_ID).to_frame()
    return frame.join(known, on=PROFILE_ID, how="left", maintain_order="left")[_NUMBER]


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
