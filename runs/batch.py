"""The runs of one call: exports of files, and sendings of messages beside one another (X1, S6, V8)."""

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from muster.activation.delivery.concurrent import Deliveries
from muster.activation.export.carry_out import Outcome
from muster.activation.model.exports import AnyDecision, Export, Sending
from muster.activation.session import Session
from muster.activation.state.ledger import runs_table
from muster.runs.export_batch import ExportBatch
from muster.runs.report import Report

if TYPE_CHECKING:
    from muster.activation.errors import MusterError
    from muster.activation.evaluation.evaluate import Evaluation
    from muster.runs.message_batch import MessageBatch

Due = Callable[[], Sequence[AnyDecision]]


class Batch:
    """Carries out the runs of one call, and keeps the outcome of each for the report.

    The context manager waits for no run when it exits. What sends messages is imported where some may be sent.
    """

    def __init__(self, session: Session, jobs: int) -> None:
        self._session = session
        self._errors_before = runs_table.failures(session.ledger)
        self._deliveries = Deliveries(session, jobs)
        self._exports = ExportBatch(session, self._deliveries)
        self._messages = _message_batch(session, jobs)
        self.refused: list[Outcome] = []  # requests that an unfinished run stops

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._deliveries.__exit__(kind, error, trace)
        if self._messages:
            self._messages.stop()

    @property
    def finished(self) -> list[Outcome]:
        """The runs of an interrupted command that this call dealt with."""
        return [*self._exports.finished, *(self._messages.finished if self._messages else ())]

    @property
    def under_way(self) -> set[str]:
        """The activations whose interrupted run is being finished beside other work."""
        return self._exports.under_way | (self._messages.under_way if self._messages else set())

    def report(
        self,
        evaluation: "Evaluation | None" = None,
        notes: Sequence[str] = (),
        evaluation_error: "MusterError | None" = None,
    ) -> Report:
        """The report of what was done so far."""
        return Report(
            self._session.at,
            evaluation,
            (*self.refused, *self._exports.outcomes, *(self._messages.outcomes if self._messages else ())),
            tuple(self.finished),
            tuple(notes),
            evaluation_error,
            self._session.warnings.texts,
            self._errors_before | (self._messages.errors_before if self._messages else {}),
        )

    def finish_interrupted(self) -> None:
        """Finish the runs that a killed command left; those to other machines are only started here (S6, V8)."""
        self._exports.finish_interrupted()
        if self._messages:
            self._messages.finish_interrupted()

    def to_do(self, decisions: Sequence[AnyDecision]) -> list[AnyDecision]:
        """The decisions without those of which a look says that there is nothing to send (V1)."""
        sendings = self._messages.to_do(_sendings(decisions)) if self._messages else []
        return [*_exports(decisions), *sendings]

    def carry_out(self, decisions: Sequence[AnyDecision]) -> None:
        """Carry out what does not wait for an interrupted run."""
        self._exports.carry_out(_exports(decisions))
        if self._messages:
            self._messages.carry_out(_sendings(decisions))

    def carry_out_rest(self, due: Due) -> None:
        """Wait for all runs; then carry out what ``due`` still names of activations whose interrupted run went on."""
        self._exports.carry_out_rest(lambda: _exports(due()))
        if self._messages:
            self._messages.carry_out_rest(lambda: _sendings(due()))

    def wait(self) -> None:
        """Wait for all runs that are under way."""
        self._exports.wait()
        if self._messages:
            self._messages.wait()


def _message_batch(session: Session, jobs: int) -> "MessageBatch | None":
    """What carries out sendings; None where the config has none, and no killed command left one."""
    left = any(run.audiences is not None for run in runs_table.unfinished(session.ledger))
    if not session.workspace.message_activations and not left:
        return None
    from muster.runs.message_batch import MessageBatch

    return MessageBatch(session, jobs)


def _exports(decisions: Sequence[AnyDecision]) -> list[Export]:
    return [each for each in decisions if isinstance(each, Export)]


def _sendings(decisions: Sequence[AnyDecision]) -> list[Sending]:
    return [each for each in decisions if isinstance(each, Sending)]
