"""The exports of one command: those to folders of this machine one after another, those to other machines delivered beside them (S6)."""

import logging
from collections.abc import Callable, Sequence
from functools import partial

from muster.activation.delivery.concurrent import Deliveries, Settled
from muster.activation.delivery.protocol import finish, recover
from muster.activation.export.carry_out import Outcome, carry_out
from muster.activation.export.gather import prepare
from muster.activation.model.exports import Export
from muster.activation.model.history import Run
from muster.activation.session import Session
from muster.activation.system.threads import prefetch_one
from muster.runs.report import Report

log = logging.getLogger("muster")


class Work:
    """What a command carries out, and what became of it, which goes into its report."""

    def __init__(self, session: Session, report: Report, deliveries: Deliveries) -> None:
        self._session, self._report, self._deliveries = session, report, deliveries
        self._places: dict[str, int] = {}  # where in the report the outcome of a run stands that is being delivered
        self._begun: set[str] = set()  # activations of which an earlier run was to be finished beside other work
        self.held: set[str] = set()  # activations of which an earlier run cannot be finished
        self.under_way: set[str] = set()  # ... is being finished beside other work

    def finish_interrupted(self) -> None:
        """Finish what a killed command left (S6), or begin to."""
        for run, error in recover(self._session, self._finish):
            self._finished(Outcome(run, error))

    def _finish(self, run: Run) -> Run | None:
        if not self._session.destinations.target(run).is_remote:
            return finish(run, self._session)
        self._deliveries.start(run)
        self.under_way.add(run.key)
        self._begun.add(run.key)
        return None

    def _finished(self, outcome: Outcome) -> None:
        self._report.finished.append(outcome)
        if outcome.error:
            self.held.add(outcome.run.key)

    def carry_out(self, exports: Sequence[Export]) -> None:
        """Write and deliver the exports of all activations of which no earlier run is left."""
        for export in exports:
            if export.activation.key in self.held:
                log.warning("%s: an earlier run is not finished; nothing new is started", export.activation.key)
        able = [export for export in exports if export.activation.key not in self.held | self.under_way]
        for done, (export, prepared) in enumerate(prefetch_one(partial(prepare, session=self._session), able)):
            step = {"done": done, "of": len(able), "step": f"exporting {export.activation.key}"}
            log.info("export %d of %d: %s", done + 1, len(able), export.activation.key, extra=step)
            self._report.outcomes.append(carry_out(export, self._session, prepared, self._beside))
            self._take(wait=False)

    def _beside(self, run: Run) -> None:
        self._places[run.run_id] = len(self._report.outcomes)
        self._deliveries.start(run)

    def go_on(self, due: Callable[[], Sequence[Export]]) -> None:
        """Wait for what is under way; then the exports of activations that were held up by it."""
        self.wait()
        if self._begun:
            self.carry_out([export for export in due() if export.activation.key in self._begun])
            self.wait()

    def wait(self) -> None:
        """Wait for what is under way."""
        self._take(wait=True)

    def _take(self, *, wait: bool) -> None:
        for settled in self._deliveries.settled(wait=wait):
            self._settled(settled)

    def _settled(self, settled: Settled) -> None:
        outcome = Outcome(settled.run, settled.error)
        if settled.run.run_id in self._places:
            self._report.outcomes[self._places[settled.run.run_id]] = outcome
            return
        if settled.run.status == "failed":
            outcome = Outcome(settled.run)  # its files were lost: it is over, and the slot is due again
        self._finished(outcome)
        self.under_way.discard(settled.run.key)
