"""An activation's baseline: the one that counts for its url, and the delivered set read and written (X8, X9)."""

from dataclasses import replace

from muster.activation.comparison.compare import Comparison
from muster.activation.comparison.delivered_set import DeliveredSet
from muster.activation.export import recipe_record
from muster.activation.mapping.last_mapping import LastMapping
from muster.activation.mapping.layout import Layout
from muster.activation.model.history import AudienceEvaluation, Baseline, Run, StoredFile
from muster.activation.model.workspace import Activation
from muster.activation.profiles.roster import Roster
from muster.activation.session import Session
from muster.activation.state import state_paths
from muster.activation.state.ledger import baselines_table, inputs_table, runs_table
from muster.activation.stores import urls

_MASKED = 1_000  # numbers for each delivered profile up to which a mask is written


def current_baseline(activation: Activation, session: Session) -> Baseline | None:
    """The activation's baseline, unless it belongs to another destination than the config names now (X9).

    While a variable of the destination is missing, its baseline stands: nobody says that the destination has changed.
    """
    baseline = baselines_table.get(session.ledger, activation.destination, activation.id)
    digest = url_digest(activation, session)
    return baseline if baseline and digest in {None, baseline.url_digest} else None


def url_digest(activation: Activation, session: Session) -> str | None:
    """The digest of the url and the service to which the activation's files go (X9); None while that is not known."""
    destination = session.workspace.destinations[activation.destination]
    if activation.url is None or destination.unset:
        return None
    return urls.digest(activation.url, session.root, destination.service)


def read_delivered(baseline: Baseline, session: Session, last: LastMapping | None) -> DeliveredSet:
    """The delivered set of a baseline, sent with the mapping ``last``; ``StateError`` when its file is damaged."""
    roster, digest_made_by = session.opened.roster, baseline.digest_made_by
    return DeliveredSet.read(roster, session.state, baseline.stored, last, digest_made_by=digest_made_by)


def delivered_columns(baseline: Baseline, session: Session, last: LastMapping | None) -> DeliveredSet:
    """The delivered set of a baseline without its people: a full export keeps on what its columns keep (X12)."""
    return DeliveredSet.columns_alone(session.opened.roster, session.state, baseline.stored, last)


def run_of(baseline: Baseline, session: Session) -> Run | None:
    """The run that made a baseline; None where the ledger has no record of it."""
    return runs_table.get(session.ledger, baseline.run_id)


def last_mapping(run: Run | None, session: Session) -> LastMapping | None:
    """The mapping with which the run of a baseline delivered; None where the ledger has no record of it (X12)."""
    kept = inputs_table.get(session.ledger, run.recipe) if run and run.recipe else None
    return recipe_record.last_mapping_of(kept) if kept else None


def delivered_set(activation: Activation, session: Session) -> DeliveredSet | None:
    """The delivered set of the activation's current baseline; None when it has none.

    ``session`` is that for the profiles of the activation's audience.
    """
    baseline = current_baseline(activation, session)
    return read_delivered(baseline, session, last_mapping(run_of(baseline, session), session)) if baseline else None


def count_identified(activation: Activation, session: Session, layout: Layout) -> int:
    """How many profiles of the delivered set were last sent with an identity in the mapped namespace (M4)."""
    delivered = delivered_set(activation, session)
    return delivered.count_identified(layout) if delivered else 0


def exits_not_sent(run: Run | None) -> int:
    """How many leavers the receiver was never told of, as the status was not mapped, up to a baseline's run (X3d)."""
    return (run.exits_not_sent if run else None) or 0


def write_delivered(
    run: Run,
    comparison: Comparison,
    session: Session,
    *,
    evaluation: AudienceEvaluation,
    roster: Roster,
) -> StoredFile:
    """Store the delivered set that a run's success leaves: the evaluation's file if equal, or a file of its own (X8).

    They are equal when everybody realized is delivered, no sent values are kept beside, and the numbers are the same.
    Where some members alone are delivered, a mask of the evaluation's part says whom: that costs a bit for each number,
    and a file of its own some bytes for each profile.
    """
    audience = session.workspace.audiences[run.audience]
    same = not audience.from_feed and roster.keeps_digests and evaluation.inputs.get("roster") == roster.name
    alike = same and not comparison.keeps_values
    if alike and comparison.desired == evaluation.realized:
        return evaluation.stored
    file = state_paths.baseline_file(run.destination, run.activation, run.run_id)
    if alike and evaluation.stored.audience and comparison.desired * _MASKED > roster.numbering.length:
        return replace(
            evaluation.stored, mask=session.state.write_mask(comparison.is_delivered(), file, evaluation.stored)
        )
    return comparison.delivered().write(session.state, file)
