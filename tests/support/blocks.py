"""Memberships of one evaluation moved into a block, and blocks of which a byte was changed."""

from contextlib import closing
from pathlib import Path

import polars as pl

from muster.activation.model.history import StoredFile
from muster.activation.state import state_paths
from muster.activation.state.block_layout import realized_column, time_column
from muster.activation.state.blocks import write_block
from muster.activation.state.files import State
from muster.activation.state.ledger import evaluations_table, named_files
from muster.activation.state.ledger.database import Ledger


def into_blocks(root: Path) -> None:
    """Move the memberships of each instant, which lie in a file for each audience, into a block for all of them."""
    state = State(root / ".muster", 0o600)
    with closing(Ledger.open(state.folder / state_paths.LEDGER, writing=True)) as ledger:
        for at in {each.at for each in evaluations_table.list_all(ledger)}:
            whole = [each for each in evaluations_table.list_at(ledger, at) if each.stored.audience is None]
            found = {each.audience: state.read(each.stored).collect() for each in whole}
            ids = pl.concat([frame.select("profile_id") for frame in found.values()]).unique().sort("profile_id")
            for name, frame in found.items():
                realized = (pl.col("status") == "realized").alias(realized_column(name))
                columns = frame.select(
                    "profile_id", realized, pl.col("last_qualification_time").alias(time_column(name))
                )
                ids = ids.join(columns, on="profile_id", how="left", maintain_order="left")
            file = state_paths.block_file(at, named_files.blocks(ledger))
            parts = write_block(state, file, ids.lazy(), list(found))
            with ledger.transaction():
                named_files.move(ledger, {each.stored.file: parts[each.audience] for each in whole})
            for each in whole:
                (state.folder / each.stored.path).unlink()


def references(root: Path) -> dict[str, StoredFile]:
    """What the ledger has of each part of a block, by ``file``."""
    with closing(Ledger.open(root / ".muster" / state_paths.LEDGER)) as ledger:
        return {each.file: each for each in named_files.parts(ledger)}


def blocks(root: Path) -> list[str]:
    """The names of the blocks in the state folder, sorted."""
    return sorted(path.name for path in (root / ".muster/memberships").glob("*.parquet"))
