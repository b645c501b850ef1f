"""`profiles show`: one person, from where each value is, in which audiences, and what was sent where (P7, P8, P11)."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from muster.activation.errors import RefusedError
from muster.activation.frames import engine
from muster.activation.frames.columns import PROFILE_ID, REALIZED, STATUS, TIME
from muster.activation.instants import iso
from muster.activation.mapping.kept import CARRIED, COMPARED, IDENTITIES
from muster.activation.model.sources import MergePolicy
from muster.activation.state.ledger import baselines_table, evaluations_table, message_baselines_table, runs_table
from muster.runs.graphs import chosen_policy, cleaned_identity, near_namespace
from muster.runs.opening import OpenWorkspace
from muster.runs.sessions import read
from muster.runs.sources import refuse_path

if TYPE_CHECKING:
    from muster.activation.session import Session
    from muster.activation.views.origins import Fragment
    from muster.activation.views.view import View

_MAP = "identity_map"  # the column of a view


@dataclass(frozen=True)
class ShownMembership:
    """A person's status in an audience, as the newest evaluation found it (E5)."""

    audience: str
    status: str  # realized or exited
    since: datetime  # last_qualification_time
    evaluated_at: datetime


@dataclass(frozen=True)
class ShownDelivery:
    """An activation that last delivered the person, under which id, and with which values of those that it keeps."""

    activation: str  # destination/activation
    profile_id: str  # as it was delivered: the person's, or an alias
    slot: datetime  # of the run that delivered it
    values: Mapping[str, Any]  # by target


@dataclass(frozen=True)
class ShownAttribute:
    """A leaf of the merged values, and the source that gave it (P8)."""

    name: str  # a dotted path
    value: Any  # as JSON has it; None where nobody has one
    text: str  # as a CSV file has it; empty where there is none
    source: str | None  # a source's id


@dataclass(frozen=True)
class PersonDetails:
    """One merged person at an instant."""

    policy: str
    at: datetime
    looked_for: str
    profile_id: str
    alias: str | None  # the id that was looked for, where it was merged into ``profile_id``
    attributes: tuple[ShownAttribute, ...]  # in the order of the view's columns
    identities: tuple[tuple[str, str], ...]  # namespace and id, sorted
    fragments: "tuple[Fragment, ...]"  # by source and primary identity
    audiences: tuple[ShownMembership, ...]  # by id
    deliveries: tuple[ShownDelivery, ...]  # by activation
    aliases: tuple[str, ...]  # sorted
    other_policies: tuple[str, ...] = ()  # the other merge policies that audiences have, sorted


def show_profile(workspace: OpenWorkspace, person: str, *, policy: str = "default", now: datetime) -> PersonDetails:
    """One person of a merge policy at ``now``: named by an identity, ``NAMESPACE:ID``, a profile id, or an alias.

    ``RefusedError`` for somebody who is not there, an unknown policy, and in a workspace whose profiles have a path.
    """
    refuse_path(workspace.config)
    chosen = chosen_policy(workspace.config, policy)
    return read(workspace, now, lambda session: _Person(session.of(chosen.id), chosen, person).details())


class _Person:
    """One person while it is looked up."""

    def __init__(self, session: "Session", policy: MergePolicy, looked_for: str) -> None:
        self.session, self.policy, self.looked_for = session, policy, looked_for
        self.view: View = session.opened.view
        self.profile_id, self.alias = self._found()
        aliases = self.view.lineage.aliases
        self.aliases = sorted(aliases.filter(pl.col(PROFILE_ID) == self.profile_id)["alias"])

    def details(self) -> PersonDetails:
        """All that is known."""
        from muster.activation.views.origins import origins

        config, row = self.session.workspace, self._row(self.profile_id)
        pairs = row[_MAP].explode().struct.unnest() if row[_MAP].list.len()[0] else pl.DataFrame()
        found = origins(self.view, self.profile_id, config.namespaces)
        return PersonDetails(
            self.policy.id,
            self.session.at,
            self.looked_for,
            self.profile_id,
            self.alias,
            tuple(_attributes(row, found.sources)),
            tuple(sorted(pairs.select("namespace", "id").rows())) if pairs.height else (),
            tuple(sorted(found.fragments, key=lambda each: (each.source, each.namespace, each.id))),
            tuple(self._audiences()),
            tuple(self._deliveries()),
            tuple(self.aliases),
            tuple(sorted({each.merge_policy for each in config.audiences.values()} - {self.policy.id})),
        )

    def _found(self) -> tuple[str, str | None]:
        """The profile's id, and the alias that was looked for, if it was one."""
        text, config = self.looked_for, self.session.workspace
        if ":" in text:
            namespace, _, id_ = text.partition(":")
            id_ = cleaned_identity(config, namespace, id_)
            if (found := self.view.led_by(namespace, id_)) is not None:
                return found, None
            hint = near_namespace(config, namespace) or f"; see `muster graph show {text}`"
            if self.policy.graph == "none":
                hint = "; with `graph: none` only primary identities lead to profiles"
            raise self._unknown(f"the identity '{namespace}:{id_}' leads to no profile", hint)
        if self._row(text).height:
            return text, None
        survivors = self.view.lineage.aliases.filter(pl.col("alias") == text)[PROFILE_ID]
        if not len(survivors):
            raise self._unknown(
                f"there is no profile or alias {text!r}", "; an identity is NAMESPACE:ID, such as Email:ann@x.com"
            )
        if not self._row(survivors[0]).height:
            raise self._unknown(f"{text!r} was merged into {survivors[0]!r}, which is gone")
        return survivors[0], text

    def _unknown(self, what: str, hint: str = "") -> RefusedError:
        return RefusedError(f"{what} in merge policy {self.policy.id!r} at {iso(self.session.at)}{hint}")

    def _row(self, profile_id: str) -> pl.DataFrame:
        """The row of a profile in the view; none if it is not there."""
        position = self.view.position_of(profile_id)
        rows = pl.scan_parquet(list(self.view.paths))
        return engine.collect(rows.head(0) if position is None else rows.slice(position, 1))

    def _audiences(self) -> Iterator[ShownMembership]:
        """The person's memberships by the newest evaluation of each audience, which follow aliases (P11)."""
        from muster.activation.profiles.following import aliases_since, followed_by_id

        state, ledger = self.session.state, self.session.ledger
        is_theirs = pl.col(PROFILE_ID).is_in([self.profile_id, *self.aliases])
        for name, audience in sorted(self.session.workspace.audiences.items()):
            evaluation = evaluations_table.newest(ledger, name, self.session.at)
            build = evaluation.inputs.get("build") if evaluation else None
            if evaluation is None or build is None or audience.merge_policy != self.policy.id:
                continue
            held = state.read(evaluation.stored).filter(is_theirs).select(PROFILE_ID, STATUS, TIME)
            aliases = aliases_since(self.view.lineage, build["policy"], build["number"])
            followed = engine.collect(followed_by_id(engine.collect(held).lazy(), aliases))
            for _, status, since in followed.filter(pl.col(PROFILE_ID) == self.profile_id).rows():
                yield ShownMembership(name, str(status), since, evaluation.at)

    def _deliveries(self) -> list[ShownDelivery]:
        """What holds the person, under the id that it has now or under one that became an alias, by activation."""
        return sorted((*self._delivered(), *self._told()), key=lambda each: each.activation)

    def _told(self) -> Iterator[ShownDelivery]:
        """The delivered rows by which a receiver of messages was told that the person is in an audience (V2)."""
        from muster.activation.profile_changes.delivered_rows import AUDIENCES
        from muster.activation.profile_changes.people import sent, status

        for baseline in message_baselines_table.list_all(self.session.ledger):
            if baseline.policy != self.policy.id:
                continue
            is_theirs = pl.col(PROFILE_ID).is_in([self.profile_id, *self.aliases])
            rows = engine.collect(self.session.state.read(baseline.stored).filter(is_theirs))
            for row in rows.sort(PROFILE_ID).iter_rows(named=True):
                if any(row.get(status(place)) for place in range(len(baseline.made[AUDIENCES]))):
                    known = {
                        name: value for name, value in row.items() if name.startswith(sent("")) and value is not None
                    }
                    values = {name.removeprefix(sent("")): json.loads(value) for name, value in known.items()}
                    yield ShownDelivery(baseline.key, row[PROFILE_ID], baseline.at, values)

    def _delivered(self) -> Iterator[ShownDelivery]:
        """The delivered sets that hold the person."""
        state = self.session.state
        is_theirs = pl.col(PROFILE_ID).is_in([self.profile_id, *self.aliases])
        for baseline in baselines_table.list_all(self.session.ledger):
            if baseline.policy != self.policy.id:
                continue
            held = state.read(baseline.stored).filter(is_theirs)
            if state.is_memberships(baseline.stored):
                held = held.filter(pl.col(STATUS) == REALIZED)
            for row in engine.collect(held).sort(PROFILE_ID).iter_rows(named=True):
                run = runs_table.get(self.session.ledger, baseline.run_id)
                slot = run.scheduled_time if run else baseline.evaluated_at
                yield ShownDelivery(baseline.key, row[PROFILE_ID], slot, dict(_sent(row)))


def _attributes(row: pl.DataFrame, sources: Mapping[str, str]) -> Iterator[ShownAttribute]:
    """The leaves of a profile's row."""
    from muster.activation.export.sample import sampled
    from muster.activation.views.origins import leaves

    schema = {name: dtype for name, dtype in row.schema.items() if name not in {PROFILE_ID, _MAP}}
    paths = list(leaves(schema))
    found = sampled(row.lazy().select(value.alias(path) for path, value in paths), 1, None)
    for name, text, value in zip(found.columns, found.texts[0], found.values[0], strict=True):
        yield ShownAttribute(name, value, "" if value is None else text, sources.get(name))


def _sent(row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The values that a row of a delivered set keeps of what was sent, by target."""
    for prefix in (CARRIED, IDENTITIES, COMPARED):
        for name, value in row.items():
            if name.startswith(prefix) and value is not None:
                yield name.removeprefix(prefix), value
