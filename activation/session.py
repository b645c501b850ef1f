"""The context of one command: a workspace, an instant, the state, the opened inputs, the destinations."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from threading import RLock
from zoneinfo import ZoneInfo

import polars as pl

from muster.activation.destinations.opening import Targets, refuse_unset
from muster.activation.destinations.overlaps import refusals
from muster.activation.destinations.target import DeliveryTarget
from muster.activation.encryption.sealing import Encryption, opened
from muster.activation.errors import ExportError, InputError
from muster.activation.governance.consent import Consent
from muster.activation.governance.judged import Judge
from muster.activation.inputs.paths import Inputs
from muster.activation.mapping.layout import Layout, layout
from muster.activation.mapping.profile_values import ProfileValues
from muster.activation.model.history import AudienceEvaluation, Run
from muster.activation.model.sources import DEFAULT_POLICY
from muster.activation.model.warning_log import WarningLog
from muster.activation.model.workspace import (
    Activation,
    InputName,
    Pgp,
    Schedule,
    SourceLocation,
    Workspace,
)
from muster.activation.profiles import following
from muster.activation.profiles.freshness import Freshness
from muster.activation.profiles.members import Members
from muster.activation.profiles.opened import Opened
from muster.activation.profiles.opening import newest_inputs
from muster.activation.profiles.roster import Roster
from muster.activation.profiles.shared_inputs import SharedInputs
from muster.activation.profiles.snapshots import Snapshot
from muster.activation.rules.expressions import Moment
from muster.activation.state import state_paths
from muster.activation.state.files import State
from muster.activation.state.ledger.database import Ledger
from muster.activation.system.memory import Budget

_NONE = Schedule("on_demand", ZoneInfo("UTC"))


class OpenDestinations:
    """The destinations of one command, each connected to once, and the opened encryption keys for their files."""

    def __init__(self, workspace: Workspace, state_folder: Path, at: datetime) -> None:
        self._workspace, self._at = workspace, at
        self._temporary = state_folder / state_paths.TEMPORARY
        self._targets = Targets(workspace, state_folder / state_paths.STAGING)
        self._encryptions: dict[Pgp, Encryption] = {}

    def target(self, run: Run) -> DeliveryTarget:
        """The destination of a run: the url that the run recorded, whatever the config says now (S6)."""
        return self.target_at(run.url or "", run.destination, run.file_mode or self._workspace.file_mode)

    def target_at(self, url: str, destination: str, file_mode: int) -> DeliveryTarget:
        """A normalised url, reached as the config says of this destination."""
        return self._targets.open(url, destination, file_mode)

    @cached_property
    def _refusals(self) -> Mapping[str, str]:
        return refusals(self._workspace)

    def check_place(self, destination: str) -> None:
        """``ExportError`` when files of a destination could become inputs, state, or another's, by links too (F1)."""
        if reason := self._refusals.get(destination):
            raise ExportError(reason)

    def encryption(self, activation: Activation) -> Encryption | None:
        """The opened keys for an activation's files, if any; ``MistakeError`` for a key not usable at the instant.

        ``ExportError`` while a variable that the activation's exports need is missing: keys may be missing, too.
        """
        refuse_unset(activation.unset)
        pgp = activation.encryption
        if pgp and pgp not in self._encryptions:
            self._encryptions[pgp] = opened(
                pgp, self._workspace.root, self._temporary, self._at, self._workspace.variables
            )
        return self._encryptions[pgp] if pgp else None

    def stop(self) -> None:
        """End the pauses between tries, and retry no request: the command is asked to stop."""
        self._targets.stop()

    def close(self) -> None:
        """End the connections."""
        self._targets.close()


class _Command:
    """What the sessions of one command share beside the state: the judge, the memory, and each other."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.sessions: dict[str, Session] = {}  # by merge policy
        self.alone = RLock()  # sessions are made by one thread at a time

    @cached_property
    def judge(self) -> Judge:
        """The judge of the workspace's activations."""
        return Judge(self._workspace)

    @cached_property
    def budget(self) -> Budget:
        """The memory that may keep profile values for later files."""
        return Budget(self._workspace.memory_limit)


@dataclass(frozen=True, eq=False)
class Session:
    """The context of one command. ``clock`` is for the record only: no rule reads it (E1)."""

    workspace: Workspace
    at: datetime
    clock: Callable[[], datetime]
    state: State
    ledger: Ledger
    opened: Opened
    destinations: OpenDestinations
    warnings: WarningLog  # those of the inputs too
    consent: Consent
    _command: _Command
    policy: str = DEFAULT_POLICY  # the merge policy whose profiles ``opened`` has, with sources (P10)
    _attributes: dict[int, ProfileValues] = field(default_factory=dict)  # by the identity of the roster object
    _layouts: dict[tuple[int, Moment, Activation], Layout] = field(default_factory=dict)
    _lineages: dict[str, tuple[int, following.NumberedLineage]] = field(default_factory=dict)  # by merge policy

    @property
    def root(self) -> Path:
        """The workspace's folder."""
        return self.workspace.root

    def of(self, policy: str) -> "Session":
        """The session of this command for the profiles of a merge policy; itself where profiles have a path.

        The sessions of a command share ledger, state, numbers of profiles, feeds, destinations, warnings and memory;
        each has profiles, events, consent and mappings of its own.
        """
        if policy == self.policy or not self.workspace.profiles.from_sources:
            return self
        command = self._command
        with command.alone:
            if policy not in command.sessions:
                command.sessions[policy] = self._of(policy, self.opened.of(policy))
            return command.sessions[policy]

    def _of(self, policy: str, opened: Opened) -> "Session":
        consent = Consent(self.workspace, opened, self.at)
        return replace(self, opened=opened, consent=consent, policy=policy, _attributes={}, _layouts={})

    def of_audience(self, audience: str) -> "Session":
        """The session of this command for the profiles that an audience is of; itself for one that is gone."""
        known = self.workspace.audiences.get(audience)
        return self.of(known.merge_policy) if known else self

    def by_policy(self, audiences: Iterable[str]) -> "list[tuple[Session, list[str]]]":
        """Audiences by merge policy, in the order of the first of each, with the session for the policy's profiles."""
        groups: dict[str, tuple[Session, list[str]]] = {}
        for name in audiences:
            own = self.of_audience(name)
            groups.setdefault(own.policy, (own, []))[1].append(name)
        return list(groups.values())

    def open_profiles(self, audiences: Iterable[str], *, goes_on: bool = False) -> None:
        """Open the profiles that these audiences are of, before several threads need them.

        A merge policy whose profiles cannot be used stops what is of this policy alone, where it is needed (P1, P10).
        ``InputError`` when no profiles can be used: that stops all of it (X11, SPEC 10), unless something else
        ``goes_on``.
        """
        refused: list[InputError] = []
        groups = self.by_policy(audiences)
        for own, _ in groups:
            try:
                own.opened.snapshot  # noqa: B018  # opened once, for whoever needs it
            except InputError as error:
                refused.append(error)
        if len(refused) == len(groups) and refused and not goes_on:
            raise refused[0]

    @property
    def judge(self) -> Judge:
        """The judge of the workspace's activations: each is traced and judged once a command (G3)."""
        return self._command.judge

    @property
    def budget(self) -> Budget:
        """The memory that may keep profile values for later files of the command."""
        return self._command.budget

    def attributes_of(self, snapshot: Snapshot) -> ProfileValues:
        """The values of a snapshot's profiles, shared by all files of the command."""
        roster = self.opened.roster_of(snapshot)
        return self._attributes.setdefault(
            id(roster), ProfileValues(roster, self.budget, self.state.folder / state_paths.TEMPORARY)
        )

    def layout_of(self, activation: Activation, snapshot: Snapshot, moment: Moment) -> Layout:
        """The mapping of an activation, bound to a snapshot once for all activations with equal settings of files.

        ``MistakeError`` for a mapping that does not fit the snapshot, as ``layout`` raises it.
        """
        location = SourceLocation(activation.location.file)
        alike = replace(activation, id="", audience="", export="full", schedule=_NONE, location=location)
        key = id(snapshot), moment, alike  # each layout holds its snapshot, so the identity is not taken again
        if key not in self._layouts:
            self._layouts[key] = layout(activation, snapshot, moment)
        return self._layouts[key]

    def memberships(self, evaluation: AudienceEvaluation, roster: Roster) -> Members:
        """The memberships that an evaluation stored, by profile number; they follow aliases of since then (P11)."""
        members = Members.read(roster, self.state, evaluation.stored)
        absorbed = self.absorbed_since(evaluation)
        return following.followed(members, absorbed, roster.numbering.length)

    def memberships_by_id(self, evaluation: AudienceEvaluation) -> pl.LazyFrame:
        """``memberships`` as a frame with profile_id, status and last_qualification_time, maybe among others."""
        stored = self.state.read(evaluation.stored)
        return following.followed_by_id(stored, self._aliases_since(evaluation))

    def absorbed_since(self, evaluation: AudienceEvaluation) -> pl.DataFrame | None:
        """The numbers of ids that became aliases since an evaluation (``profiles.following``); None for none."""
        return self.lineage.absorbed_since(evaluation.policy, evaluation.build) if self.lineage else None

    @property
    def lineage(self) -> following.NumberedLineage | None:
        """What became of profile ids, by number, as of the newest build of the policy (P11); None without sources."""
        lineage, numbering = self.opened.lineage, self.opened.numbering
        if lineage is None:
            return None
        known = self._lineages.get(self.policy)
        if known is None or known[0] != numbering.length:  # others were numbered meanwhile
            found = following.NumberedLineage.of(lineage, numbering)
            known = self._lineages[self.policy] = numbering.length, found
        return known[1]

    def _aliases_since(self, evaluation: AudienceEvaluation) -> pl.DataFrame | None:
        return following.aliases_since(self.opened.lineage, evaluation.policy, evaluation.build)

    def on_copy(self, state: State, ledger: Ledger) -> "Session":
        """A session of the same command on a copy of its state; inputs and destinations are opened anew.

        Builds of profiles are kept there, as the command would keep them.
        """
        return open_session(
            self.workspace,
            self.at,
            self.clock,
            state,
            ledger,
            allow_empty=self.opened.allow_empty,
            warnings=self.warnings,
            keeps_builds=True,
        )

    def close(self) -> None:
        """End connections to destinations, and remove copies of inputs."""
        self.destinations.close()
        self.opened.close()


def open_session(
    workspace: Workspace,
    at: datetime,
    clock: Callable[[], datetime],
    state: State,
    ledger: Ledger,
    *,
    opened: Opened | None = None,
    allow_empty: Collection[InputName] = (),
    warnings: WarningLog | None = None,
    keeps_builds: bool = False,
) -> Session:
    """The session of a command: ``opened``, or else the newest inputs at ``at``; nothing is opened before it is used.

    ``allow_empty`` names the inputs that may have no row (X11). ``warnings`` takes the warnings of the call, by default
    those of ``opened`` or a new log. With ``keeps_builds`` the state keeps the builds of profiles from sources (P7).
    """
    warnings = warnings or (opened.warnings if opened else WarningLog(workspace.variables))
    opened = opened or newest_inputs(
        SharedInputs(
            workspace,
            Inputs(workspace),
            at,
            state,
            ledger,
            warnings,
            allow_empty,
            Freshness(workspace, at, judges=True),
            keeps_builds=keeps_builds,
        )
    )
    session = Session(
        workspace,
        at,
        clock,
        state,
        ledger,
        opened,
        OpenDestinations(workspace, state.folder, at),
        warnings,
        Consent(workspace, opened, at),
        command := _Command(workspace),
        opened.policy,
    )
    command.sessions[session.policy] = session
    return session
