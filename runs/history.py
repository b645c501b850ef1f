"""The history of a workspace: runs and their rejects, audiences, evaluations (SPEC 9, E6, X10)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from muster.activation.errors import RefusedError, did_you_mean
from muster.activation.instants import iso
from muster.activation.model.history import AudienceEvaluation, Build, FailedAudience, Run, Status, snapshots_of
from muster.activation.model.workspace import AnyActivation, Audience, Workspace
from muster.activation.state import leftovers
from muster.activation.state.ledger import (
    build_history,
    deletion,
    evaluations_table,
    failures_table,
    inputs_table,
    looks_table,
    redeliveries_table,
    rewinding,
    runs_table,
    sightings_table,
)
from muster.activation.state.ledger.database import Ledger
from muster.activation.wording import counted
from muster.runs.opening import OpenWorkspace, instant_of
from muster.runs.sessions import lock, read_ledger, read_state

if TYPE_CHECKING:
    from muster.activation.state.files import State

_LOOKED_AT = 200  # runs, for ids that are near one that is not found


@dataclass(frozen=True)
class Redelivery:
    """Files of a run that were put back at its destination: when, and how many."""

    at: datetime
    files: int


@dataclass(frozen=True)
class RunDetails:
    """One run, the redeliveries of its files, and the labels and policies by which it was judged (G7).

    ``governance`` has the keys of docs/json.md; None of a run that nothing governed, or of an earlier version.
    """

    run: Run
    redeliveries: tuple[Redelivery, ...] = ()
    governance: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Reject:
    """A profile that a run left out, and why: ``mandatory:email``, ``duplicate`` and the like (X10)."""

    profile_id: str | None  # None for somebody forgotten (G8)
    reason: str
    tries: int | None = None  # of a message: how many runs refused it, one after another (V10)


@dataclass(frozen=True)
class RunRejects:
    """One run, and every profile that it left out."""

    run: Run
    rejects: tuple[Reject, ...]


@dataclass(frozen=True)
class AudienceSummary:
    """An audience, its newest evaluation, if there is one, and why it is failed, if it is (E9)."""

    audience: Audience
    newest: AudienceEvaluation | None
    failed: FailedAudience | None = None


@dataclass(frozen=True)
class AudienceDetails:
    """An audience, its evaluations, newest first, the activations that export it, and why it is failed, if it is."""

    audience: Audience
    evaluations: tuple[AudienceEvaluation, ...]
    activations: tuple[AnyActivation, ...]
    failed: FailedAudience | None = None


@dataclass(frozen=True)
class EvaluationSummary:
    """The audiences that were evaluated at one instant on one snapshot, and whether a run has used one of them."""

    at: datetime
    snapshot: str
    used: bool
    audiences: tuple[AudienceEvaluation, ...]
    ages: dict[str, int]  # of the inputs that decided them, in seconds, by kind (D2)


@dataclass(frozen=True)
class EvaluationHistory:
    """The evaluations, newest first, and the audiences that an evaluation could not decide since (E9)."""

    evaluations: tuple[EvaluationSummary, ...]
    failed: tuple[FailedAudience, ...]


def list_runs(
    workspace: OpenWorkspace,
    *,
    limit: int | None = None,
    superseded: bool = True,
    activation: str | None = None,
    status: Status | None = None,
    since: datetime | None = None,
) -> tuple[Run, ...]:
    """The newest ``limit`` runs, or all, newest first; with or without superseded ones.

    ``activation``, such as ``crm/newsletter``, ``status`` and ``since`` (slots from then on) narrow them down. Raises
    ``RefusedError`` for an activation that neither the config nor the history has.
    """
    moment = instant_of(since) if since else None

    def find(ledger: Ledger) -> tuple[Run, ...]:
        if activation is not None and workspace.config.any_activation(activation) is None:
            _check_known(ledger, workspace.config, activation)
        return tuple(
            runs_table.find(
                ledger, limit=limit, superseded=superseded, activation=activation, status=status, since=moment
            )
        )

    return read_ledger(workspace, find)


def _check_known(ledger: Ledger, config: Workspace, activation: str) -> None:
    """Raise ``RefusedError`` for an activation without a run that the config does not have either."""
    past = runs_table.activations(ledger)
    if activation not in past:
        known = {*past, *(each.key for each in config.all_activations)}
        raise RefusedError(f"there is no activation {activation!r}{did_you_mean(activation, known)}")


def show_run(workspace: OpenWorkspace, run_id: str) -> RunDetails:
    """One run, by its id, the start of it, or its activation, which means that one's newest.

    ``RefusedError`` when there is none, or several begin so.
    """

    def find(ledger: Ledger) -> RunDetails:
        run = find_run(ledger, workspace.config, run_id)
        return RunDetails(
            run,
            tuple(
                Redelivery(datetime.fromisoformat(at), files)
                for at, files in redeliveries_table.finished(ledger, run.run_id)
            ),
            inputs_table.get(ledger, run.governance) if run.governance else None,
        )

    return read_ledger(workspace, find)


def list_rejects(workspace: OpenWorkspace, run_id: str) -> tuple[Reject, ...]:
    """Every profile that a run, named as for ``show_run``, left out, with the reason (X10).

    ``RefusedError`` when the list was lost.
    """
    return show_rejects(workspace, run_id).rejects


def show_rejects(workspace: OpenWorkspace, run_id: str) -> RunRejects:
    """One run, named as for ``show_run``, and what ``list_rejects`` says of it, from one state."""

    def find(state: "State", ledger: Ledger) -> RunRejects:
        run = find_run(ledger, workspace.config, run_id)
        return RunRejects(run, _rejects(run, state))

    return read_state(workspace, find)


def _rejects(run: Run, state: "State") -> tuple[Reject, ...]:
    from muster.activation.frames import engine

    if run.rejects is None and run.excluded and run.status == "succeeded":
        raise RefusedError(
            f"run {run.run_id} left out {counted(run.excluded, 'profile')}; "
            "the list of them was lost, and put aside by a repair"
        )
    if run.rejects is None:
        return ()
    found = engine.collect(state.read(run.rejects))
    rows = found.select("profile_id", "reason", *(["tries"] if "tries" in found.columns else [])).iter_rows()
    return tuple(Reject(*row) for row in rows)


def find_run(ledger: Ledger, config: Workspace, run_id: str, *, delivered: bool = False) -> Run:
    """The run with this id, the only one whose id starts with it, or the newest of an activation: ``crm/newsletter``.

    With ``delivered`` an activation means its last run that succeeded. ``RefusedError`` when there is none, or several.
    """
    if "/" in run_id:
        return _newest_run(ledger, config, run_id, delivered=delivered)
    found = runs_table.find(ledger, prefix=run_id, limit=2)
    exact = next((run for run in found if run.run_id == run_id), None)
    if exact or len(found) == 1:
        return exact or found[0]
    if found:
        raise RefusedError(
            f"several runs start with {run_id!r}, such as {found[0].run_id} and {found[1].run_id}; give more of the id"
        )
    near = did_you_mean(run_id, (run.run_id for run in runs_table.find(ledger, limit=_LOOKED_AT)))
    see = f"{near} See" if near.endswith("?") else "; see"  # a few ids that are not near would only be noise
    raise RefusedError(f"there is no run {run_id!r}{see} `muster runs list`")


def _newest_run(ledger: Ledger, config: Workspace, key: str, *, delivered: bool) -> Run:
    """The newest run of an activation; slots that a rewind took back, and those that none was tried for, come last."""
    if delivered:
        found = newest_delivered(ledger, key)
    else:
        found = (
            runs_table.find(ledger, activation=key, superseded=False, rewound=False, limit=1)
            or runs_table.find(ledger, activation=key, superseded=False, limit=1)
            or runs_table.find(ledger, activation=key, limit=1)
        )
    if not found:
        if config.any_activation(key) is None:
            _check_known(ledger, config, key)
        raise RefusedError(f"{key} has no run{' that delivered' * delivered} yet; see `muster runs list`")
    return found[0]


def newest_delivered(ledger: Ledger, key: str) -> list[Run]:
    """The last run of an activation that delivered files or sent messages, if there is one.

    A run that sent messages may have failed in the end: what was accepted until then counts (V2).
    """
    succeeded = runs_table.succeeded(ledger, *key.split("/", 1), limit=1)
    if succeeded and succeeded[0].audiences is None:
        return succeeded
    sent = [each for each in runs_table.find(ledger, activation=key, superseded=False) if each.messages]
    return sorted(sent, key=lambda each: (each.finished_at or each.scheduled_time, each.run_id))[-1:]


def list_audiences(workspace: OpenWorkspace) -> tuple[AudienceSummary, ...]:
    """Every audience with its newest evaluation, and why it is failed, if it is (E9)."""

    def summaries(ledger: Ledger) -> tuple[AudienceSummary, ...]:
        failed = failures_table.current(ledger)
        return tuple(
            AudienceSummary(each, evaluations_table.newest(ledger, each.id), failed.get(each.id))
            for each in workspace.config.audiences.values()
        )

    return read_ledger(workspace, summaries)


def list_failed_audiences(workspace: OpenWorkspace) -> tuple[FailedAudience, ...]:
    """The audiences of the config that no evaluation could decide since their newest one, and why, by id (E9)."""
    return read_ledger(workspace, lambda ledger: _failed_audiences(ledger, workspace.config))


def _failed_audiences(ledger: Ledger, config: Workspace) -> tuple[FailedAudience, ...]:
    failed = failures_table.current(ledger)
    return tuple(failed[name] for name in sorted(config.audiences) if name in failed)


def show_audience(workspace: OpenWorkspace, audience: str) -> AudienceDetails:
    """One audience with its history; ``RefusedError`` for an unknown id."""
    config = workspace.config
    found = config.audiences.get(audience)
    if found is None:
        raise RefusedError(f"there is no audience {audience!r}{did_you_mean(audience, config.audiences)}")
    history, failed = read_ledger(
        workspace, lambda ledger: (evaluations_table.list_all(ledger), failures_table.current(ledger).get(audience))
    )
    evaluations = tuple(each for each in history if each.audience == audience)
    activations = tuple(each for each in config.all_activations if audience in each.audience_ids)
    return AudienceDetails(found, evaluations, activations, failed)


def list_evaluations(workspace: OpenWorkspace) -> tuple[EvaluationSummary, ...]:
    """Every evaluation, newest first."""
    return show_evaluations(workspace).evaluations


def show_evaluations(workspace: OpenWorkspace) -> EvaluationHistory:
    """Every evaluation, newest first, and the audiences that are failed, from one state of the ledger."""

    def find(ledger: Ledger) -> EvaluationHistory:
        evaluations = tuple(_summaries(evaluations_table.list_all(ledger), ledger))
        return EvaluationHistory(evaluations, _failed_audiences(ledger, workspace.config))

    return read_ledger(workspace, find)


def _summaries(evaluations: Iterable[AudienceEvaluation], ledger: Ledger) -> Iterable[EvaluationSummary]:
    by_instant: dict[datetime, list[AudienceEvaluation]] = {}
    for each in evaluations:
        by_instant.setdefault(each.at, []).append(each)
    for at, group in by_instant.items():
        used = any(runs_table.first_using_evaluation(ledger, each.audience, at) for each in group)
        ages = {kind: age for each in group for kind, age in each.ages.items()}
        yield EvaluationSummary(at, snapshots_of(group), used, tuple(group), ages)


def forget_evaluations(
    workspace: OpenWorkspace, *, after: datetime
) -> tuple[AudienceEvaluation | FailedAudience | Build, ...]:
    """Forget the evaluations later than ``after`` and return them; ``RefusedError`` when a run used one (E6).

    Failed evaluations later than ``after`` are forgotten too, and returned by audience (E9). So are later builds of
    profiles from sources: ids, aliases and splits are again as before, unless a delivered set has ids of them (P7).
    """
    moment = instant_of(after)
    with lock(workspace, mends=True) as locked:
        ledger, state = locked.ledger, locked.state()
        _refuse_used(ledger, evaluations_table.list_all(ledger), moment)
        _refuse_pruned(ledger, moment)
        leftovers.announce_pruning(state.folder, state.file_mode)
        with ledger.transaction():
            forgotten = evaluations_table.delete_after(ledger, moment)
            failed = failures_table.delete_after(ledger, moment)
            spans = [*((each.at, each.at) for each in forgotten), *((each.first_at, each.last_at) for each in failed)]
            for key in _seen_at(ledger, [(iso(first), iso(last)) for first, last in spans]):
                rewinding.rewind_sighting(ledger, key, moment)
            builds = build_history.take_back(ledger, moment)
            looks_table.delete_after(ledger, moment)  # they saw what is forgotten
        leftovers.sweep(state.folder, ledger, state.file_mode)
    return (*forgotten, *failed, *builds)


def _seen_at(ledger: Ledger, spans: Sequence[tuple[str, str]]) -> list[str]:
    """Activations that a forgotten evaluation was the first to see: else their slots would count from its instant.

    ``spans`` are the first and last instants of the forgotten evaluations.
    """
    return [
        row["activation"]
        for row in sightings_table.list_all(ledger)
        if any(first <= row[each] <= last for first, last in spans for each in ("first_seen", "since"))
    ]


def _refuse_used(ledger: Ledger, evaluations: Sequence[AudienceEvaluation], moment: datetime) -> None:
    for each in evaluations:
        user = runs_table.first_using_evaluation(ledger, each.audience, each.at) if each.at > moment else None
        if user:
            raise RefusedError(
                f"the evaluation of {each.audience!r} at {iso(each.at)} was used by run {user.run_id} of {user.key}; "
                f"it cannot be forgotten; give --after {iso(each.at)} or later. If the run's clock was wrong: "
                f"`muster state rewind --to {iso(moment)}`"
            )


def _refuse_pruned(ledger: Ledger, moment: datetime) -> None:
    """Raise ``RefusedError`` when an audience would have no evaluation to continue from: its members would re-enter."""
    for audience, until, oldest in deletion.pruned_evaluations(ledger):
        if moment < oldest:
            raise RefusedError(
                f"evaluations of {audience!r} up to {iso(until)} were pruned, so the next one cannot be forgotten; "
                f"give --after {iso(oldest)} or later"
            )
