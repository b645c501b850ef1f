"""The measures of profiles, from the events, in groups: measures that few events count for are grouped alone (E3, E7).

Grouping by profile costs what the events take that are grouped, times the columns that are grouped. A measure of rare
events among those of frequent ones would be a column of all events. So a sample of the events tells how many count for
each measure; the sample decides nothing but the cost.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import or_

import polars as pl

from muster.activation.errors import ConfigError, Problem
from muster.activation.frames import engine
from muster.activation.frames.columns import ID, INTERNAL
from muster.activation.frames.hashed_ids import CHECK_HASH, ID_HASH, has_collision, ranges, with_id_hash
from muster.activation.inputs.parquet import total_rows
from muster.activation.model.log import logger
from muster.activation.profiles.positions import by_number
from muster.activation.rules.measures import BoundMeasure, aggregate, counting, distinct
from muster.activation.session import Session

log = logger("muster.evaluate")

OF = f"{INTERNAL}measured_of"  # UInt64
_FEW = 200_000  # events that are grouped at once, whatever their measures are
_MOST_SAMPLED = 1.25  # times the share of a sample: the events that are reckoned with
_EVENT, _MEASURE = 14, 9  # bytes that grouping takes, roughly: an event, and each measure that it may count for
_KEYS, _PASS = 2.5, 2.0  # the cost of keys and of one more pass over the events, in columns that are grouped


@dataclass(frozen=True, eq=False)
class Group:
    """Measures that are computed together, and the share of the events that count for one of them."""

    measures: tuple[BoundMeasure, ...]
    share: float = 1.0

    @property
    def bytes_per_event(self) -> float:
        """The bytes that grouping takes, by event of the event files."""
        return self.share * (_EVENT + _MEASURE * len(self.measures))


def groups(session: Session, measures: Iterable[BoundMeasure]) -> list[Group]:
    """The distinct measures, divided so that rare events are grouped without the measures of frequent ones."""
    chosen = list(distinct(measures))
    sample = _sample(session) if len(chosen) > 1 else None
    if sample is None:
        return [Group(tuple(chosen))] if chosen else []
    rows, flagged = engine.collect_all(
        [sample.select(pl.len()), counting(sample, chosen, session.at, session.workspace.zone)]
    )
    found = divided(chosen, flagged, rows.item())
    log.debug("events are grouped for %s measures", " + ".join(str(len(group.measures)) for group in found))
    return found


def _sample(session: Session) -> pl.LazyFrame | None:
    """Some of the events; None where there are few, or where a sample would cost too much."""
    if session.opened.events is None or total_rows(session.opened.event_parts) <= _FEW:
        return None
    return session.opened.events.sample()


def divided(measures: Sequence[BoundMeasure], flags: pl.DataFrame, rows: int) -> list[Group]:
    """The groups that cost least, frequent measures first, by a sample of ``rows`` events.

    ``flags`` has a Boolean column for each measure: whether the event counts for it.
    """
    ordered = sorted(measures, key=lambda measure: (-flags[measure.column].sum(), measure.column))
    columns = [flags[measure.column] for measure in ordered]
    shares = [(each.sum() or 0) / max(rows, 1) for each in accumulate(columns, or_)]
    shares_of_rest = [(each.sum() or 0) / max(rows, 1) for each in accumulate(reversed(columns), or_)][::-1]

    def cost(first: int) -> float:
        rest = len(ordered) - first
        together = shares[first - 1] * (_KEYS + first)
        return together + (_PASS + shares_of_rest[first] * (_KEYS + rest) if rest else 0.0)

    first = min(range(1, len(ordered) + 1), key=lambda first: (cost(first), -first))
    group = Group(tuple(ordered[:first]), min(1.0, shares[first - 1] * _MOST_SAMPLED))
    return [group, *(divided(ordered[first:], flags, rows) if first < len(ordered) else [])]


def of_people(session: Session, measures: Iterable[BoundMeasure]) -> pl.DataFrame | None:
    """The measures of each profile, in the order of the snapshot's files; None without measures.

    Columns: ``OF``, the id hash of the profile, and one for each distinct measure, null for a profile without events.
    """
    found = groups(session, measures)
    if not found:
        return None
    people = _people(session, [ID_HASH, CHECK_HASH])
    columns = [_beside(people, _computed(session, group, ID_HASH), ID_HASH) for group in found]
    if any(people.hstack(each).select(has_collision().any()).item() for each in columns):
        log.info("two profiles have one id hash: events are grouped by the text of ids")
        people = _people(session, [ID_HASH, ID])
        columns = [_beside(people, _computed(session, group, ID), ID) for group in found]
    named = [
        each.select(measure.column for measure in group.measures) for group, each in zip(found, columns, strict=True)
    ]
    return pl.concat([people.select(pl.col(ID_HASH).alias(OF)), *named], how="horizontal")


def _people(session: Session, columns: Sequence[str]) -> pl.DataFrame:
    return engine.collect(session.opened.snapshot.frame().select(ID).pipe(with_id_hash).select(columns))


def _beside(people: pl.DataFrame, found: pl.DataFrame, by: str) -> pl.DataFrame:
    """The columns of ``found`` for each row of ``people``, which has the values of ``by``, each once; null for others.

    Numbers are joined and columns gathered, since joins of wide frames cost twice as much and lose the order.
    """
    rows = engine.collect(
        people.lazy()
        .select(by)
        .with_row_index("person")
        .join(found.lazy().select(by).with_row_index("found"), on=by)
        .select("person", "found")
    ).rechunk()
    return found.drop(by).rechunk()[by_number(rows["found"], rows["person"], people.height)]


def _computed(session: Session, group: Group, by: str) -> pl.DataFrame:
    """The measures of a group, in one pass over the events, or in more where memory is short; as of ``aggregate``."""
    needed = int(group.bytes_per_event * total_rows(session.opened.event_parts))
    pieces = -(-needed // session.budget.working)
    return pl.concat(
        computed(session, group.measures, by, within) for within in (ranges(pieces) if pieces > 1 else [None])
    )


def computed(
    session: Session, measures: Sequence[BoundMeasure], by: str = ID, within: pl.Expr | None = None
) -> pl.DataFrame:
    """The measures of profiles with events, as of ``aggregate``."""
    if session.opened.events is None:
        raise ConfigError([Problem("muster.yml", 0, "events", "is required: measures read events")])
    events = session.opened.events.frame
    return engine.collect(aggregate(events, measures, session.at, session.workspace.zone, by, within=within))
