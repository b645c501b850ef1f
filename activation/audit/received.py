"""A receiver that takes the delivered files of some runs, in order, and what it holds after each (X2, X3)."""

from collections.abc import Iterator, Sequence

import polars as pl

from muster.activation.audit import receiver
from muster.activation.audit.csv_scan import UnreadableError
from muster.activation.audit.readback import Reading
from muster.activation.audit.receiver import Identification
from muster.activation.errors import RefusedError
from muster.activation.export.recipe import Recipe, how_it_was_written
from muster.activation.model.history import PlannedFile, Run
from muster.activation.model.log import logger
from muster.activation.model.workspace import Activation
from muster.activation.session import Session
from muster.activation.system.os_errors import system_message

log = logger("muster.reconcile")


class ReceiverReplay:
    """A receiver of an activation's runs, oldest first, whose files can be read as often as needed.

    ``RefusedError`` when it is not known how a run's files were written, or how their rows identify people.
    """

    def __init__(self, session: Session, activation: Activation, runs: Sequence[Run]) -> None:
        self.session, self.activation, self.runs = session, activation, runs
        self.altered: list[str] = []  # files that are not as they were delivered
        self.lengths: dict[str, int] = {}  # from each file that was read to its number of rows
        self.recipes = [self._recipe(run) for run in runs]
        self._identifications = [self._identification(recipe) for recipe in self.recipes]
        if len({each.columns_of_people for each in self._identifications}) > 1:
            raise RefusedError(
                f"{activation.key}: its files identified people by other columns before; its history cannot be replayed"
            )
        self.by = self._identifications[-1]

    def _recipe(self, run: Run) -> Recipe:
        recipe = how_it_was_written(run, self.session.workspace, self.session.ledger)
        if recipe is None:
            raise RefusedError(
                f"{self.activation.key}: the ledger does not record how the files of run {run.run_id} were written, "
                f"and the config writes other files now"
            )
        if recipe.encrypted:
            raise RefusedError(
                f"{self.activation.key}: the files of run {run.run_id} are encrypted, and muster has no key that opens "
                f"them, so it cannot say what a receiver has; `muster verify` compares their sizes and checksums"
            )
        return recipe

    def _identification(self, recipe: Recipe) -> Identification:
        return receiver.identification(recipe, self.activation.key, self.session.workspace.profiles.id)

    def holdings(self) -> pl.DataFrame:
        """Return whom the receiver holds after the last run; ``RefusedError`` names every file that cannot be read."""
        problems: list[str] = []
        holdings = receiver.no_holdings()
        for holdings in self.steps(problems):  # noqa: B007  # only the last one is needed
            pass
        if problems:
            lines = [
                *problems,
                "reconcile needs every file of the history; `muster verify RUN` shows more about a run's files",
            ]
            raise RefusedError("\n".join(f"{self.activation.key}: {line}" for line in lines))
        return holdings

    def steps(self, problems: list[str] | None = None) -> Iterator[pl.DataFrame]:
        """Yield whom the receiver holds after each run; files that cannot be read are added to ``problems``."""
        holdings = receiver.no_holdings()
        for number, (run, recipe) in enumerate(zip(self.runs, self.recipes, strict=True)):
            what = "replaying" if problems is not None else "looking for who differs since"
            step = {"done": number, "of": len(self.runs), "step": f"{what} {run.key}"}
            log.info("%s run %d of %d: %s", what, number + 1, len(self.runs), run.run_id, extra=step)
            by = self._identifications[number]
            new = receiver.updates(self._rows(run, recipe, by, problems if problems is not None else []), by)
            is_whole = bool(run.first_export) or run.export == "full"
            holdings = receiver.receive(holdings, new, by, run=number, is_whole=is_whole)
            yield holdings

    def _rows(self, run: Run, recipe: Recipe, by: Identification, problems: list[str]) -> pl.DataFrame:
        """Return the columns that a receiver looks at, as text, of all files of a run."""
        frames = [pl.DataFrame(schema=dict.fromkeys(by.columns, pl.String))]
        for file in run.files:
            try:
                frames.append(self._read(run, file, recipe, by))
            except (UnreadableError, OSError) as error:
                problems.append(f"{run.url}/{file.path}: {_why_unread(error)}; run {run.run_id} delivered it")
        return pl.concat(frames)

    def _read(self, run: Run, file: PlannedFile, recipe: Recipe, by: Identification) -> pl.DataFrame:
        target = self.session.destinations.target(run)
        url = f"{run.url}/{file.path}"
        with target.fetch(file.path) as path, Reading(path) as reading:
            batches = [batch for batch in reading.rows(recipe, by.columns) if isinstance(batch, pl.DataFrame)]
            found = reading.found(None)
        if found.sha256 != file.sha256 and url not in self.altered:
            self.altered.append(url)
        rows = pl.concat(batches) if batches else pl.DataFrame(schema=dict.fromkeys(by.columns, pl.String))
        self.lengths[url] = rows.height
        if unknown := receiver.first_unknown_status(rows, by):
            raise UnreadableError(f"row {unknown:,} has a status that is neither realized nor exited")
        return rows

    def file_and_row(self, run: int, row: int) -> tuple[str, int]:
        """Return the file, and the row in it, of a row counted through all files of a run."""
        urls = [f"{self.runs[run].url}/{file.path}" for file in self.runs[run].files]
        while row > self.lengths[urls[0]]:
            row -= self.lengths[urls.pop(0)]
        return urls[0], row


def _why_unread(error: Exception) -> str:
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return "missing"
    return str(error) if isinstance(error, UnreadableError) else f"cannot be read: {system_message(error)}"
