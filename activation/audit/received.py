"""A receiver that takes the delivered files of some runs, in order, and what it has after each (X2, X3). Edge module, reads only."""

import logging
from collections.abc import Iterator, Sequence

import polars as pl

from muster.activation.audit import receiver
from muster.activation.audit.csv_scan import UnreadableError
from muster.activation.audit.readback import Reading
from muster.activation.audit.receiver import Identification
from muster.activation.errors import RefusedError
from muster.activation.export.recipe import Recipe, how_it_was_written
from muster.activation.model.history import PlannedFile, Run
from muster.activation.model.workspace import Activation
from muster.activation.session import Session
from muster.activation.system.os_errors import system_message

log = logging.getLogger("muster.reconcile")


class Replay:
    """A receiver of an activation's files that reads them all, as often as it is asked to."""

    def __init__(self, session: Session, activation: Activation, runs: Sequence[Run]) -> None:
        self.session, self.activation, self.runs = session, activation, runs
        self.altered: list[str] = []
        self.lengths: dict[str, int] = {}  # rows of each file as it is
        self.recipes = [self._recipe(run) for run in runs]
        found = {self._identification(recipe) for recipe in self.recipes}
        if len(found) > 1:
            raise RefusedError(
                f"{activation.key}: its rows told people apart in another way before; its history cannot be replayed"
            )
        self.by = found.pop()

    def _recipe(self, run: Run) -> Recipe:
        recipe = how_it_was_written(run, self.session.workspace, self.session.ledger)
        if recipe is None:
            raise RefusedError(
                f"{self.activation.key}: how the files of run {run.run_id} were written is not known any "
                f"more: the config writes others now"
            )
        if recipe.encrypted:
            raise RefusedError(
                f"{self.activation.key}: the files of run {run.run_id} are encrypted, and muster has no key "
                f"that opens them: "
                "what a receiver has of them cannot be told; `muster verify` compares their sizes and checksums"
            )
        return recipe

    def _identification(self, recipe: Recipe) -> Identification:
        return receiver.identification(recipe, self.activation.key, self.session.workspace.profiles.id)

    def held(self) -> pl.DataFrame:
        """Whom the receiver has after the last run; ``RefusedError`` names every file that stands in the way."""
        problems: list[str] = []
        held = receiver.nobody()
        for held in self.steps(problems):  # noqa: B007  # the last one is asked for
            pass
        if problems:
            told = [*problems, "the replay needs every file of its history: `muster verify` tells more of a run"]
            raise RefusedError("\n".join(f"{self.activation.key}: {problem}" for problem in told))
        return held

    def steps(self, problems: list[str] | None = None) -> Iterator[pl.DataFrame]:
        """Whom the receiver has after each run."""
        held = receiver.nobody()
        for number, (run, recipe) in enumerate(zip(self.runs, self.recipes, strict=True)):
            what = "replaying" if problems is not None else "looking for who differs since"
            step = {"done": number, "of": len(self.runs), "step": f"{what} {run.key}"}
            log.info("%s run %d of %d: %s", what, number + 1, len(self.runs), run.run_id, extra=step)
            said = receiver.told(self._rows(run, recipe, problems if problems is not None else []), self.by)
            is_whole = bool(run.first_export) or run.export == "full"
            held = receiver.receive(held, said, self.by, run=number, is_whole=is_whole)
            yield held

    def _rows(self, run: Run, recipe: Recipe, problems: list[str]) -> pl.DataFrame:
        """What a receiver looks at in all files of a run."""
        frames = [pl.DataFrame(schema=dict.fromkeys(self.by.columns, pl.String))]
        for file in run.files:
            try:
                frames.append(self._read(run, file, recipe))
            except (UnreadableError, OSError) as error:
                why = "missing" if isinstance(error, (FileNotFoundError, NotADirectoryError)) else _words(error)
                problems.append(f"{run.url}/{file.path}: {why}; run {run.run_id} delivered it")
        return pl.concat(frames)

    def _read(self, run: Run, file: PlannedFile, recipe: Recipe) -> pl.DataFrame:
        target = self.session.destinations.target(run)
        place = f"{run.url}/{file.path}"
        with target.fetched(file.path) as path, Reading(path) as reading:
            batches = [batch for batch in reading.rows(recipe, self.by.columns) if isinstance(batch, pl.DataFrame)]
            found = reading.found(None)
        if found.sha256 != file.sha256 and place not in self.altered:
            self.altered.append(place)
        rows = pl.concat(batches) if batches else pl.DataFrame(schema=dict.fromkeys(self.by.columns, pl.String))
        self.lengths[place] = rows.height
        if strange := receiver.strange_status(rows, self.by):
            raise UnreadableError(f"row {strange:,} has a status that is neither realized nor exited")
        return rows

    def place_of(self, run: int, row: int) -> tuple[str, int]:
        """The file, and the row in it, of a row of a run."""
        places = [f"{self.runs[run].url}/{file.path}" for file in self.runs[run].files]
        while row > self.lengths[places[0]]:
            row -= self.lengths[places.pop(0)]
        return places[0], row


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, UnreadableError) else f"cannot be read: {system_message(error)}"
