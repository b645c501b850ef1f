"""Whether an activation can have anything to send, by all that decides it, without reading data (V1).

A look that compared in full and found nothing leaves a fingerprint of what it depended on. While the fingerprint is
what it was, and no time has come at which data change by themselves, there is nothing to send. Where anything is not
known for certain there is no fingerprint, and the next command compares in full. Polars is not imported here.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from hashlib import scrypt, sha256

from muster.activation.config.cache_format import to_plain
from muster.activation.instants import iso
from muster.activation.model.exports import Sending
from muster.activation.model.history import Look
from muster.activation.model.messages import MessageActivation
from muster.activation.model.workspace import Workspace
from muster.activation.sending.seen_files import files_seen, input_paths
from muster.activation.state.ledger import (
    builds_table,
    evaluations_table,
    failures_table,
    forgotten_table,
    looks_table,
    message_baselines_table,
)
from muster.activation.state.ledger.database import Ledger

_VERSION = 1  # of what a fingerprint is made of
_CLOCK = re.compile(r"\b(now|current_\w+|local\w*)\b", re.IGNORECASE)  # what tells the instant in SQL (E2)


class Looks:
    """The looks of one command: what activations share is looked at once."""

    def __init__(self, workspace: Workspace, ledger: Ledger) -> None:
        self._workspace, self._ledger = workspace, ledger
        self._config: str | None = None
        self._files: dict[tuple[str, ...], list[list[object]] | None] = {}  # by the paths of inputs

    def found_nothing(self, sending: Sending, at: datetime) -> Look | None:
        """The last look, if it found nothing to send and all that it depended on is as it was; else None."""
        activation = sending.activation
        look = looks_table.get(self._ledger, activation.destination, activation.id)
        if sending.is_resync or look is None or not look.fingerprint or look.at > at:
            return None
        if look.until is not None and at >= look.until:
            return None
        return look if self.fingerprint(activation, at) == look.fingerprint else None

    def record(self, looks: Iterable[Look], at: datetime) -> None:
        """Record in a transaction of its own that looks found nothing, at a later instant too."""
        with self._ledger.transaction():
            for look in looks:
                looks_table.put(self._ledger, replace(look, at=at))

    def fingerprint(self, activation: MessageActivation, at: datetime) -> str:
        """A fingerprint of all that decides what an activation sends at an instant; empty where that is not known."""
        workspace, ledger = self._workspace, self._ledger
        if activation.unset or workspace.message_destinations[activation.destination].unset or _asks_clock(workspace):
            return ""
        if not failures_table.current(ledger, at).keys().isdisjoint(activation.audience_ids):
            return ""
        files = self._files_seen(activation)
        if files is None:
            return ""
        baseline = message_baselines_table.get(ledger, activation.destination, activation.id)
        evaluated = [evaluations_table.newest(ledger, each, at) for each in activation.audience_ids]
        parts = [
            _VERSION,
            self._digest_of_config(),
            activation.key,
            [each and [each.audience, iso(each.at), each.stored.record] for each in evaluated],
            [baseline.run_id, baseline.stored.record, baseline.place_digest, baseline.made] if baseline else None,
            forgotten_table.fingerprint(ledger),
            builds_table.newest_numbers(ledger),
            files,
        ]
        return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def _files_seen(self, activation: MessageActivation) -> list[list[object]] | None:
        """What the folders of inputs say, looked at once for all activations that read the same."""
        paths = tuple(input_paths(self._workspace, activation))
        if paths not in self._files:
            self._files[paths] = files_seen(self._workspace, activation)
        return self._files[paths]

    def _digest_of_config(self) -> str:
        if self._config is None:
            self._config = digest_of_plain(to_plain(self._workspace), self._workspace.variables)
        return self._config


def digest_of_plain(plain: object, variables: Mapping[str, str]) -> str:
    """A digest of plain data that may hold values of variables: made by a function that makes guessing them slow."""
    text = json.dumps(plain, sort_keys=True).encode()
    if not variables:
        return sha256(text).hexdigest()
    return scrypt(text, salt=b"muster look", n=2**12, r=8, p=1).hex()


def _asks_clock(workspace: Workspace) -> bool:
    """Whether an expression may give another value at another instant: of consent, or of a mapped column (E2)."""
    consents = (each.consent for each in workspace.policies.values())
    mapped = (column.expression for each in workspace.message_activations for column in each.mapping)
    return any(_CLOCK.search(each) for each in (*consents, *mapped) if each)
