"""The recipe of a run that sends messages: what makes its bodies of its decision again, kept in the ledger (V11).

It is written as the run is committed as ``delivering``. The config stands in it as a digest, and as plain data where
that holds no value of a variable: bodies may hold secrets, and no secret is kept (V12). Then the config of the day
makes the bodies, and the digest of the outbox's texts says whether they are those that were sent.

{"messages": {"compared", "at", "waits", "texts": {"sha256", "size"}, "totals": {"requests", "entries", "bytes"}},
 "told": [[audience, alias, name, is_mapped]], "unmapped": [[audience, instant of its evaluation]],
 "config": digest, "activation": plain data or null, "profiles": {"id", "identity_map"}, "timezone", "versions"}
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from muster.activation.config.cache_format import from_plain, to_plain
from muster.activation.export.recipe_record import versions_for
from muster.activation.instants import iso
from muster.activation.model.history import Run
from muster.activation.model.messages import MessageActivation
from muster.activation.model.redaction import redact
from muster.activation.profile_changes.changes import Changes
from muster.activation.profile_changes.people import ToldAudience
from muster.activation.rules.expressions import Moment
from muster.activation.sending.looking import digest_of_plain
from muster.activation.session import Session
from muster.activation.state.ledger import evaluations_table, inputs_table

_KEY = "messages"  # of a recipe of messages: recipes of files have none


@dataclass(frozen=True)
class MessageRecipe:
    """What a run's bodies depended on beside its people and the snapshot."""

    compared: int  # the comparison that the ids of requests name
    at: datetime  # the instant of the command
    waits: bool  # whether requests that are not full could wait for others (V7)
    texts_sha256: str  # of all bodies, one after another, without the ids of requests
    requests: int
    entries: int
    told: tuple[ToldAudience, ...]
    unmapped: tuple[tuple[str, datetime], ...]  # audiences that messages told beside mapped ones, and their evaluations
    config: str
    activation: list[list[Any]] | None  # None where it held a value of a variable
    profiles: Mapping[str, Any]
    timezone: str
    versions: Mapping[str, str]

    def moment(self, run: Run) -> Moment:
        """The instant and the zone of the mapping's expressions in that run."""
        return Moment(run.evaluated_at or self.at, ZoneInfo(self.timezone))

    def activation_of(self, now: MessageActivation) -> MessageActivation:
        """The activation as the config was then, as far as it was kept; url, headers and answers are those of now."""
        if self.activation is None:
            return now
        try:
            then = from_plain([list(item) for item in self.activation], MessageActivation)
        except (LookupError, TypeError, ValueError):  # another version of this program wrote it
            return now
        return replace(then, url=now.url, headers=now.headers, answers=now.answers, unset=now.unset)


def with_recipe(run: Run, activation: MessageActivation, changes: Changes, session: Session, *, waits: bool) -> Run:
    """The run with its recipe and its snapshot's files, each stored once for all runs that share it.

    ``run`` has its outbox. To be called in the transaction that commits the run as ``delivering``.
    """
    outbox, workspace, snapshot = run.outbox or {}, session.workspace, changes.layout.snapshot
    plain = _without_secrets(activation)
    shown = json.dumps(plain, ensure_ascii=False)
    evaluations = {each: evaluations_table.newest(session.ledger, each, session.at) for each in changes.unmapped}
    recipe = {
        _KEY: {
            "compared": run.compared or 1,
            "at": iso(session.at),
            "waits": waits,
            "texts": {name: outbox["texts"][name] for name in ("sha256", "size")},
            "totals": outbox["totals"],
        },
        "told": [[each.audience, each.alias, each.name, each.is_mapped] for each in changes.told],
        "unmapped": [[name, iso(found.at)] for name, found in evaluations.items() if found],
        "config": digest_of(activation, workspace.variables),
        "activation": plain if redact(shown, workspace.variables) == shown else None,
        "profiles": {"id": snapshot.source.id, "identity_map": snapshot.source.identity_map},
        "timezone": workspace.zone.key,
        "versions": versions_for(activation.mapping),
    }
    ledger = session.ledger
    return replace(run, recipe=inputs_table.put(ledger, recipe), snapshot=inputs_table.put(ledger, snapshot.records))


def digest_of(activation: MessageActivation, variables: Mapping[str, str]) -> str:
    """A digest of what an activation's bodies and requests are made by."""
    return digest_of_plain(to_plain(replace(_bare(activation), url=activation.url)), variables)


def _without_secrets(activation: MessageActivation) -> list[list[Any]]:
    """Plain data of an activation, without its url and headers."""
    return to_plain(_bare(activation))


def _bare(activation: MessageActivation) -> MessageActivation:
    return replace(activation, headers={}, url=None, unset=())


def recipe_of(run: Run, content: Mapping[str, Any] | None) -> MessageRecipe | None:
    """The recipe of a run of messages; None where none was recorded, or it was pruned."""
    if run.audiences is None or content is None or _KEY not in content:
        return None
    own = content[_KEY]
    return MessageRecipe(
        compared=own["compared"],
        at=datetime.fromisoformat(own["at"]),
        waits=own["waits"],
        texts_sha256=own["texts"]["sha256"],
        requests=own["totals"]["requests"],
        entries=own["totals"]["entries"],
        told=tuple(ToldAudience(*each) for each in content["told"]),
        unmapped=tuple((name, datetime.fromisoformat(at)) for name, at in content["unmapped"]),
        config=content["config"],
        activation=content["activation"],
        profiles=content["profiles"],
        timezone=content["timezone"],
        versions=content["versions"],
    )
