"""What all repairs of one command share: the state and its ledger, and the folder of the files that they replace.

Files that a repair replaces are moved to ``damaged-<instant>/`` in the state folder first, and never destroyed; then
the ledger is changed. A kill in between leaves a file missing, which is the same damage and can be repaired again.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from muster.activation.model.history import StoredFile
from muster.activation.model.workspace import Workspace
from muster.activation.outbox.writing import TEXTS
from muster.activation.state import block_upkeep, state_paths
from muster.activation.state.files import State
from muster.activation.state.folder import StateFolder
from muster.activation.state.ledger.database import Ledger
from muster.activation.system.disk import create_file, make_folder, sync
from muster.activation.upkeep.check import examine
from muster.activation.upkeep.faults import Findings, Health


@dataclass
class RepairWork:
    """A repair under way, with the lock held: what was done, and where replaced files go."""

    workspace: Workspace
    folder: StateFolder
    state: State
    ledger: Ledger
    clock: Callable[[], datetime]
    done: list[str] = field(default_factory=list)
    _aside: Path | None = None

    @property
    def aside(self) -> str:
        """The folder of the replaced files, as messages call it; empty when no file was replaced."""
        return f"{self.state.folder.name}/{self._aside.name}" if self._aside else ""

    def examined(self) -> Health:
        """Return the faults that the state has now."""
        return examine(self.workspace, self.folder, self.ledger, Findings(self.state.folder.name))

    def move_aside(self, file: str) -> None:
        """Move a file of the state into the folder of replaced files, if it is there."""
        path = self.state.folder / file
        if not path.exists() and not path.is_symlink():
            return
        target = self._target(file)
        path.rename(target)
        sync(target.parent)
        sync(path.parent)

    def move_outbox_aside(self, folder: str) -> None:
        """Move an outbox into the folder of replaced files, without the texts of messages, which nothing keeps."""
        (self.state.folder / folder / TEXTS).unlink(missing_ok=True)
        self.move_aside(folder)

    def put_aside(self, stored: StoredFile) -> None:
        """Move a file into the folder of replaced files; of a block, other parts of which stay, copy it there once."""
        path = self.state.folder / stored.path
        if stored.audience is None or path.is_symlink() or not path.is_file():
            self.move_aside(stored.path)
            return
        target = self._target(stored.path)
        if not target.exists():
            create_file(target, self.state.file_mode)
            shutil.copyfile(path, target)
            sync(target)
            sync(target.parent)

    def drop_unnamed(self, stored: StoredFile) -> None:
        """Take from a block, once the ledger has changed, what it does not refer to any more."""
        if stored.audience is not None:
            block_upkeep.drop_unnamed(self.state, self.ledger, [stored.path])

    def _target(self, file: str) -> Path:
        """Return where a file goes in the folder of replaced files, which is made if need be."""
        if self._aside is None:
            self._aside = state_paths.aside_folder(self.state.folder, state_paths.DAMAGED, self.clock())
        target = self._aside / file
        make_folder(target.parent, self.state.file_mode)
        return target
