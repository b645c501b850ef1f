"""Who may go by the consent policies: a Boolean by profile number for each, judged on the newest snapshot (G4, G5).

All policies of a workspace are judged once a command, in one pass over the columns that they read. A policy whose
expression does not fit the snapshot, or fails on a value, lets nobody through: it is an error of each export to which
it applies.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from threading import RLock

import polars as pl

from muster.activation.errors import ExportError, MistakeError, RefusedError
from muster.activation.frames import engine
from muster.activation.frames.engine import ReadError
from muster.activation.frames.hashed_ids import ID_HASH, with_id_hash
from muster.activation.governance.applying import consent_policies, consent_policies_for
from muster.activation.model.governance import Policy
from muster.activation.model.history import Run
from muster.activation.model.workspace import Activation, Workspace
from muster.activation.profiles.opened import Opened
from muster.activation.profiles.positions import by_number
from muster.activation.profiles.roster import Roster
from muster.activation.rules.audiences import explain, shortened
from muster.activation.rules.expressions import IN_A_POLICY, Moment, Value, condition
from muster.activation.sql.tokens import SqlError
from muster.activation.wording import counted


class Consent:
    """The people whom each consent policy in use lets through, at one instant."""

    def __init__(self, workspace: Workspace, opened: Opened, at: datetime) -> None:
        self._workspace, self._opened = workspace, opened
        self._moment = Moment(at, workspace.zone)
        self._let_through: dict[str, pl.Series] | None = None  # by policy id; None before they are judged
        self._mistakes: dict[str, str] = {}  # by policy id: the message
        self._alone = RLock()  # policies are judged by one thread at a time

    def let_through(self, activation: Activation) -> dict[str, pl.Series]:
        """For each consent policy that applies, in the order of ids: whether it lets each number through (Boolean).

        Nobody whom the newest snapshot lacks is let through; numbers that were given since are not in the series.
        ``MistakeError`` for a policy that does not fit the snapshot, or fails on a value; ``DataError`` for a snapshot
        that cannot be read, or changed meanwhile.
        """
        return self._of(consent_policies(activation, self._workspace))

    @property
    def in_newest(self) -> pl.Series:
        """Whether the newest snapshot, by which consent is judged, has the profile of each number (Boolean)."""
        return self._opened.roster.present_numbers

    def mistakes_of(self, activation: Activation) -> dict[str, str]:
        """Why consent policies that apply to an activation do not fit the newest snapshot, or fail on a value, by id.

        ``DataError`` for a snapshot that cannot be read.
        """
        applying = consent_policies(activation, self._workspace)
        with self._alone:
            if applying:
                self._judge()
            return {each.id: self._mistakes[each.id] for each in applying if each.id in self._mistakes}

    def mistakes(self) -> list[MistakeError]:
        """The mistake of each consent policy in use that does not fit the newest snapshot, or fails on a value."""
        with self._alone:
            self._judge()
            return [MistakeError(self._mistakes[name]) for name in sorted(self._mistakes)]

    def refuse_left_out(self, run: Run, people: pl.Series, *, remedy: str = "") -> None:
        """``RefusedError`` when a policy that applies now leaves out some of ``people``, numbers of profiles in a run.

        The policies are those for the marketing actions of the run's destination, as it is configured now; one that
        cannot be judged refuses, too. Each person counts once, however often the number is in ``people``. ``remedy``
        ends the message.
        """
        destination = self._workspace.destinations.get(run.destination)
        applying = consent_policies_for(destination.marketing_actions, self._workspace) if destination else ()
        try:
            found = self._of(applying)
        except MistakeError as error:
            raise RefusedError(
                f"run {run.run_id} of {run.key}: its files are not made again, as consent cannot be judged; consent is "
                f"that of today, by the newest snapshot {self._opened.newest_snapshot.name}: "
                f"{'; '.join(str(error).splitlines())}{remedy}"
            ) from error
        numbers = people.unique()
        refused = {name: len(numbers) - _count(through, numbers) for name, through in found.items()}
        if any(refused.values()):
            raise RefusedError(
                "\n".join(
                    f"run {run.run_id} of {run.key}: its files hold {counted(number, 'profile')} that policy {name!r} "
                    f"leaves out today, so they are not made again{remedy}"
                    for name, number in refused.items()
                    if number
                )
            )

    def _of(self, policies: Sequence[Policy]) -> dict[str, pl.Series]:
        if not policies:
            return {}
        with self._alone:
            found = self._judge()
            wrong = [self._mistakes[each.id] for each in policies if each.id in self._mistakes]
        if wrong:
            raise MistakeError("\n".join(wrong))
        return {each.id: found[each.id] for each in policies}

    def _judge(self) -> Mapping[str, pl.Series]:
        """Judge all consent policies in use, the first time; those with a mistake are not in the result."""
        if self._let_through is None:
            roster, policies = self._opened.roster, _in_use(self._workspace)
            bound = self._bound(policies, roster)
            try:
                found = _judged(bound, roster)
            except ReadError:
                raise
            except ExportError:
                found = self._judged_alone(bound, policies, roster)
            self._let_through = {each.id: found[each.consent or ""] for each in policies if each.consent in found}
        return self._let_through

    def _bound(self, policies: Sequence[Policy], roster: Roster) -> dict[str, Value]:
        """The expressions of policies bound to the newest snapshot, by text."""
        bound = {}
        for each in policies:
            text = each.consent or ""
            try:
                bound[text] = condition(text, roster.snapshot.columns, self._moment, IN_A_POLICY)
            except SqlError as error:
                self._mistakes[each.id] = str(each.location.problem(f"{shortened(text)}: {error}"))
        return bound

    def _judged_alone(
        self, bound: Mapping[str, Value], policies: Sequence[Policy], roster: Roster
    ) -> dict[str, pl.Series]:
        """``_judged`` of each expression by itself: those that fail on a value become mistakes."""
        found: dict[str, pl.Series] = {}
        for text, value in bound.items():
            try:
                found |= _judged({text: value}, roster)
            except ReadError:
                raise
            except ExportError as error:
                for each in policies:
                    if each.consent == text:
                        self._mistakes[each.id] = str(explain(error, each.location, text))
        return found


def _in_use(workspace: Workspace) -> list[Policy]:
    """The consent policies of a workspace that are enabled, by id."""
    by_id = sorted(workspace.policies.values(), key=lambda policy: policy.id)
    return [each for each in by_id if each.consent is not None and each.enabled]


def _judged(bound: Mapping[str, Value], roster: Roster) -> dict[str, pl.Series]:
    """Whether each expression, by its text, is true of the profile of each number, in one pass; null is not (E2)."""
    if not bound:
        return {}
    local = {name: expr for value in bound.values() for name, expr in value.local.items()}
    frame = with_id_hash(roster.snapshot.frame())
    whole = frame.with_columns(expr.alias(name) for name, expr in local.items()) if local else frame
    conditions = [value.expr.alias(f"{place}") for place, value in enumerate(bound.values())]
    read = roster.in_order(engine.collect(whole.select(ID_HASH, *conditions)))
    numbers, length = roster.numbers.head(roster.present), roster.numbering.length
    return {
        text: by_number(column, numbers, length).fill_null(value=False)
        for text, column in zip(bound, read.get_columns(), strict=True)
    }


def _count(through: pl.Series, numbers: pl.Series) -> int:
    """How many of these numbers are let through; one that was given since the policies were judged is not."""
    return int(through.gather(numbers.filter(numbers < len(through))).sum())
