"""Compare what a receiver of an activation's files holds with what the ledger says it delivered (X2, X3, X8, F1).

files of each run, oldest first -> receiver.receive -> holdings      against the delivered set and today's desired set

For each person about whom both disagree, the first run is found after which they disagreed and stayed so. The ledger
keeps the newest delivered set alone. Whom an earlier run desired follows from its evaluation and its rejects: those
realized, less those left out. Feed audiences are updated at each export (X6), so for them it does not follow.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from muster.activation.audit import receiver
from muster.activation.audit.received import ReceiverReplay
from muster.activation.audit.receiver import PERSON_KEY, ROW_NUMBER, RUN, WHO, Identification
from muster.activation.comparison import delivered_set
from muster.activation.errors import MusterError, RefusedError, StateError, did_you_mean
from muster.activation.export.baseline import last_mapping, run_of
from muster.activation.export.gather import prepare
from muster.activation.frames import engine
from muster.activation.frames.columns import PROFILE_ID, REALIZED, STATUS
from muster.activation.model.exports import Export
from muster.activation.model.history import Baseline, Run
from muster.activation.model.workspace import Activation
from muster.activation.session import Session
from muster.activation.state.ledger import baselines_table, constant_names, deletion, evaluations_table, runs_table
from muster.activation.wording import counted

MISSING, EXTRA = "missing", "extra"
DIFFERING = {PROFILE_ID: pl.String, "differs": pl.String, "since": pl.String, "file": pl.String, "row": pl.Int64}
_UNKNOWN = -1  # in ``since``: receiver and ledger may have disagreed before


@dataclass(frozen=True)
class Reconciled:
    """A receiver's holdings compared with the ledger's delivered set, and with the desired set of the next export."""

    activation: str
    by: Identification
    runs: tuple[Run, ...]  # replayed, oldest first
    receiver: int  # rows that the receiver holds: people, or their keys
    delivered: int
    missing: int  # delivered, and not at the receiver
    extra: int  # at the receiver, and not delivered
    untold: int  # left the audience, but the files have no status that says so
    desired: int | None  # None: see ``notes``
    to_come: int | None  # desired, and not at the receiver
    to_go: int | None  # at the receiver, and not desired
    altered: tuple[str, ...]  # files that are not as they were delivered
    notes: tuple[str, ...]
    differing: pl.DataFrame  # ``DIFFERING``

    @property
    def is_equal(self) -> bool:
        """Whether the receiver holds exactly the people of the ledger's delivered set."""
        return not self.missing and not self.extra


def reconcile(session: Session, key: str) -> Reconciled:
    """Replay the files of an activation ("destination/activation") and compare.

    ``RefusedError`` when that cannot be done: with the reasons, and every file that cannot be read.
    """
    activation = session.workspace.activation(key)
    if activation is None:
        raise RefusedError(
            f"there is no activation {key!r}{did_you_mean(key, (each.key for each in session.workspace.activations))}"
        )
    baseline, runs = _history(session, activation)
    replay = ReceiverReplay(session, activation, runs)
    holdings = replay.holdings()
    people = delivered_set.people(session.state, baseline.stored, last_mapping(run_of(baseline, session), session))
    expected = receiver.expected(people, replay.by, replay.recipes[-1])
    missing = receiver.not_in(expected, holdings, replay.by)
    extra = receiver.not_in(holdings, expected, replay.by)
    untold = extra if replay.by.status is None else extra.clear()
    extra = extra if untold.is_empty() else extra.clear()
    desired, notes = _desired(session, activation, replay)
    return Reconciled(
        activation=key,
        by=replay.by,
        runs=tuple(runs),
        receiver=holdings.height,
        delivered=expected.height,
        missing=missing.height,
        extra=extra.height,
        untold=untold.height,
        desired=None if desired is None else desired.height,
        to_come=None if desired is None else receiver.not_in(desired, holdings, replay.by).height,
        to_go=None if desired is None else receiver.not_in(holdings, desired, replay.by).height,
        altered=tuple(replay.altered),
        notes=tuple(notes),
        differing=_differing(replay, expected, missing, extra),
    )


def _history(session: Session, activation: Activation) -> tuple[Baseline, list[Run]]:
    """Return the baseline, and the runs that led to it: from the last one whose files held everybody."""
    key, ledger = activation.key, session.ledger
    baseline = baselines_table.get(ledger, activation.destination, activation.id)
    if baseline is None:
        earlier = runs_table.succeeded(ledger, activation.destination, activation.id)
        reset = any(run.trigger != "on_demand" for run in earlier)
        why = (
            "its baseline was reset and it has delivered nothing since"
            if reset
            else "it has delivered nothing on its schedule"
        )
        raise RefusedError(f"{key}: there is no delivered set to compare with: {why}")
    last = runs_table.get(ledger, baseline.run_id)
    found = runs_table.succeeded(ledger, last.destination, last.activation) if last else []
    runs = [run for run in reversed(found) if run.trigger != "on_demand"]
    runs = runs[: next((number for number, run in enumerate(runs, start=1) if run.run_id == baseline.run_id), 0)]
    if not runs:
        raise _not_replayable(key, f"run {baseline.run_id} is not in the ledger")
    whole = [number for number, run in enumerate(runs) if run.first_export or run.export == "full"]
    since = runs[whole[-1]].run_id if whole else None
    pruned = deletion.last_pruned_run(ledger, runs[0].destination, runs[0].activation, since)
    if pruned:
        raise _not_replayable(key, f"runs up to {pruned} were pruned; reconcile again after a full export")
    if not whole:
        raise _not_replayable(key, f"run {runs[0].run_id} goes on from a baseline that was moved here")
    runs = runs[whole[-1] :]
    shares_names = any(run.constant_names or run.rewound for run in runs)
    _refuse_replaced(key, runs, constant_names.holders(ledger) if shares_names else {})
    return baseline, runs


def _not_replayable(key: str, why: str) -> RefusedError:
    return RefusedError(f"{key}: its history cannot be replayed: {why}")


def _refuse_replaced(key: str, runs: Sequence[Run], holders: dict[str, str]) -> None:
    """Refuse an incremental history of files under constant names, of which only the last run's are left (F1)."""

    def is_replaced(run: Run) -> bool:
        return bool(run.constant_names or run.rewound) and any(
            holders.get(f"{run.url}/{file.path}", run.run_id) != run.run_id for file in run.files
        )

    kept = [run.run_id for run in runs if not is_replaced(run)]
    if len(kept) < len(runs):
        after = runs[1:]
        counts = f"{runs[0].realized:,} realized first, then {sum(run.realized or 0 for run in after):,} realized"
        files = f"the files begin with {kept[0]}" if kept else "no file is left"
        why = "its files have constant names, so each export replaced the one before"
        if not all(run.constant_names for run in runs):
            why = "files of rewound runs were replaced when their slots came again"
        raise RefusedError(
            f"{key}: {why}, and increments cannot be replayed: of {counted(len(runs), 'run')} since {runs[0].run_id} "
            f"{files}; the ledger has their counts alone: {counts} and "
            f"{sum(run.exited or 0 for run in after):,} exited in {counted(len(after), 'run')}"
        )


def _desired(session: Session, activation: Activation, replay: ReceiverReplay) -> tuple[pl.DataFrame | None, list[str]]:
    """Return whom the next export would leave at the receiver, at the session's instant; None and a note if unknown."""
    try:
        prepared = prepare(Export(activation, "scheduled", session.at, session.workspace.name), session)
        people = prepared.comparison.delivered().by_profile_id()
        return receiver.expected(people, replay.by, replay.recipes[-1]), []
    except (MusterError, OSError) as error:
        return None, [f"the desired set of the next export is not known: {error}"]


def _differing(
    replay: ReceiverReplay, expected: pl.DataFrame, missing: pl.DataFrame, extra: pl.DataFrame
) -> pl.DataFrame:
    """Return who differs (``DIFFERING``), since which run, and the file and row that brought an extra person.

    ``since`` is null where the first run is not known.
    """
    if missing.is_empty() and extra.is_empty():
        return pl.DataFrame(schema=DIFFERING)
    people = pl.concat(
        [
            missing.with_columns(pl.lit(MISSING).alias("differs")),
            extra.with_columns(pl.col(WHO).alias(PROFILE_ID), pl.lit(EXTRA).alias("differs")),
        ],
        how="diagonal",
    ).with_row_index("n")
    people = people.with_columns(_first_run(replay, people, _has_history(replay, people, expected)).alias("since"))
    brought = [
        (None, None) if run is None else replay.file_and_row(run, row)
        for run, row in people.select(pl.col(RUN, ROW_NUMBER)).iter_rows()
    ]
    ids = [None if number in (None, _UNKNOWN) else replay.runs[number].run_id for number in people["since"]]
    named = people.select(PROFILE_ID, "differs", pl.Series("since", ids, pl.String)).with_columns(
        pl.Series("file", [file for file, _ in brought], pl.String),
        pl.Series("row", [row for _, row in brought], pl.Int64),
    )
    return named.sort("differs", PROFILE_ID, nulls_last=True, maintain_order=True)


def _has_history(replay: ReceiverReplay, people: pl.DataFrame, expected: pl.DataFrame) -> pl.Series:
    """Return the people for whom earlier memberships say whether they were desired.

    The profile must be known; where rows are identities (M5), all identities of the profile must be missing.
    """
    if not replay.by.is_identity:
        return people[WHO].is_not_null()
    missing = people.filter(differs=MISSING).join(expected, on=PERSON_KEY, how="semi")[PROFILE_ID].unique()
    of_missing = expected.filter(pl.col(PROFILE_ID).is_in(missing.implode()))
    partly = receiver.not_in(of_missing, people, replay.by)[PROFILE_ID].unique()
    return (
        people.select(pl.col("differs") == MISSING, ~pl.col(PROFILE_ID).is_in(partly.implode()))
        .select(pl.all_horizontal(pl.all()))
        .to_series()
    )


def _first_run(replay: ReceiverReplay, people: pl.DataFrame, has_history: pl.Series) -> pl.Series:
    """Return the number of the first run after which receiver and ledger disagree about each person, and stay so."""
    state = people.select(
        "n",
        WHO,
        PERSON_KEY,
        pl.lit(None, pl.Int64).alias("since"),
        has_history.alias("has_history"),
        last=pl.col("differs") == MISSING,
    )
    for number, holdings in enumerate(replay.steps()):
        desired = state["last"] if number == len(replay.runs) - 1 else _desired_then(replay, number, people)
        holds = _among(people, holdings, replay.by.mark)
        now = pl.when("has_history").then(number).otherwise(_UNKNOWN)
        since = pl.lit(_UNKNOWN) if desired is None else pl.when(holds != desired).then(pl.coalesce("since", now))
        state = state.with_columns(since.cast(pl.Int64).alias("since"))
    return state["since"]


def _desired_then(replay: ReceiverReplay, number: int, people: pl.DataFrame) -> pl.Series | None:
    """Return which of the people a run meant to leave at the receiver; None when the state does not say."""
    run, session = replay.runs[number], replay.session
    audience = session.workspace.audiences.get(run.audience)
    evaluation = evaluations_table.get(session.ledger, run.audience, run.evaluated_at) if run.evaluated_at else None
    if audience is None or audience.from_feed or evaluation is None:
        return None
    if (run.baseline or {}).get("build") != evaluation.build:  # ids may have been merged in between (P11)
        return None
    who = receiver.written_id(replay.recipes[number], replay.by)
    try:
        realized = engine.collect(session.state.read(evaluation.stored).filter(pl.col(STATUS) == REALIZED).select(who))
        rejected = engine.collect(session.state.read(run.rejects).select(who)) if run.rejects else realized.clear()
    except StateError:
        return None
    return _among(people, realized, WHO) & ~_among(people, rejected, WHO)


def _among(people: pl.DataFrame, others: pl.DataFrame, column: str) -> pl.Series:
    """Return which of the people have a value of ``column`` that others have too."""
    found = people.join(others.select(column), on=column, how="semi")["n"]
    return people["n"].is_in(found.implode())
