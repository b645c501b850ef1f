"""Which parts of which blocks are as they were written: the shared bytes of each are hashed once a command (E8)."""

from pathlib import Path

from muster.activation.model.history import StoredFile
from muster.activation.state.block_layout import Layout, digest, own_digest, read_layout, shared_digest
from muster.activation.system.disk import checksum

SHARED = "its footer or its profile ids differ from what was written, and all its audiences depend on these"


class CheckedBlocks:
    """The blocks that one command has looked at."""

    def __init__(self) -> None:
        self._layouts: dict[tuple[Path, str], Layout | None] = {}  # by digest of the shared bytes; None: they differ

    def is_intact(self, path: Path, stored: StoredFile) -> bool:
        """Return whether a file, or an audience's part of a block, is as it was written; ``OSError`` as ``problem``."""
        if stored.audience is None:
            return stored.size in (path.stat().st_size, -1) and checksum(path) == stored.sha256
        return not self.problem(path, stored)

    def problem(self, path: Path, stored: StoredFile) -> str:
        """Return what is wrong with an audience's part of the block at a path, or an empty text.

        ``OSError`` when the file is missing or cannot be read.
        """
        layout = self._layout(path, shared_digest(stored.sha256))
        if layout is None:
            return SHARED
        own = layout.of_audiences.get(str(stored.audience))
        if own is None:
            return f"it has no audience {stored.audience!r}"
        if digest(path, own) != own_digest(stored.sha256):
            return f"the memberships of audience {stored.audience!r} differ from what was written"
        return ""

    def _layout(self, path: Path, shared: str) -> Layout | None:
        """Return the layout of a block whose shared bytes have this digest; None when they have another."""
        key = path, shared
        if key not in self._layouts:
            self._layouts[key] = intact_layout(path, shared)
        return self._layouts[key]


def intact_layout(path: Path, shared: str) -> Layout | None:
    """Return the layout of the block at a path; None when the shared bytes have another digest."""
    try:
        layout = read_layout(path)
    except ValueError:
        return None
    return layout if digest(path, layout.shared) == shared else None
