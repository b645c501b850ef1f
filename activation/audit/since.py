"""Since which run a receiver and the ledger are apart about a person (X2, X10). Edge module, reads only.

The ledger keeps the newest delivered set alone. Who was desired at an earlier run is told by its evaluation and by its
rejects: those realized, less those left out. Feed audiences are brought up to date at each export (X6), so of them it
cannot be told.
"""

import polars as pl

from muster.activation.audit import receiver
from muster.activation.audit.received import Replay
from muster.activation.audit.receiver import KEY, ROW_NUMBER, RUN, WHO
from muster.activation.errors import StateError
from muster.activation.frames import engine
from muster.activation.frames.columns import PROFILE_ID, REALIZED, STATUS
from muster.activation.state.ledger import evaluations_table

MISSING, EXTRA = "missing", "extra"
DIFFERING = {PROFILE_ID: pl.String, "differs": pl.String, "since": pl.String, "file": pl.String, "row": pl.Int64}
_UNKNOWN = -1  # in ``since``: they may have been apart before, which cannot be told


def differing(replay: Replay, due: pl.DataFrame, missing: pl.DataFrame, extra: pl.DataFrame) -> pl.DataFrame:
    """Who differs (``DIFFERING``): since which run, null where that cannot be told; file and row that brought an extra one."""
    if missing.is_empty() and extra.is_empty():
        return pl.DataFrame(schema=DIFFERING)
    people = pl.concat(
        [
            missing.with_columns(pl.lit(MISSING).alias("differs")),
            extra.with_columns(pl.col(WHO).alias(PROFILE_ID), pl.lit(EXTRA).alias("differs")),
        ],
        how="diagonal",
    ).with_row_index("n")
    people = people.with_columns(_since(replay, people, _tellable(replay, people, due)).alias("since"))
    brought = [
        (None, None) if run is None else replay.place_of(run, row)
        for run, row in people.select(pl.col(RUN, ROW_NUMBER)).iter_rows()
    ]
    ids = [None if number in (None, _UNKNOWN) else replay.runs[number].run_id for number in people["since"]]
    named = people.select(PROFILE_ID, "differs", pl.Series("since", ids, pl.String)).with_columns(
        pl.Series("file", [file for file, _ in brought], pl.String),
        pl.Series("row", [row for _, row in brought], pl.Int64),
    )
    return named.sort("differs", PROFILE_ID, nulls_last=True, maintain_order=True)


def _tellable(replay: Replay, people: pl.DataFrame, due: pl.DataFrame) -> pl.Series:
    """Whether memberships tell of them: the profile is known, and with identities (M5) it is missing with all of them."""
    if not replay.by.is_identity:
        return people[WHO].is_not_null()
    lost = people.filter(differs=MISSING).join(due, on=KEY, how="semi")[PROFILE_ID].unique()
    partly = receiver.apart(due.filter(pl.col(PROFILE_ID).is_in(lost.implode())), people, replay.by)[
        PROFILE_ID
    ].unique()
    return (
        people.select(pl.col("differs") == MISSING, ~pl.col(PROFILE_ID).is_in(partly.implode()))
        .select(pl.all_horizontal(pl.all()))
        .to_series()
    )


def _since(replay: Replay, people: pl.DataFrame, tellable: pl.Series) -> pl.Series:
    """The number of the earliest run after which they were apart, and stayed so."""
    state = people.select(
        "n",
        WHO,
        KEY,
        pl.lit(None, pl.Int64).alias("since"),
        tellable.alias("tellable"),
        last=pl.col("differs") == MISSING,
    )
    for number, held in enumerate(replay.steps()):
        wanted = state["last"] if number == len(replay.runs) - 1 else _wanted(replay, number, people)
        has = _among(people, held, replay.by.mark)
        now = pl.when("tellable").then(number).otherwise(_UNKNOWN)
        then = pl.lit(_UNKNOWN) if wanted is None else pl.when(has != wanted).then(pl.coalesce("since", now))
        state = state.with_columns(then.cast(pl.Int64).alias("since"))
    return state["since"]


def _wanted(replay: Replay, number: int, people: pl.DataFrame) -> pl.Series | None:
    """Which of them a run meant to leave at the receiver; None when that cannot be told."""
    run, session = replay.runs[number], replay.session
    audience = session.workspace.audiences.get(run.audience)
    evaluation = evaluations_table.get(session.ledger, run.audience, run.evaluated_at) if run.evaluated_at else None
    if audience is None or audience.from_feed or evaluation is None:
        return None
    who = receiver.written_id(replay.recipes[number], replay.by)
    try:
        realized = engine.collect(session.state.read(evaluation.stored).filter(pl.col(STATUS) == REALIZED).select(who))
        rejected = engine.collect(session.state.read(run.rejects).select(who)) if run.rejects else realized.clear()
    except StateError:
        return None
    return _among(people, realized, WHO) & ~_among(people, rejected, WHO)


def _among(people: pl.DataFrame, others: pl.DataFrame, column: str) -> pl.Series:
    """Which of them have a value of ``column`` that others have too."""
    found = people.join(others.select(column), on=column, how="semi")["n"]
    return people["n"].is_in(found.implode())
