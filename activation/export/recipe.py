"""How the files of a run were written, for those who read the files again (M7, F2).

``how_it_was_written`` alone answers that.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from muster.activation.mapping.mapping_record import columns_of
from muster.activation.model.history import Run
from muster.activation.model.naming import extension
from muster.activation.model.workspace import Activation, Column, Compression, CsvOptions, Format, Workspace
from muster.activation.state.ledger import inputs_table
from muster.activation.state.ledger.database import Ledger


@dataclass(frozen=True)
class Recipe:
    """The form of a run's files."""

    format: Format
    compression: Compression
    csv: CsvOptions
    mapping: tuple[Column, ...]
    deduplicate: tuple[str, ...]
    is_certain: bool  # recorded when the files were written, not taken from a config that may have changed since
    encrypted: bool = False  # all else then describes the clear text

    @property
    def columns(self) -> tuple[str, ...]:
        """The headers, in the order of the file."""
        return tuple(column.target for column in self.mapping)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, in the order of the file: each once, also where a header is repeated (M1)."""
        return tuple(column.name for column in self.mapping)


def how_it_was_written(run: Run, workspace: Workspace, ledger: Ledger) -> Recipe | None:
    """The recipe of a run: the recorded one, or else that of the activation if it would write such files now.

    None without a record when the activation is missing from the config, or would write other files.
    """
    kept = inputs_table.get(ledger, run.recipe) if run.recipe else None
    if kept:
        form = (
            kept["format"],
            kept["compression"],
            CsvOptions(**kept["csv"]),
            columns_of(kept["mapping"]),
            tuple(kept["deduplicate"]),
        )
        return Recipe(*form, is_certain=True, encrypted="encryption" in kept)
    activation = workspace.activation(run.key)
    if activation is None or not _agrees(run, activation):
        return None
    written = activation.format, activation.compression, activation.csv, activation.mapping, activation.deduplicate
    return Recipe(*written, is_certain=False, encrypted=activation.encryption is not None)


def _agrees(run: Run, activation: Activation) -> bool:
    """Whether the activation would now write the columns and file names that are recorded of the run."""
    columns = _manifest_columns(run)
    now = [column.target for column in activation.mapping]
    return columns in (None, now) and all(file.path.endswith(extension(activation)) for file in run.files)


def _manifest_columns(run: Run) -> Sequence[str] | None:
    """The columns that the run's manifest lists; None for a run without a manifest."""
    return json.loads(run.manifest)["columns"] if run.manifest else None
