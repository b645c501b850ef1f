"""What merges and splits since an activation's last delivery did to the people who were delivered (P11).

A delivered id that became an alias stays a number of its own in a comparison: it was delivered, and is no member, since
its membership is the survivor's. So what was last sent under it goes out as an exit, unless a desired profile holds the
key. All delivered ids of one person count as one person.
"""

from dataclasses import dataclass

import polars as pl

from muster.activation.comparison.columns import (
    CONSIDERED,
    DESIRED,
    EXITS,
    HAS_EXITED,
    OUTCOME,
    RANK,
    REASON,
    ROW_TIME,
    SURVIVOR,
    WAS_DELIVERED,
)
from muster.activation.comparison.reasons import DUPLICATE
from muster.activation.frames.columns import EXITED, ROW, STATUS, TIME
from muster.activation.profiles import following
from muster.activation.profiles.following import ABSORBED, BUILD, KEEPER, PART, NumberedLineage
from muster.activation.profiles.positions import marked, to_length
from muster.activation.profiles.roster import Roster

_PERSON = "person"


@dataclass(frozen=True, eq=False)
class Regrouped:
    """The people of merges and splits, since a delivery, that delivered ids took part in."""

    mark: pl.Series  # Boolean by number: who survives or keeps the id, and delivered ids that became aliases
    absorbed: pl.DataFrame  # delivered ids that became aliases, by number (``profiles.following``): absorbed, survivor
    split: int  # profiles of today that came out of delivered ones

    @property
    def merged(self) -> int:
        """How many delivered ids became aliases."""
        return self.absorbed.height


def regrouped(
    lineage: NumberedLineage, policy: str | None, build: int | None, delivered: pl.Series, roster: Roster
) -> Regrouped | None:
    """What builds of a merge policy later than ``build`` did to a delivered set; None for nothing.

    ``delivered`` (Boolean, by number) says whom that set holds. A set of another policy than that of ``lineage`` has
    other ids, of which nothing is known.
    """
    if not has_regrouped(lineage, policy, build):
        return None
    later = pl.col(BUILD) > build
    aliases, splits = lineage.aliases.filter(later), lineage.splits.filter(later)
    length = roster.numbering.length
    delivered = to_length(delivered, length).fill_null(value=False)
    is_gone = delivered.gather(aliases[ABSORBED])
    gone, touched = aliases.filter(is_gone), aliases.filter(is_gone | delivered.gather(aliases[following.SURVIVOR]))
    parted = splits.filter(delivered.gather(splits[KEEPER]).fill_null(value=False))
    told = [touched[following.SURVIVOR], gone[ABSORBED], parted[KEEPER]]
    numbers = pl.concat([each.alias(ABSORBED) for each in told])
    if numbers.is_empty():
        return None
    parts = parted[PART].drop_nulls().unique()
    return Regrouped(marked(numbers, length), gone, int(roster.present_numbers.gather(parts).sum()))


def has_regrouped(lineage: NumberedLineage | None, policy: str | None, build: int | None) -> bool:
    """Whether a build of a merge policy later than ``build`` merged or split anybody."""
    if lineage is None or build is None or policy != lineage.policy:
        return False
    return any(bool((each[BUILD] > build).any()) for each in (lineage.aliases, lineage.splits))


def with_survivors(judged: pl.DataFrame, regroups: Regrouped, roster: Roster, *, has_key: bool) -> pl.DataFrame:
    """Judged profiles with ``survivor`` (``comparison.columns``).

    Unless a receiver ``has_key`` by which it finds the ids that became aliases, only the first of them exits, in the
    place of a survivor who is not desired and was not delivered: a merge sends no exit then.
    """
    absorbed, survivors = (roster.rows.gather(regroups.absorbed[name]) for name in (ABSORBED, following.SURVIVOR))
    pairs = pl.DataFrame([absorbed.alias(ROW), survivors.alias(SURVIVOR)])
    is_counted, left = pl.col(DESIRED) | pl.col(WAS_DELIVERED), pl.when(HAS_EXITED).then(TIME)
    beside = judged.filter(pl.col(ROW).is_in(survivors.implode())).select(
        pl.col(ROW).alias(SURVIVOR), is_counted.alias("is_counted"), left.alias("left")
    )
    known = judged.select(ROW, RANK).join(pairs, on=ROW).join(beside, on=SURVIVOR, how="left").sort(RANK)
    stands_in = pl.col(SURVIVOR).is_first_distinct() & ~pl.col("is_counted")
    named = known.select(ROW, SURVIVOR, "left", stands_in.alias("stands_in"))
    found = judged.join(named, on=ROW, how="left", maintain_order="left")
    if not has_key:
        exits = pl.col(EXITS) & pl.col("stands_in").fill_null(value=True)
        found = found.with_columns(exits.alias(EXITS), pl.coalesce("left", ROW_TIME).alias(ROW_TIME))
    return found.drop("left", "stands_in")


def merged_people(judged: pl.DataFrame) -> pl.Series:
    """Whether each of ``with_survivors`` is a delivered id that became an alias, or the survivor of one (Boolean)."""
    survivors = judged[SURVIVOR].drop_nulls().unique()
    return judged[SURVIVOR].is_not_null() | judged[ROW].is_in(survivors.implode())


def counted_once(merged: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Count each merged person once (X10), and add ``outcome``; ``merged`` has the ``merged_people`` of the judged.

    Who is not desired exits, whatever the id: excluded as a duplicate if no id of the person has an exited row among
    ``rows``. It is the survivor that counts, or else, if that was not delivered, the first of the ids that were.
    """
    is_alias = pl.col(SURVIVOR).is_not_null()
    people = merged.with_columns(pl.coalesce(SURVIVOR, ROW).alias(_PERSON)).sort(~pl.col(WAS_DELIVERED), is_alias, RANK)
    exited = rows.filter(pl.col(STATUS) == EXITED).select(ROW)
    named = exited.join(people.select(ROW, _PERSON), on=ROW, how="inner")[_PERSON]
    leaves = ~pl.col(DESIRED).any().over(_PERSON)
    counts = leaves & pl.col(_PERSON).is_first_distinct()
    has_row = pl.col(_PERSON).is_in(pl.concat([named, exited[ROW].alias(_PERSON)]).unique().implode())
    outcome = pl.when(leaves & has_row).then(None).when(leaves).then(pl.lit(DUPLICATE)).otherwise(REASON)
    considered = pl.when(leaves).then(counts).otherwise(pl.col(CONSIDERED) & ~is_alias)
    once = people.with_columns(counts.alias(EXITS), considered.alias(CONSIDERED), outcome.alias(OUTCOME))
    return once.select(*merged.columns, OUTCOME)
