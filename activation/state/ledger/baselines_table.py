"""The table ``baselines``: what each activation last delivered (X8, X9)."""

import json
from collections.abc import Iterable
from sqlite3 import Row

from muster.activation.instants import iso
from muster.activation.model.history import Baseline, StoredFile
from muster.activation.state.ledger import runs_table
from muster.activation.state.ledger.database import Ledger
from muster.activation.state.ledger.rows import baseline_of


def get(ledger: Ledger, destination: str, activation: str) -> Baseline | None:
    """Return the activation's baseline, whatever url it was delivered to (X9)."""
    query = "SELECT * FROM baselines WHERE destination = ? AND activation = ?"
    found = _baselines(ledger, ledger.ask(query, destination, activation))
    return found[0] if found else None


def list_all(ledger: Ledger) -> list[Baseline]:
    """Return all baselines, by destination and activation."""
    return _baselines(ledger, ledger.ask("SELECT * FROM baselines ORDER BY destination, activation"))


def of_audience(ledger: Ledger, audience: str) -> list[Baseline]:
    """Return the baselines that runs of an audience left, whatever audience their activations send now (E5)."""
    query = "SELECT baselines.* FROM baselines JOIN runs ON runs.run_id = baselines.run_id WHERE runs.audience = ?"
    return _baselines(ledger, ledger.ask(query, audience))


def files(ledger: Ledger) -> set[str]:
    """Return the state files of all baselines, and of those that runs under delivery will leave."""
    pending = [StoredFile.of(run.baseline["stored"]) for run in runs_table.unfinished(ledger) if run.baseline]
    stored = [*(each.stored for each in list_all(ledger)), *pending]
    return {each.file for each in stored} | {each.mask.file for each in stored if each.mask}


def put(ledger: Ledger, baseline: Baseline) -> None:
    """Replace the activation's baseline. In the transaction that commits the run as succeeded."""
    each, stored = baseline, baseline.stored
    ledger.change(
        "INSERT OR REPLACE INTO baselines VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        *(each.destination, each.activation, each.run_id, stored.file, stored.sha256, stored.size, each.profiles),
        *(iso(each.evaluated_at), iso(each.delivered_at), each.url_digest, each.url, each.digest_made_by),
        json.dumps(stored.mask.record) if stored.mask else None,
        *(each.policy, each.build),
    )


def delete(ledger: Ledger, destination: str, activation: str) -> None:
    """Delete the activation's baseline: its next export is a first one. In a transaction."""
    ledger.change("DELETE FROM baselines WHERE destination = ? AND activation = ?", destination, activation)


def _baselines(ledger: Ledger, rows: Iterable[Row]) -> list[Baseline]:
    with ledger.refusing_foreign_values():
        return [baseline_of(row) for row in rows]
