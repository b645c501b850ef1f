"""The runs of one call that send messages: those of a killed command first, then those that are due (V1, V8)."""

from collections.abc import Callable, Sequence

from muster.activation.errors import MusterError
from muster.activation.export.carry_out import Outcome
from muster.activation.model.exports import Sending
from muster.activation.model.history import Run
from muster.activation.model.log import logger
from muster.activation.sending import resume
from muster.activation.sending.begin import begin
from muster.activation.sending.deliver import Sendings, Sent
from muster.activation.sending.excerpts import shown_by
from muster.activation.sending.looking import Looks
from muster.activation.session import Session
from muster.activation.state.ledger import runs_table

log = logger("muster")


class MessageBatch:
    """Carries out the sendings of one call, and keeps the outcome of each for the report."""

    def __init__(self, session: Session, jobs: int) -> None:
        self._session, self._sendings = session, Sendings(session, jobs, shown_by())
        self._looks = Looks(session.workspace, session.ledger)
        self.outcomes: list[Outcome] = []
        self.finished: list[Outcome] = []  # runs of an interrupted command
        self._indexes: dict[str, int] = {}  # of runs that are being sent: where in ``outcomes``
        self.blocked: set[str] = set()  # activations whose interrupted run can neither go on nor end
        self.resumed: set[str] = set()  # activations whose interrupted run goes on, or went on
        self.under_way: set[str] = set()  # activations whose interrupted run is being sent
        self.errors_before: dict[str, str] = {}  # by run id: why the run of the slot before failed
        self.replaced: set[str] = set()  # activations whose interrupted run was replaced

    def stop(self) -> None:
        """End pauses and waits of runs that are being sent."""
        self._sendings.stop()

    def finish_interrupted(self) -> None:
        """Go on with the runs that a killed command left, or end them where something has changed (V8)."""
        for run in resume.unfinished(self._session):
            try:
                self._go_on(run)
            except MusterError as error:
                self.finished.append(Outcome(run, error))
                self.blocked.add(run.key)

    def _go_on(self, run: Run) -> None:
        reason = resume.reason_to_replace(run, self._session)
        if not reason:
            log.info("finishing run %s of %s, left %s", run.run_id, run.key, run.status)
            self._sendings.start(run)
            self.resumed.add(run.key)
            self.under_way.add(run.key)
            return
        ended = resume.replace(run, self._session, reason)
        self.finished.append(Outcome(ended))
        self.replaced.add(run.key)
        if ended.status == "succeeded":
            return
        text = f"{run.key}: run {run.run_id} was interrupted and is not sent to its end: {reason}"
        again = f"; `muster resync {run.key}` asks for it again" if run.trigger == "on_demand" else ""
        self._session.warnings.add(text + again)

    def to_do(self, sendings: Sequence[Sending]) -> list[Sending]:
        """The sendings without those of which a look says that there is nothing to send; these looks are recorded."""
        at, going_on = self._session.at, self.resumed | self.replaced
        looks = {each.key: self._looks.found_nothing(each, at) for each in sendings if each.key not in going_on}
        if found := [look for look in looks.values() if look]:
            self._looks.record(found, at)
        return [each for each in sendings if not looks.get(each.key)]

    def carry_out(self, sendings: Sequence[Sending]) -> None:
        """Compare, write down and send, but for activations of which an interrupted run is being sent."""
        able = [each for each in sendings if each.key not in self.under_way]
        for number, sending in enumerate(able):
            if sending.key in self.blocked:
                self._session.warnings.add(f"{sending.key}: an earlier run is not finished; nothing new is started")
                continue
            step = {"done": number, "of": len(able), "step": f"comparing {sending.key}"}
            log.info("run %d of %d: %s", number + 1, len(able), sending.key, extra=step)
            self._begin(sending)
            self._settle(wait=False)

    def _begin(self, sending: Sending) -> None:
        self._note_failing(sending)
        begun = begin(sending, self._session, self._looks)
        if begun.run is None:
            return
        outcome = Outcome(begun.run, begun.error)
        if not begun.error:
            self._indexes[begun.run.run_id] = len(self.outcomes)
            try:
                self._sendings.start(begun.run, is_fresh=True)
            except MusterError as error:
                outcome = Outcome(begun.run, error)
        self.outcomes.append(outcome)

    def _note_failing(self, sending: Sending) -> None:
        """Note why the last run failed: where each command has a slot, one reason is one failure for hooks (SPEC 9)."""
        if sending.activation.schedule.kind != "each_run":
            return
        newest = runs_table.find(self._session.ledger, activation=sending.key, superseded=False, rewound=False, limit=1)
        if newest and newest[0].status == "failed" and newest[0].error:
            self.errors_before[sending.run_id] = newest[0].error

    def carry_out_rest(self, due: Callable[[], Sequence[Sending]]) -> None:
        """Wait for all runs; then send what ``due`` still names of activations whose interrupted run went on."""
        self.wait()
        if self.resumed:
            going_on, self.resumed = self.resumed, set()
            self.carry_out([each for each in due() if each.key in going_on])
            self.wait()

    def wait(self) -> None:
        """Wait for all runs that are being sent."""
        self._settle(wait=True)

    def _settle(self, *, wait: bool) -> None:
        for sent in self._sendings.settled(wait=wait):
            self._take_in(sent)

    def _take_in(self, sent: Sent) -> None:
        outcome = Outcome(sent.run, sent.error)
        if sent.run.run_id in self._indexes:
            self.outcomes[self._indexes[sent.run.run_id]] = outcome
            return
        self.finished.append(outcome)
        self.under_way.discard(sent.run.key)
        if sent.error and sent.run.status == "delivering":
            self.blocked.add(sent.run.key)
