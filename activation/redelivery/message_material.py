"""The inputs from which the bodies of a run of messages are made again: decision, recipe and snapshot (V11).

    decision, recipe, snapshot -> people, mapping, values -> requests -> compared with the digest of the outbox

What the config says by now does not matter where the recipe has it; otherwise the config of today makes the bodies, and
the digest says whether they are those that were sent.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from muster.activation.endpoints.kinds import KINDS
from muster.activation.errors import RefusedError
from muster.activation.export import recipe_record
from muster.activation.frames.columns import PROFILE_ID, ROW
from muster.activation.inputs.parquet import blamed
from muster.activation.instants import iso
from muster.activation.mapping.layout import Layout, layout_of_messages
from muster.activation.mapping.profile_values import ProfileValues
from muster.activation.messages.building import requests_of
from muster.activation.messages.requests import Batch
from muster.activation.model.history import Run
from muster.activation.model.messages import MessageActivation
from muster.activation.outbox.bodies import Body, digest_of_bodies
from muster.activation.profile_changes.people import ToldAudience, status
from muster.activation.profiles.members import Members
from muster.activation.profiles.roster import Roster
from muster.activation.redelivery.material import recorded_snapshot
from muster.activation.sending.decision import entries_of, people_of, read_decision
from muster.activation.sending.recipe import MessageRecipe, digest_of, recipe_of
from muster.activation.session import Session
from muster.activation.state.ledger import evaluations_table, inputs_table
from muster.activation.wording import counted


@dataclass(frozen=True, eq=False)
class MessageMaterial:
    """The inputs from which a run's bodies are made again. It is ``Tellable``."""

    run: Run
    recipe: MessageRecipe
    activation: MessageActivation  # as the run had it; with url, headers and answers of today
    people: pl.DataFrame
    told: tuple[ToldAudience, ...]
    layout: Layout
    values: ProfileValues
    unmapped: tuple[str, ...]
    members: Callable[[str], Members]
    entries: pl.DataFrame  # entry, request, outcome, reason
    is_config_changed: bool  # whether the config that makes bodies and requests is another one today

    def batches(self) -> Iterator[Batch]:
        """The requests of the run, with their entries."""
        recipe = self.recipe
        made = requests_of(
            self,
            self.activation,
            KINDS[self.activation.kind].limits,
            (self.run.run_id, recipe.compared),
            recipe.at,
            waits=recipe.waits,
        )
        with blamed(lambda: self.layout.snapshot.parts):
            yield from (each for each in made if not each.requests.is_empty())

    def digest(self, each: Callable[[Body], None] | None = None) -> str:
        """The digest of the bodies that are made; ``each`` is called with every one, in the order of sending."""
        return digest_of_bodies(self.batches(), each)

    def why_different(self) -> str:
        """Why bodies can be others than those that were sent, though all that was recorded is unchanged."""
        then, now = self.recipe.versions, recipe_record.versions_for(self.activation.mapping)
        if self.is_config_changed:
            return f"the config of {self.run.key} has changed since the run: put it back"
        if then != now:
            return f"they were made by muster {then['muster']} with Polars {then['polars']}, and this is another one"
        return (
            "the decision, the config and the footers of the snapshot files are unchanged, so values inside "
            "these files must have changed"
        )


def refuse_unsent(run: Run) -> None:
    """``RefusedError`` for a run that sent nothing, is not finished, or whose decision is not recorded."""
    if run.status == "delivering":
        raise RefusedError(f"run {run.run_id} of {run.key} is not finished: `muster run` goes on with it")
    if not run.messages:
        raise RefusedError(f"run {run.run_id} of {run.key} is {run.status}: it sent nothing")
    if run.decision is None or run.recipe is None or run.snapshot is None:
        raise RefusedError(
            f"run {run.run_id} of {run.key} has no recorded decision: it was pruned or forgotten; its messages cannot "
            "be made again"
        )


def gather_messages(run: Run, session: Session, *, as_recorded: bool = False, remedy: str = "") -> MessageMaterial:
    """Gather the inputs of a run's bodies; ``RefusedError`` or ``StateError`` names one that is missing or changed.

    ``RefusedError``, too, when messages tell of somebody whom a consent policy leaves out today, or such a policy
    cannot be judged (G4), unless they are wanted ``as_recorded``: for an audit. ``remedy`` ends that message.
    """
    refuse_unsent(run)
    session = session.of_audience(run.audiences[0].id if run.audiences else "")
    content = inputs_table.get(session.ledger, run.recipe or "")
    recipe, now = recipe_of(run, content), session.workspace.message_activation(run.key)
    if recipe is None or run.decision is None:
        raise RefusedError(f"run {run.run_id} of {run.key} has no recipe: another version of muster made it")
    if now is None:
        raise RefusedError(f"{run.key} is not in the config, so nothing says how its messages are made: put it back")
    activation = recipe.activation_of(now)
    snapshot = recorded_snapshot(run, content, session)
    with blamed(lambda: snapshot.parts):
        layout = layout_of_messages(activation, snapshot, recipe.moment(run))
        values = session.attributes_of(snapshot)
    remedy_of_file = f"restore the file from a backup: without it the messages of run {run.run_id} cannot be made again"
    decision = read_decision(session.state, run.decision, remedy_of_file)
    people, entries = people_of(decision, values.roster), entries_of(decision)
    if entries.height != recipe.entries:
        raise RefusedError(
            f"run {run.run_id} of {run.key}: its messages cannot be made again without "
            f"{counted(recipe.entries - entries.height, 'entry', 'entries')} of people who were forgotten since "
            "(`muster profiles forget`)"
        )
    if not as_recorded:
        _refuse_withdrawn(run, people, len(recipe.told), values.roster, session, remedy=remedy)
    return MessageMaterial(
        run=run,
        recipe=recipe,
        activation=activation,
        people=people,
        told=recipe.told,
        layout=layout,
        values=values,
        unmapped=tuple(name for name, _ in recipe.unmapped),
        members=_members(run, dict(recipe.unmapped), values.roster, session),
        entries=entries,
        is_config_changed=digest_of(now, session.workspace.variables) != recipe.config,
    )


def _members(run: Run, instants: dict[str, datetime], roster: Roster, session: Session) -> Callable[[str], Members]:
    """A reader of the audiences that messages told beside mapped ones, as they were evaluated then."""

    def read(audience: str) -> Members:
        found = evaluations_table.get(session.ledger, audience, instants[audience])
        if found is None:
            raise RefusedError(
                f"run {run.run_id} of {run.key}: its messages told the audience {audience!r} as of "
                f"{iso(instants[audience])}, and that evaluation was pruned or taken back"
            )
        return session.memberships(found, roster)

    return read


def _refuse_withdrawn(
    run: Run, people: pl.DataFrame, places: int, roster: Roster, session: Session, *, remedy: str
) -> None:
    """``RefusedError`` when a policy of today leaves out somebody whom messages tell as realized (G4)."""
    told = people.filter(pl.any_horizontal(pl.col(status(place)).fill_null(value=False) for place in range(places)))
    if session.opened.forgotten is not None:
        hidden = session.opened.newest_snapshot.without
        known = told[PROFILE_ID]
        forgotten = 0 if hidden is None else int(known.is_in(hidden.implode()).sum())
        if forgotten:
            raise RefusedError(
                f"run {run.run_id} of {run.key}: its messages tell of {counted(forgotten, 'profile')} forgotten since "
                f"(`muster profiles forget`){remedy}"
            )
    with blamed(session.opened.opened_parts):
        session.consent.refuse_left_out(run, roster.numbers.gather(told[ROW]), roster, remedy=remedy)
        session.opened.refuse_changed()
