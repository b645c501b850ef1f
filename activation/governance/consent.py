"""Who may go by the consent policies: a Boolean by profile number for each, judged on the newest snapshot (G4, G5).

All policies of a workspace are judged once a command, in one pass over the columns that they read; with sources, once
a merge policy, also for what each source says (``answers``), and for all newest profiles that share an identity with
one (``sharing``). A policy whose expression does not fit the snapshot, or fails on a value, lets nobody through: it is
an error of each export to which it applies.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from threading import RLock
from typing import TYPE_CHECKING

import polars as pl

from muster.activation.errors import ExportError, MistakeError, RefusedError
from muster.activation.frames import engine
from muster.activation.frames.engine import ReadError
from muster.activation.frames.hashed_ids import ID_HASH, with_id_hash
from muster.activation.governance.applying import consent_policies, consent_policies_for
from muster.activation.governance.sharing import Sharing, sharing_of
from muster.activation.model.governance import Policy
from muster.activation.model.history import Run
from muster.activation.model.workspace import AnyActivation, Workspace
from muster.activation.profiles.opened import Opened
from muster.activation.profiles.positions import by_number
from muster.activation.profiles.roster import Roster
from muster.activation.rules.audiences import explain, shortened
from muster.activation.rules.expressions import IN_A_POLICY, Moment, Value, condition
from muster.activation.sql.tokens import SqlError
from muster.activation.wording import counted

if TYPE_CHECKING:
    from muster.activation.governance.answers import Answers


_Question = tuple[str, tuple[str, ...]]  # what a policy asks: its expression, and the sources that count


class Consent:
    """The people whom each consent policy in use lets through, at one instant; with sources, of one merge policy."""

    def __init__(self, workspace: Workspace, opened: Opened, at: datetime) -> None:
        self._workspace, self._opened = workspace, opened
        self._moment = Moment(at, workspace.zone)
        self._let_through: dict[str, pl.Series] | None = None  # by policy id; None before they are judged
        self._mistakes: dict[str, str] = {}  # by policy id: the message
        self._shared: dict[int, Sharing | None] = {}  # by the identity of a roster object, which opened inputs keep
        self._alone = RLock()  # policies are judged by one thread at a time

    def let_through(self, activation: AnyActivation, roster: Roster | None = None) -> dict[str, pl.Series]:
        """For each consent policy that applies, in the order of ids: whether it lets each number through (Boolean).

        The profiles are those of ``roster``, by default those of the newest snapshot. Nobody whom the newest snapshot
        lacks is let through; numbers that were given since are not in the series.
        ``MistakeError`` for a policy that does not fit the snapshot, or fails on a value; ``DataError`` for a snapshot
        that cannot be read, or changed meanwhile.
        """
        return self._of(consent_policies(activation, self._workspace), roster)

    def in_newest(self, roster: Roster | None = None) -> pl.Series:
        """Whether consent can be judged of each number (Boolean): the newest snapshot has the profile.

        With sources, it has one that shares an identity with the profile of ``roster`` (G5).
        """
        sharing = self._sharing(roster)
        return sharing.in_newest if sharing else self._opened.roster.present_numbers

    def mistakes_of(self, activation: AnyActivation) -> dict[str, str]:
        """Why consent policies that apply to an activation do not fit the newest snapshot, or fail on a value, by id.

        ``DataError`` for a snapshot that cannot be read.
        """
        applying = consent_policies(activation, self._workspace)
        with self._alone:
            if applying:
                self._judge()
            return {each.id: self._mistakes[each.id] for each in applying if each.id in self._mistakes}

    def mistakes(self) -> list[MistakeError]:
        """The mistake of each consent policy in use that does not fit the newest snapshot, or fails on a value.

        With sources, of each that applies to an enabled activation of the merge policy.
        """
        with self._alone:
            self._judge()
            return [MistakeError(self._mistakes[name]) for name in sorted(self._mistakes.keys() & self._concerned)]

    @property
    def _concerned(self) -> set[str]:
        """The policies whose mistakes are some of the workspace, by id."""
        workspace = self._workspace
        if not workspace.profiles.from_sources:
            return {*self._mistakes}
        own = (each for each in workspace.all_activations if each.enabled)
        of_policy = (each for each in own if workspace.merge_policy_of(each) == self._opened.policy)
        return {policy.id for each in of_policy for policy in consent_policies(each, workspace)}

    def refuse_left_out(self, run: Run, people: pl.Series, roster: Roster, *, remedy: str = "") -> None:
        """``RefusedError`` when a policy that applies now leaves out some of ``people``, whom a run sent.

        The policies are those for the marketing actions of the run's destination, as it is configured now; one that
        cannot be judged refuses, too. Each person counts once, however often the number is in ``people``: numbers
        of profiles of ``roster``. ``remedy`` ends the message.
        """
        actions = self._workspace.marketing_actions_of(run.destination)
        applying = consent_policies_for(actions or (), self._workspace)
        made, hold = ("files", "hold") if run.audiences is None else ("messages", "tell of")
        try:
            found = self._of(applying, roster)
        except MistakeError as error:
            raise RefusedError(
                f"run {run.run_id} of {run.key}: its {made} are not made again, as consent cannot be judged; consent "
                f"is that of today, by the newest snapshot {self._opened.newest_snapshot.name}: "
                f"{'; '.join(str(error).splitlines())}{remedy}"
            ) from error
        numbers = people.unique()
        refused = {name: len(numbers) - _count(through, numbers) for name, through in found.items()}
        if any(refused.values()):
            raise RefusedError(
                "\n".join(
                    f"run {run.run_id} of {run.key}: its {made} {hold} {counted(number, 'profile')} that policy "
                    f"{name!r} leaves out today, so they are not made again{remedy}"
                    for name, number in refused.items()
                    if number
                )
            )

    def _of(self, policies: Sequence[Policy], roster: Roster | None) -> dict[str, pl.Series]:
        if not policies:
            return {}
        with self._alone:
            found = self._judge()
            wrong = [self._mistakes[each.id] for each in policies if each.id in self._mistakes]
        if wrong:
            raise MistakeError("\n".join(wrong))
        sharing = self._sharing(roster)
        return {each.id: sharing.of_all(found[each.id]) if sharing else found[each.id] for each in policies}

    def _sharing(self, roster: Roster | None) -> Sharing | None:
        """The newest profiles by which those of a roster are judged (G5); None where each is judged by itself.

        Without sources, and where no two of the newest profiles share an identity.
        """
        newest, workspace = self._opened.roster, self._workspace
        roster = roster or newest
        if not workspace.profiles.from_sources:
            return None
        if roster is newest and workspace.merge_policies[self._opened.policy].graph == "private":
            return None
        with self._alone:
            if id(roster) not in self._shared:
                self._shared[id(roster)] = sharing_of(roster, newest)
            return self._shared[id(roster)]

    def _judge(self) -> Mapping[str, pl.Series]:
        """Judge all consent policies in use, the first time; those with a mistake are not in the result."""
        if self._let_through is None:
            policies = _in_use(self._workspace)
            bound = self._bound(policies)
            try:
                found = self._judged(bound)
            except ReadError:
                raise
            except ExportError:
                found = self._judged_alone(bound, policies)
            self._let_through = {each.id: found[_asked(each)] for each in policies if _asked(each) in found}
        return self._let_through

    @cached_property
    def _answers(self) -> "Answers | None":
        """What the sources say; None where profiles have a path."""
        if not self._workspace.profiles.from_sources:
            return None
        from muster.activation.governance.answers import answers_of  # noqa: PLC0415  # profiles of a path go without

        return answers_of(self._workspace, self._opened)

    def _bound(self, policies: Sequence[Policy]) -> dict[_Question, Value]:
        """The expressions of policies bound to the newest snapshot."""
        bound, answers = {}, self._answers
        for each in policies:
            text, sources = _asked(each)
            columns = answers.columns_of(sources) if answers else self._opened.roster.snapshot.columns
            try:
                bound[text, sources] = condition(text, columns, self._moment, IN_A_POLICY)
            except SqlError as error:
                self._mistakes[each.id] = str(each.location.problem(f"{shortened(text)}: {error}"))
        return bound

    def _judged(self, bound: Mapping[_Question, Value]) -> dict[_Question, pl.Series]:
        """Whether each expression is true of the profile of each number; with sources, of each fragment too (G4)."""
        if self._answers is None:
            return _judged(bound, self._opened.roster)
        found: dict[_Question, pl.Series] = {}
        for sources in dict.fromkeys(each for _, each in bound):
            asked = {question: value for question, value in bound.items() if question[1] == sources}
            found |= self._answers.judged(asked, sources)
        return _by_number(found, self._opened.roster)

    def _judged_alone(self, bound: Mapping[_Question, Value], policies: Sequence[Policy]) -> dict[_Question, pl.Series]:
        """``_judged`` of each expression by itself: those that fail on a value become mistakes."""
        found: dict[_Question, pl.Series] = {}
        for question, value in bound.items():
            try:
                found |= self._judged({question: value})
            except ReadError:
                raise
            except ExportError as error:
                for each in policies:
                    if _asked(each) == question:
                        self._mistakes[each.id] = str(explain(error, each.location, question[0]))
        return found


def _asked(policy: Policy) -> _Question:
    return policy.consent or "", policy.consent_from


def _in_use(workspace: Workspace) -> list[Policy]:
    """The consent policies of a workspace that are enabled, by id."""
    by_id = sorted(workspace.policies.values(), key=lambda policy: policy.id)
    return [each for each in by_id if each.consent is not None and each.enabled]


def _judged(bound: Mapping[_Question, Value], roster: Roster) -> dict[_Question, pl.Series]:
    """Whether each expression is true of the profile of each number, in one pass; null is not (E2)."""
    if not bound:
        return {}
    local = {name: expr for value in bound.values() for name, expr in value.local.items()}
    frame = with_id_hash(roster.snapshot.frame())
    whole = frame.with_columns(expr.alias(name) for name, expr in local.items()) if local else frame
    conditions = [value.expr.alias(f"{place}") for place, value in enumerate(bound.values())]
    read = roster.in_order(engine.collect(whole.select(ID_HASH, *conditions)))
    return _by_number(dict(zip(bound, read.get_columns(), strict=True)), roster)


def _by_number(by_row: Mapping[_Question, pl.Series], roster: Roster) -> dict[_Question, pl.Series]:
    """Booleans of all numbers, from those of present rows."""
    numbers, length = roster.numbers.head(roster.present), roster.numbering.length
    return {each: by_number(column, numbers, length).fill_null(value=False) for each, column in by_row.items()}


def _count(through: pl.Series, numbers: pl.Series) -> int:
    """How many of these numbers are let through; one that was given since the policies were judged is not."""
    return int(through.gather(numbers.filter(numbers < len(through))).sum())
