"""Write a long history into a workspace's ledger: ``python -m benchmarks.many_runs WORKSPACE COUNT``.

The runs are copies of one that muster made, one for each hour before it, recorded by muster's own ledger in one
transaction.
"""

import argparse
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from muster.activation.model.exports import run_id
from muster.activation.state.ledger import runs_table
from muster.activation.state.ledger.database import Ledger


def fill(workspace: Path, count: int) -> None:
    """Add ``count`` copies of a run to the ledger."""
    ledger = Ledger.open(workspace / ".muster" / "ledger.sqlite")
    model = runs_table.find(ledger, limit=1)[0]
    with ledger.transaction():
        for number in range(1, count + 1):
            slot = model.scheduled_time - timedelta(hours=number)
            name = run_id("bench", model.destination, model.activation, "scheduled", slot)
            runs_table.put(ledger, replace(model, run_id=name, scheduled_time=slot, trigger="scheduled", rejects=None))
    ledger.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("workspace", type=Path)
    parser.add_argument("count", type=int)
    given = parser.parse_args()
    fill(given.workspace, given.count)
