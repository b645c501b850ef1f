"""People are forgotten: kept out of everything from now on, and erased from the state (G8).

The steps, and what a kill at each leaves:

    announce that files are to be removed     nothing                      -> the next command removes what is left over
    write files anew without the people       files that nothing names     -> the next command removes them
    ledger: digests, and the new files        the people are forgotten     -> the next command removes the former files
    remove files that nothing names           some are left                -> the next command removes them
    make the ledger's file anew               -                            -> nothing is left to do
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import polars as pl

from muster.activation.errors import MusterError, RefusedError
from muster.activation.export.baseline import current_baseline
from muster.activation.model.history import Baseline, MessageBaseline
from muster.activation.model.log import logger
from muster.activation.profiles.forgotten import Forgotten
from muster.activation.session import Session
from muster.activation.state import leftovers, state_paths
from muster.activation.state.ledger import forgotten_table, runs_table
from muster.activation.upkeep.erased_builds import ErasedBuilds
from muster.activation.upkeep.erased_rows import ErasedRows
from muster.activation.upkeep.erasing import Erasure, HeldByRun
from muster.activation.upkeep.holding_sources import HoldingSource, holding_sources
from muster.activation.upkeep.people import Found, Person, found

log = logger("muster.forget")


@dataclass(frozen=True)
class ToldOf:
    """A delivered set that held forgotten people, and how the receiver comes to know: ``exit``, ``full``, ``hand``."""

    activation: str
    url: str
    how: str


@dataclass(frozen=True)
class ForgottenPeople:
    """Who was forgotten, which receivers held them, and which delivered files still do."""

    profiles: int
    identities: int
    likewise: int = 0  # of the profiles: others, who have no identity but those of the person
    already: bool = False  # the person had been forgotten before
    memberships: int = 0  # evaluations of audiences that named them
    receivers: tuple[ToldOf, ...] = ()
    runs: tuple[HeldByRun, ...] = ()
    sources: tuple[HoldingSource, ...] = ()  # of profiles: those with records of the identities
    unknown_runs: int = 0  # runs that delivered files and have no record of their rows
    aside: tuple[str, ...] = ()  # folders of the state that a repair or a restore put aside


def forget(session: Session, person: Person, *, everybody: bool = False, even_unknown: bool = False) -> ForgottenPeople:
    """Forget a person: exclude from now on, and erase from the state. With the lock held.

    ``everybody`` forgets all profiles that hold an identity, ``even_unknown`` records whom nobody knows.
    ``RefusedError`` for a person whom neither the newest profiles nor the state know, for an identity that several
    profiles hold, and while a run is unfinished. ``StateError`` for damaged files: nothing was changed then.
    """
    _refuse_unfinished(session)
    before, from_sources = session.opened.forgotten, session.workspace.profiles.from_sources
    people = found(person, session, everybody=everybody, even_unknown=even_unknown)
    profiles = pl.concat([people.ids, people.likewise])
    ids = pl.concat([profiles, people.former])
    after = (before or Forgotten.nobody()).with_people(ids, people.identities, from_sources=from_sources)
    sources = holding_sources(session, people.identities)
    leftovers.announce_pruning(session.state.folder, session.state.file_mode)
    erasure = Erasure(session.state, session.ledger, session.opened.numbering, ids, _Exits(session).are_to_come)
    erasure.write()
    of_builds = ErasedBuilds.written(session.state, session.ledger, ids, people.identities)
    rows = ErasedRows.written(session.state, session.ledger, ids, _Exits(session).are_to_come)
    is_named = not (erasure.named | rows.named).isdisjoint(people.ids)
    is_known = people.is_there or is_named or _is_known(people, before)
    if not is_known and not (even_unknown and _is_kept_out(people, session)):
        leftovers.sweep(session.state.folder, session.ledger, session.state.file_mode)
        raise RefusedError(_unknown(person, session))
    was_forgotten = _were_forgotten(profiles, people.identities, before)
    with session.ledger.transaction():
        _put(session, after)
        erasure.record()
        of_builds.record(session.ledger, session.opened.inputs)
        rows.record(session.ledger)
    leftovers.sweep(session.state.folder, session.ledger, session.state.file_mode)
    _shrink(session)
    told = _told(session, erasure, rows, profiles=len(profiles), identities=len(people.identities))
    return replace(told, likewise=len(people.likewise), already=was_forgotten, sources=sources)


def _refuse_unfinished(session: Session) -> None:
    for run in runs_table.unfinished(session.ledger)[:1]:
        raise RefusedError(f"run {run.run_id} of {run.key} is not finished: `muster run` finishes it first")


def _is_known(people: Found, before: Forgotten | None) -> bool:
    return before is not None and bool(before.has(people.ids, former=True).all())


def _were_forgotten(ids: pl.Series, identities: pl.Series, before: Forgotten | None) -> bool:
    return (
        before is not None
        and bool(before.has(ids, former=True).all())
        and bool(before.has_identities(identities).all())
    )


def _is_kept_out(people: Found, session: Session) -> bool:
    """Whether a person whom nobody knows is kept out by being recorded: with sources identities are, ids are not."""
    return not session.workspace.profiles.from_sources or len(people.identities) > 0


def _unknown(person: Person, session: Session) -> str:
    hint = ""
    if person.profile_id and ":" in person.profile_id:
        hint = "; for an identity write NAMESPACE:ID, or --identity NAMESPACE:ID"
    if session.workspace.profiles.from_sources:
        return (
            f"nobody has the id {person.profile_id!r}, neither in the sources nor in the state{hint}; to keep somebody "
            "out who is to come, name an identity and pass --even-unknown"
        )
    return (
        f"nobody has the id {person.profile_id!r}, neither in the newest snapshot nor in the state{hint}; "
        "--even-unknown records it all the same"
    )


class _Exits:
    """Which delivered sets an exit is still to come from."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def are_to_come(self, baseline: Baseline | MessageBaseline) -> bool:
        """Whether the receiver of a delivered set, or of messages, will be told of exits (X3d, V3)."""
        return self.how_told(baseline) == "exit"

    def how_told(self, baseline: Baseline | MessageBaseline) -> str:
        """How the receiver comes to know of somebody who left: by an exit, by the next full file, or by hand."""
        session = self._session
        if isinstance(baseline, MessageBaseline):
            return "exit" if self._sends_exits(baseline) else "hand"
        activation = session.workspace.activation(f"{baseline.destination}/{baseline.activation}")
        if activation is None or not activation.enabled or activation.schedule.kind == "on_demand":
            return "hand"
        ends = activation.schedule.end is not None and activation.schedule.end <= session.at
        if ends or current_baseline(activation, session) is None:
            return "hand"
        if activation.export == "full":
            return "full"
        return "exit" if activation.status_mapped else "hand"

    def _sends_exits(self, baseline: MessageBaseline) -> bool:
        """Whether messages to the place of delivered rows go on (V2)."""
        workspace = self._session.workspace
        activation = workspace.message_activation(baseline.key)
        if activation is None or not activation.enabled:
            return False
        schedule, place = activation.schedule, workspace.message_destinations[activation.destination].place_digest
        ends = schedule.end is not None and schedule.end <= self._session.at
        return not ends and place in (None, baseline.place_digest)


def _put(session: Session, after: Forgotten) -> None:
    """Record the digests. In a transaction."""
    forgotten_table.put_key(session.ledger, after.key, session.at)
    for kind, digests in zip(forgotten_table.KINDS, (after.profiles, after.identities, after.former), strict=True):
        forgotten_table.put(session.ledger, kind, digests, session.at)


def _shrink(session: Session) -> None:
    """Give the ledger's free pages back: they may have what was deleted."""
    try:
        session.ledger.shrink()
    except MusterError as error:  # a full disk: the ledger is as it was
        log.warning("%s", error)


def _told(session: Session, erasure: Erasure, rows: ErasedRows, *, profiles: int, identities: int) -> ForgottenPeople:
    exits = _Exits(session)
    receivers = [ToldOf(each.key, each.url, exits.how_told(each)) for each in erasure.held_by_sets]
    receivers += [ToldOf(each.key, each.place, exits.how_told(each)) for each in rows.held]
    return ForgottenPeople(
        profiles,
        identities,
        memberships=len(erasure.fewer),
        receivers=tuple(receivers),
        runs=tuple(erasure.held_by_runs),
        unknown_runs=_without_decision(session),
        aside=tuple(_aside(session)),
    )


def _without_decision(session: Session) -> int:
    runs = runs_table.find(session.ledger, status="succeeded")
    return sum(1 for run in runs if run.decision is None and run.exported)


def _aside(session: Session) -> Iterable[str]:
    for path in sorted(session.state.folder.iterdir()):
        if state_paths.is_aside(path.name) or path.name == state_paths.INCOMING:
            yield f"{session.state.folder.name}/{path.name}"
