"""How the files of a run were written: what a reader of them has to know (M7, F2).

``how_it_was_written`` is the one place that answers it; ``mapping_record`` and ``columns_of`` are a mapping as JSON,
and back.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

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
    encrypted: bool = False  # the rest is then that of the clear text

    @property
    def columns(self) -> tuple[str, ...]:
        """The targets, in the order of the file."""
        return tuple(column.target for column in self.mapping)


def mapping_record(mapping: Iterable[Column]) -> list[dict[str, Any]]:
    """A mapping as a recipe keeps it: of each column what its bytes depend on."""
    made = ("transform", "expression", "join")
    return [
        {"source": each.source, "target": each.target, "mandatory": each.mandatory}
        | {name: value for name in made if (value := getattr(each, name)) not in (None, ())}
        for each in mapping
    ]


def columns_of(record: Iterable[dict[str, Any]]) -> tuple[Column, ...]:
    """The mapping that a recipe kept."""
    return tuple(Column(**(each | {"transform": tuple(each.get("transform", ()))})) for each in record)


def how_it_was_written(run: Run, workspace: Workspace, ledger: Ledger) -> Recipe | None:
    """The recipe of a run; None when it is not known any more: it is not recorded, and the activation is gone or writes other files."""
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
    """Whether what is recorded of the run, its columns and the names of its files, is what the activation would write now."""
    columns = _columns(run)
    now = [column.target for column in activation.mapping]
    return columns in (None, now) and all(file.path.endswith(extension(activation)) for file in run.files)


def _columns(run: Run) -> Sequence[str] | None:
    """The columns that the run's manifest tells; None for a run without one."""
    return json.loads(run.manifest)["columns"] if run.manifest else None
