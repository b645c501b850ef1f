"""The exports of one call: to folders of this machine in groups, to other machines beside them (S6)."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import count

from muster.activation.delivery.concurrent import Deliveries
from muster.activation.delivery.protocol import Settled, finish, recover
from muster.activation.export.carry_out import Outcome, carry_out
from muster.activation.export.gather import prepare
from muster.activation.export.groups import grouped
from muster.activation.model.exports import Export
from muster.activation.model.history import Run
from muster.activation.model.log import logger
from muster.activation.session import Session
from muster.activation.system.threads import prefetch_one

log = logger("muster")


class ExportBatch:
    """Carries out the exports of one call, and keeps the outcome of each for the report."""

    def __init__(self, session: Session, deliveries: Deliveries) -> None:
        self._session, self._deliveries = session, deliveries
        self.outcomes: list[Outcome] = []
        self.finished: list[Outcome] = []  # runs of an interrupted command
        self._indexes: dict[str, int] = {}  # of runs that are being delivered beside others: where in ``outcomes``
        self._resumed: set[str] = set()  # activations whose interrupted run is or was finished beside other work
        self.blocked: set[str] = set()  # activations whose interrupted run cannot be finished
        self.under_way: set[str] = set()  # activations whose interrupted run is being finished beside other work

    def finish_interrupted(self) -> None:
        """Finish the runs that a killed command left (S6); those to other machines are only started here."""
        for settled in recover(self._session, self._finish):
            self._add_finished(settled)

    def _finish(self, run: Run) -> Settled | None:
        if not self._session.destinations.target(run).is_remote:
            [settled] = finish([run], self._session)
            return settled
        self._deliveries.start(run)
        self.under_way.add(run.key)
        self._resumed.add(run.key)
        return None

    def _add_finished(self, settled: Settled) -> None:
        """Keep the outcome of an interrupted run. One whose files were lost is over: its slot is due again."""
        error = None if settled.run.status == "failed" else settled.error
        self.finished.append(Outcome(settled.run, error))
        if error:
            self.blocked.add(settled.run.key)

    def carry_out(self, exports: Sequence[Export]) -> None:
        """Write and deliver these exports, but for activations that have an unfinished run."""
        for export in exports:
            if export.key in self.blocked:
                self._session.warnings.add(f"{export.key}: an earlier run is not finished; nothing new is started")
        able = [export for export in exports if export.key not in self.blocked | self.under_way]
        number = count(1)

        def starting(export: Export) -> None:
            done, key = next(number), export.key
            step = {"done": done - 1, "of": len(able), "step": f"exporting {key}"}
            log.info("export %d of %d: %s", done, len(able), key, extra=step)

        for group in prefetch_one(partial(prepare, session=self._session), grouped(able, self._session)):
            self.outcomes += carry_out(group, self._session, starting, self._deliver_beside)
            self._settle(wait=False)

    def _deliver_beside(self, run: Run) -> None:
        self._indexes[run.run_id] = len(self.outcomes)
        self._deliveries.start(run)

    def carry_out_rest(self, due: Callable[[], Sequence[Export]]) -> None:
        """Wait for deliveries; then carry out the exports that ``due`` still names of resumed activations."""
        self.wait()
        if self._resumed:
            self.carry_out([export for export in due() if export.key in self._resumed])
            self.wait()

    def wait(self) -> None:
        """Wait for all deliveries that are under way."""
        self._settle(wait=True)

    def _settle(self, *, wait: bool) -> None:
        for settled in self._deliveries.settled(wait=wait):
            self._take_in(settled)

    def _take_in(self, settled: Settled) -> None:
        if settled.run.run_id in self._indexes:
            self.outcomes[self._indexes[settled.run.run_id]] = Outcome(settled.run, settled.error)
            return
        self._add_finished(settled)
        self.under_way.discard(settled.run.key)
