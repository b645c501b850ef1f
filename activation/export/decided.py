"""What a run will say of its content: counts, ages of inputs, warnings, and what a guard stops (X1, X10, X11, X12)."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from muster.activation.comparison.compare import Comparison
from muster.activation.errors import DataError, ExportError, MusterError
from muster.activation.export.gather import Gathered, Prepared
from muster.activation.export.guards import check_guards
from muster.activation.export.type_warnings import type_warnings
from muster.activation.model.exports import Decision, Export
from muster.activation.model.history import Run
from muster.activation.model.redaction import redact_error
from muster.activation.rules.expressions import explained
from muster.activation.session import Session
from muster.activation.system.os_errors import system_message
from muster.activation.wording import counted


def decided(run: Run, export: Export, session: Session, prepared: Callable[[], Prepared]) -> tuple[Run, Prepared]:
    """The run with its counts and ages, and its content; an error when the destination or the keys may not be used.

    ``prepared`` returns what ``prepare`` made of the export, or raises its error.
    """
    session.destinations.check_place(run.destination)
    _ = session.destinations.encryption(export.activation)
    ready = prepared()
    run = _counted(run, export, ready, from_sources=session.workspace.profiles.from_sources)
    run = replace(run, ages=_ages(export, ready, session))
    _warn_of_columns(run, export, ready, session)
    return run, ready


def _counted(run: Run, export: Export, ready: Prepared, *, from_sources: bool) -> Run:
    """The run with the counts of its comparison; ``ExportError`` when they do not balance (X10).

    Merges and splits are counted where profiles are made ``from_sources`` (P11).
    """
    gathered, comparison, counts = ready.gathered, ready.comparison, ready.comparison.counts
    if not counts.balanced:
        raise ExportError(
            f"the counts do not balance: {counts}; nothing was written: this is a fault of muster, please report it"
        )
    return replace(
        run,
        first_export=export.trigger != "on_demand" and gathered.baseline is None,
        evaluated_at=gathered.evaluation.at,
        baseline_evaluated_at=gathered.baseline.evaluated_at if gathered.baseline else None,
        received=counts.received,
        exported=counts.exported,
        excluded=counts.excluded,
        excluded_by=counts.excluded_by,
        realized=counts.realized,
        exited=counts.exited,
        identity_changed=counts.identity_changed,
        exits_not_sent=_exits_not_sent(gathered, comparison, export),
        merged=comparison.merged if from_sources else None,
        split=comparison.split if from_sources else None,
    )


def refuse_guarded(export: Export, ready: Prepared) -> None:
    """``ExportError`` when the export would remove more than its guards allow (X11)."""
    if ready.gathered.is_compared and not export.override_guards:
        check_guards(export.activation.guards, ready.comparison, export.activation.key)


def _warn_of_columns(run: Run, export: Export, ready: Prepared, session: Session) -> None:
    """Warn of columns of another type (D7), and of exits by which a receiver finds nobody: nothing is known (X12)."""
    gathered = ready.gathered
    for warning in type_warnings(export.activation, gathered.layout, gathered.baseline, gathered.last):
        session.warnings.add(warning)
    for target, number in ready.comparison.exits_without_value.items():
        exits = "1 exit has" if number == 1 else f"{number:,} exits have"
        session.warnings.add(
            f"{run.key}: {exits} no {target}, as it is not known what was sent under this target; where a source was "
            f"renamed, keep its former target"
        )


def _exits_not_sent(gathered: Gathered, comparison: Comparison, export: Export) -> int | None:
    """How many leavers the receiver was never told of, since the last full or first export, this one included (X3d)."""
    if export.mode == "full" or gathered.baseline is None:
        return None
    leaving = 0 if gathered.layout.status_mapped else comparison.no_longer_desired
    return gathered.exits_not_sent + leaving or None


def remarks(comparison: Comparison) -> Iterator[str]:
    """Why profiles are sent that were delivered already, and have neither left nor another identity (X3e, X12, P11)."""
    if comparison.sent_anew:
        yield f"{comparison.sent_anew:,} sent anew, as a key column is made in another way now"
    if comparison.values_changed:
        yield f"{comparison.values_changed:,} with changed values"
    if comparison.merged:
        yield f"{counted(comparison.merged, 'delivered id')} merged into others"
    if comparison.split:
        yield f"{counted(comparison.split, 'profile')} split off delivered ones"


def _ages(export: Export, ready: Prepared, session: Session) -> dict[str, int]:
    """The ages of the run's inputs, in seconds (D2): of the snapshot, and of a feed that is read now, at the instant.

    Of events, and of a feed that an export on demand does not read, they are as of the evaluation.
    """
    evaluation, audience = ready.gathered.evaluation, export.activation.audience
    opened = session.of_audience(audience).opened
    ages = {kind: age for kind, age in evaluation.ages.items() if kind not in opened.profile_kinds}
    if export.trigger != "on_demand":
        is_fed = session.workspace.audiences[audience].from_feed
        return opened.freshness.seconds(*opened.profile_kinds, *(["memberships"] if is_fed else [])) | {
            kind: age for kind, age in ages.items() if kind != "memberships" or not is_fed
        }
    if "build" in evaluation.inputs:  # the sources have aged since
        since = int((session.at - evaluation.at).total_seconds())
        return {kind: age + (0 if kind in ages else since) for kind, age in evaluation.ages.items()}
    dated = evaluation.inputs["snapshot"].get("instant")
    return ({"profiles": int((session.at - datetime.fromisoformat(dated)).total_seconds())} if dated else {}) | ages


def as_user_reads(error: MusterError | OSError, export: Decision, session: Session) -> MusterError:
    """The error of one run without values of variables, and with paths inside the workspace relative to it.

    A system error, and an input error that a run meets, becomes an ``ExportError``: the run fails, the others go on.
    """
    error = explained(error, export.activation.mapping)
    if isinstance(error, OSError):
        path = Path(error.filename or session.root)
        path = path.parent if path.name.startswith(".") else path  # a temporary name says nothing
        shown = path.relative_to(session.root) if path.is_relative_to(session.root) else path
        error = ExportError(f"{shown}: {system_message(error)}")
    if isinstance(error, DataError):
        error = ExportError(str(error))  # (SPEC 10)
    redact_error(error, session.workspace.variables)
    return error
