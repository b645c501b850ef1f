"""The steps of exports in their order: gather, compare, write, deliver, record (X1-X12, F1-F5).

    memberships, delivered, profiles -> compare -> rows -> write (staged) -> deliver -> record

``carry_out`` takes a group of exports through all of them, one commit a step; ``preview`` stops after the comparison
and is what `plan` shows.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from muster.activation.delivery.manifest import with_manifest
from muster.activation.delivery.protocol import Settled, discard, failed_run, finish
from muster.activation.errors import MusterError
from muster.activation.export.decided import as_user_reads, decided, refuse_guarded, remarks
from muster.activation.export.gather import Prepared, prepare
from muster.activation.export.planned_files import PlannedFiles, plan_files
from muster.activation.export.run_record import begin, new_attempt, new_run
from muster.activation.export.staging import commit_delivering, keep_names, write_files
from muster.activation.inputs.parquet import blamed
from muster.activation.instants import iso
from muster.activation.model.exports import Export
from muster.activation.model.history import Run
from muster.activation.model.log import logger
from muster.activation.session import Session
from muster.activation.state.ledger import runs_table
from muster.activation.system.threads import side_by_side

log = logger("muster.export")

# An export, and a function that returns what ``prepare`` made of it, or raises the error.
Awaited = tuple[Export, Callable[[], Prepared]]


@dataclass(frozen=True)
class Outcome:
    """How an export, or a sending, ended: the run as recorded, and the error that ended it."""

    run: Run
    error: Exception | None = None
    remarks: tuple[str, ...] = ()  # of a preview: why members who did not join are sent (X3e, X12)
    bytes: int | None = None  # of a preview of messages: of the bodies of all requests (V11)


@dataclass
class _Member:
    """An export on its way through the steps; ``error`` once it left its group."""

    export: Export
    run: Run
    ready: Prepared | None = None
    plan: PlannedFiles | None = None
    places: frozenset[Path] = frozenset()  # where the run writes or removes files on this machine
    error: MusterError | None = None


def carry_out(
    group: Sequence[Awaited],
    session: Session,
    starting: Callable[[Export], None] = lambda _: None,
    deliver_beside: Callable[[Run], None] | None = None,
) -> list[Outcome]:
    """Export a group of activations, each once; a failure is recorded, takes one run out, and leaves no file (X1, F3).

    Runs that may meet at one place are carried out one after the other, in groups of their own. ``starting`` is told of
    each export when its turn comes. ``deliver_beside`` takes over a run for another machine that is ready to be
    delivered; the outcome is then the run as it is.
    """
    steps = _Steps(session, starting, deliver_beside)
    try:
        for export, prepared in group:
            steps.add(export, prepared)
        steps.take_all()
    except BaseException:
        steps.discard_all()
        raise
    return steps.outcomes


class _Steps:
    """The runs of a group that is on its way, and the outcomes of those that ended."""

    def __init__(
        self, session: Session, starting: Callable[[Export], None], deliver_beside: Callable[[Run], None] | None
    ) -> None:
        self._session, self._starting, self._deliver_beside = session, starting, deliver_beside
        self._members: list[_Member] = []
        self.outcomes: list[Outcome] = []

    def add(self, export: Export, prepared: Callable[[], Prepared]) -> None:
        """Decide what a run holds and where its files will be; first end the group if the run may meet one of it."""
        member = _Member(export, new_attempt(export, self._session))
        self._members.append(member)
        self._try(member, partial(self._decide, member, prepared))
        if not member.error and self._meets_another(member):
            self._members.pop()
            self.take_all()
            self._members.append(member)
            self._try(member, partial(self._plan, member))

    def _decide(self, member: _Member, prepared: Callable[[], Prepared]) -> None:
        member.run, member.ready = decided(member.run, member.export, self._session, prepared)
        refuse_guarded(member.export, member.ready)
        self._plan(member)

    def _plan(self, member: _Member) -> None:
        target = self._session.destinations.target(member.run)
        member.plan = plan_files(member.run, member.export, _ready(member).comparison, target, self._session)
        # in small letters, as some file systems know no others
        member.places = frozenset(Path(str(place).casefold()) for place in target.places(member.plan.names))

    def _meets_another(self, member: _Member) -> bool:
        """Whether the run may write or remove a file where another one of the group does, or need its success."""
        others = [each for each in self._going_on() if each is not member]
        if any(each.run.key == member.run.key for each in others):
            return True
        own, taken = member.places, frozenset[Path]().union(*(each.places for each in others))
        return not (taken.isdisjoint(own | _folders(own)) and own.isdisjoint(_folders(taken)))

    def take_all(self) -> None:
        """Take the runs of the group through the steps from the first commit to the last (F3)."""
        begin(((each.export, self._recorded(each)) for each in self._members), self._session)
        self._write_all()
        synced: set[Path] = set()
        self._try_each(lambda member: keep_names(member.run, self._session, synced))
        self._try_together(self._session.opened.refuse_changed)  # no file leaves with rows of two versions (D2)
        self._try_each(self._add_manifest)
        self._try_together(self._commit_delivering)
        settled = self._deliver()
        self.outcomes += [_outcome(each, settled) for each in self._members]
        self._members = []

    def _recorded(self, member: _Member) -> Run:
        """The run as the first commit records it: with the names of its files, or failed already."""
        if member.error:
            member.run = failed_run(member.run, self._session, str(member.error))
        else:
            member.run = _plan_of(member).run
        return member.run

    def _write_all(self) -> None:
        """Write the files of the runs, of some runs at once; what is said of them is said in the order of the runs."""
        with side_by_side(self._written, self._going_on(), self._session.budget.writers, "muster-writer") as written:
            runs = iter(written)
            for member in self._members:
                self._starting(member.export)
                log.info("%s: %s export for %s", member.run.key, member.run.export, iso(member.run.scheduled_time))
                if not member.error:
                    self._try(member, partial(self._take, member, next(runs)))

    def _written(self, member: _Member) -> Run:
        """The run with its files written; records nothing, since other runs may be written beside it."""
        return write_files(member.run, _plan_of(member), member.export, _ready(member), self._session)

    @staticmethod
    def _take(member: _Member, run: Callable[[], Run]) -> None:
        member.run = run()

    def _add_manifest(self, member: _Member) -> None:
        if member.export.activation.manifest:
            judgement = self._session.judge.of(member.export.activation)
            member.run = with_manifest(member.run, judgement, self._session.workspace)

    def _commit_delivering(self) -> None:
        going_on = self._going_on()
        staged = [(each.run, _plan_of(each), each.export, _ready(each).gathered) for each in going_on]
        for member, run in zip(going_on, commit_delivering(staged, self._session), strict=True):
            member.run, member.ready = run, None

    def _deliver(self) -> dict[str, Settled]:
        """Carry the runs to their end, or hand them over to be delivered beside other work; how each ended, by id."""
        here: list[Run] = []
        for member in self._going_on():
            if self._deliver_beside and self._session.destinations.target(member.run).is_remote:
                self._deliver_beside(member.run)
            else:
                here.append(member.run)
        return {each.run.run_id: each for each in finish(here, self._session)} if here else {}

    def _going_on(self) -> list[_Member]:
        return [each for each in self._members if not each.error]

    def _try_each(self, step: Callable[[_Member], None]) -> None:
        """Take one step with each run."""
        for member in self._going_on():
            self._try(member, partial(step, member))

    def _try_together(self, step: Callable[[], None]) -> None:
        """Take one step for all runs: what fails fails for each of them."""
        going_on = self._going_on()
        if not going_on:
            return
        try:
            with blamed(self._session.opened.opened_parts):
                step()
        except (MusterError, OSError) as problem:
            for member in going_on:
                self._leave(member, problem)

    def _try(self, member: _Member, step: Callable[[], None]) -> None:
        """Take one step with one run; an error takes the run out of the group."""
        try:
            with blamed(self._session.opened.opened_parts):
                step()
        except (MusterError, OSError) as problem:
            self._leave(member, problem)

    def _leave(self, member: _Member, problem: MusterError | OSError) -> None:
        """Take a run out of its group; one that the ledger knows is recorded as failed, without its files."""
        error = as_user_reads(problem, member.export, self._session)
        known = runs_table.get(self._session.ledger, member.run.run_id)
        if known and known.status == "running":
            member.run = discard(replace(member.run, files=known.files), self._session, str(error))
        member.error, member.ready, member.plan = error, None, None

    def discard_all(self) -> None:
        """Record the runs that an interrupt stopped before they were delivering as failed (S5)."""
        for member in self._going_on():
            known = runs_table.get(self._session.ledger, member.run.run_id)
            if known is None or known.status not in {"delivering", "succeeded"}:
                files = known.files if known else ()  # only those that the ledger knows are removed (F3)
                why = "interrupted before its files were complete; the slot stays due"
                judged = member.run.governance if known else None  # what was judged is recorded when a run begins
                discard(replace(member.run, files=files, governance=judged), self._session, why)


def _outcome(member: _Member, settled: dict[str, Settled]) -> Outcome:
    done = settled.get(member.run.run_id)
    return Outcome(done.run, done.error) if done else Outcome(member.run, member.error)


def _ready(member: _Member) -> Prepared:
    if member.ready is None:
        raise ValueError(member.run)
    return member.ready


def _plan_of(member: _Member) -> PlannedFiles:
    if member.plan is None:
        raise ValueError(member.run)
    return member.plan


def _folders(places: Iterable[Path]) -> set[Path]:
    """All folders above these places."""
    nearest = {place.parent for place in places}
    return nearest.union(*(folder.parents for folder in nearest))


def preview(export: Export, session: Session, take: Callable[[Prepared], None] = lambda _: None) -> Outcome:
    """The run that ``carry_out`` would make, with exact counts; writes nothing.

    ``take`` gets the content of the export, also of one that a guard stops.
    """
    run = new_run(export, session)
    try:
        with blamed(session.opened.opened_parts):
            run, ready = decided(run, export, session, partial(prepare, export, session))
            take(ready)
            refuse_guarded(export, ready)
            session.opened.refuse_changed()
        session.destinations.target(run).check()
        return Outcome(run, remarks=tuple(remarks(ready.comparison)))
    except (MusterError, OSError) as problem:
        error = as_user_reads(problem, export, session)
        return Outcome(replace(run, error=str(error)), error)
