"""`preview`: an audience, or what an activation would deliver, as of an instant, kept nowhere."""

from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from muster.activation.errors import RefusedError, did_you_mean
from muster.activation.evaluation.evaluate import evaluate
from muster.activation.evaluation.request import rehearse_evaluation
from muster.activation.export.carry_out import Outcome
from muster.activation.export.carry_out import preview as preview_export
from muster.activation.export.gather import Prepared
from muster.activation.export.lost_values import warn_of_sampled_losses
from muster.activation.export.sample import Sample, sample_of, sampled, warn_of_odd_values
from muster.activation.frames import engine
from muster.activation.frames.columns import PROFILE_ID, REALIZED, STATUS, TIME
from muster.activation.model.exports import Export, Sending
from muster.activation.model.history import AudienceEvaluation
from muster.activation.model.messages import MessageActivation
from muster.activation.model.workspace import Activation, AnyActivation, CsvOptions
from muster.activation.session import Session
from muster.activation.state.ledger import evaluations_table
from muster.runs.planning import rehearsal
from muster.runs.report import Report


@dataclass(frozen=True)
class Preview:
    """An audience evaluated at an instant, and what an activation of it would export then; nothing is recorded.

    Of an activation that sends messages ``audience`` is the first of ``audiences``. ``evaluation`` and ``sample`` are
    None when the audience could not be evaluated: the report has the errors.
    """

    audience: str
    snapshot: str  # the name of the profile snapshot
    activation: AnyActivation | None  # None of an audience alone
    evaluation: AudienceEvaluation | None
    before: AudienceEvaluation | None  # the newest evaluation that is kept, with which this one was compared
    outcome: Outcome | None  # of the activation's export
    sample: Sample | None
    report: Report
    audiences: tuple[AudienceEvaluation, ...] = ()  # of all audiences that were asked for, in the order of the config


def preview_session(session: Session, target: str, rows: int) -> Preview:
    """The preview of an audience, by id, or of a ``destination/activation``, with the first ``rows`` rows.

    ``RefusedError`` for a name that is neither, and for an instant before the audience's newest evaluation.
    """
    activation = _activation(session, target)
    names = activation.audience_ids if activation else (target,)
    request = rehearse_evaluation(session, *names)
    before = evaluations_table.newest(session.ledger, names[0], session.at - timedelta(seconds=1))
    with rehearsal(session) as (scratch, _):
        evaluation = evaluate(scratch, request)
        evaluated = {each.audience: each for each in evaluation.evaluated}
        found, outcome, sample = evaluated.get(names[0]), None, None
        if isinstance(activation, MessageActivation):
            outcome, sample = _sent(scratch, activation, rows)
        elif found and isinstance(activation, Activation):
            outcome, sample = _exported(scratch, activation, rows)
        elif found:
            sample = _members(scratch.of_audience(names[0]), found, before, rows)
    report = Report(session.at, evaluation, (outcome,) if outcome else (), warnings=session.warnings.texts)
    asked = tuple(evaluated[name] for name in names if name in evaluated)
    return Preview(names[0], evaluation.snapshot, activation, found, before, outcome, sample, report, asked)


def _activation(session: Session, target: str) -> AnyActivation | None:
    """The activation of that name, or None for an audience; ``RefusedError`` for a name that is neither."""
    workspace = session.workspace
    activation = workspace.any_activation(target)
    if activation is None and target not in workspace.audiences:
        keys = [each.key for each in workspace.all_activations]
        what, known = (
            ("activation", keys) if "/" in target else ("audience or activation", [*workspace.audiences, *keys])
        )
        raise RefusedError(f"there is no {what} {target!r}{did_you_mean(target, known)}")
    return activation


def _exported(scratch: Session, activation: Activation, rows: int) -> tuple[Outcome, Sample | None]:
    """The export that the activation would make at the instant, due or not; on demand a full one."""
    taken: list[Sample] = []

    def take(ready: Prepared) -> None:
        taken.append(sample_of(ready, activation, rows))
        warn_of_sampled_losses(activation.key, ready, scratch)
        warn_of_odd_values(ready, activation, scratch)

    export = Export(activation, activation.schedule.trigger, scratch.at, scratch.workspace.name)
    outcome = preview_export(export, scratch, take)
    return outcome, taken[0] if taken else None


def _sent(scratch: Session, activation: MessageActivation, rows: int) -> tuple[Outcome | None, Sample | None]:
    """What the activation would send at the instant, due or not; on demand everybody is sent."""
    from muster.activation.sending.preview import Shown
    from muster.activation.sending.preview import preview as preview_messages

    shown = Shown(rows, are_bodies=activation.payload == "request")
    sending = Sending(activation, activation.schedule.trigger, scratch.at, scratch.workspace.name)
    outcome = preview_messages(sending, scratch, shown)
    return outcome, None if outcome and outcome.error else shown.sample


def _members(scratch: Session, found: AudienceEvaluation, before: AudienceEvaluation | None, rows: int) -> Sample:
    """The first members of an audience, and those who leave it by this evaluation, in the order of their ids."""
    stored = scratch.state.read(found.stored).select(PROFILE_ID, STATUS, TIME)
    was = scratch.memberships_by_id(before).filter(pl.col(STATUS) == REALIZED) if before else stored.clear()
    marked = was.select(PROFILE_ID, pl.lit(value=True).alias("was"))
    shown = stored.join(marked, on=PROFILE_ID, how="left", maintain_order="left").filter(
        (pl.col(STATUS) == REALIZED) | pl.col("was").is_not_null()
    )
    ordered = _in_order(scratch, engine.collect(shown.drop("was")))
    return sampled(ordered.head(rows).lazy(), found.realized + found.exited, CsvOptions())


def _in_order(session: Session, memberships: pl.DataFrame) -> pl.DataFrame:
    """Memberships in the order of their ids as exports have them (M6): state files have them in another one."""
    roster = session.opened.roster
    ranks = roster.rank_of(roster.rows_of(memberships[PROFILE_ID]))
    return memberships[ranks.arg_sort()]
