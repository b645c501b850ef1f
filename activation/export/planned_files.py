"""The files of a run before they are written: names, and the rows that each file gets (F1, F2, F5)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from muster.activation.comparison.compare import Comparison
from muster.activation.delivery.files import is_rewound, planned_file
from muster.activation.destinations.target import DeliveryTarget
from muster.activation.files.parts import split
from muster.activation.model.exports import Export
from muster.activation.model.history import Run
from muster.activation.model.naming import file_names, manifest_name
from muster.activation.session import Session
from muster.activation.state.ledger import constant_names, runs_table


@dataclass(frozen=True)
class PlannedFiles:
    """A run with the names of its files, and the offset and length of the rows of each.

    ``removals`` are the files that the run replaces under other names (F1, S8); ``manifest_name`` is None without one.
    """

    run: Run
    slices: list[tuple[int, int]]
    removals: frozenset[str]
    manifest_name: str | None

    @property
    def names(self) -> list[str]:
        """The paths below the destination at which the run writes or removes a file."""
        manifest = [self.manifest_name] if self.manifest_name else []
        return [*(file.path for file in self.run.files), *manifest, *sorted(self.removals)]


def plan_files(
    run: Run, export: Export, comparison: Comparison, target: DeliveryTarget, session: Session
) -> PlannedFiles:
    """Split the rows into files and name them; ``ExportError`` when the destination cannot take them (F1, SPEC 10)."""
    activation = export.activation
    slices = split(comparison.rows, activation.max_rows_per_file, skip_empty=activation.skip_empty)
    names = _names(export, session, len(slices))
    target.check()
    files = tuple(planned_file(part, name, run.run_id) for part, name in enumerate(names, start=1))
    planned = replace(run, files=files)
    rewound = runs_table.rewound_over(session.ledger, planned)
    _check_free(target, names, replace=bool(run.constant_names), rewound=rewound)
    manifest = manifest_name(session.workspace.name, run.destination, run.run_id) if activation.manifest else None
    if manifest:
        _check_free(target, [manifest], replace=True)
    return PlannedFiles(planned, slices, frozenset(_removals(planned, rewound, session)), manifest)


def _removals(run: Run, rewound: Sequence[Run], session: Session) -> set[str]:
    """The files of earlier runs that a planned run removes once its own are visible (F1, S8)."""
    present = {each.key for each in session.workspace.activations}
    names = [file.path for file in run.files]
    replaced = constant_names.replaced_paths(session.ledger, run, names, present) if run.constant_names else set()
    return replaced | constant_names.rewound_paths(session.ledger, run, rewound)


def _check_free(target: DeliveryTarget, names: list[str], *, replace: bool, rewound: Sequence[Run] = ()) -> None:
    """``ExportError`` when a name with a time or run id is taken (F1), or a folder stands where a file belongs.

    Files of ``rewound`` runs may be replaced; those at another machine are looked at when files are delivered (S8).
    """
    if not target.is_remote:
        replaceable = [name for name in names if rewound and is_rewound(name, target, rewound)]
        target.check_free(replaceable, replace=True)
        names = [name for name in names if name not in replaceable]
    target.check_free(names, replace=replace)


def _names(export: Export, session: Session, parts: int) -> list[str]:
    """The file names that the activation's template gives for this export (F1)."""
    audience = session.workspace.audiences[export.activation.audience]
    return file_names(
        export.activation,
        session.workspace.name,
        audience.name,
        export.trigger,
        export.mode,
        export.scheduled,
        export.run_id,
        parts,
    )
