"""What a command would leave on the disk if it were killed before each of its steps: copies that it makes on its way,
in one process.

Nothing runs after a kill, so that the disk as it is before a step is all there is to see of one. Which steps there are:
kills.py.
"""

import hashlib
import os
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from support.kills import Moment, Reaper, apart, some
from support.shop import Shop, invoke

Seen = dict[str, tuple[int, int, int]]
Shown = Callable[[Sequence[Moment]], Sequence[Moment]]  # those of some moments whose states are wanted, each for itself


@dataclass(frozen=True, repr=False)
class Left:
    """A workspace as a kill leaves it, and the moments at which a kill leaves just this."""

    shop: Shop
    moments: list[Moment] = field(default_factory=list)

    def __repr__(self) -> str:
        return str(self.moments[0])

    def remove(self) -> None:
        """Once it has served."""
        shutil.rmtree(self.shop.root)


class Copier(Reaper):
    """Copies the workspace before each step of this process; one thread takes a step at a time, the others wait before
    theirs.
    """

    def __init__(self, root: Path, place: Path, shown: Shown, *, ordered: bool) -> None:
        super().__init__(root, None, ordered=ordered)
        self.place = place
        self.shown = shown
        self._turn = threading.RLock()

    def _step(self, name: str, path: str | None = None) -> None:
        with self._turn:
            number = len(self.steps)
            super()._step(name, path)
            for moment in self.shown(self.steps[number:]):
                folder = self.place / str(moment.number)
                _copy(Path(self.root), folder)
                if moment.torn and path:
                    file = folder / Path(path).relative_to(self.root)
                    os.truncate(file, file.stat().st_size // 2)


def _copy(root: Path, folder: Path) -> None:
    """All that lies there at one moment: begun anew when another thread was in the middle of a step."""
    while True:
        before = _seen(root)
        with suppress(shutil.Error, FileNotFoundError):
            shutil.copytree(root, folder, symlinks=True, copy_function=_linking())
            if _seen(root) == before:
                return
        shutil.rmtree(folder, ignore_errors=True)


def _seen(root: Path) -> Seen:
    found = {}
    for place, _, names in os.walk(root):
        for name in (place, *(os.path.join(place, each) for each in names)):  # noqa: PTH118  # plain paths, many times
            with suppress(FileNotFoundError):
                status = os.lstat(name)
                found[name] = (status.st_ino, status.st_size, status.st_mtime_ns)
    return found


def _linking() -> Callable[[str, str], object]:
    """A file under two names stays one file."""
    copies: dict[int, str] = {}

    def copy(source: str, target: str) -> object:
        first = copies.setdefault(os.lstat(source).st_ino, target)
        return shutil.copy2(source, target, follow_symlinks=False) if first == target else os.link(first, target)

    return copy


def _work(root: Path, copying: Mapping[str, Any], arguments: tuple[str, ...], pipe: Connection) -> None:
    """The life of the process."""
    copier = Copier(root, **copying)
    copier.watch()
    result = invoke("-q", "-C", str(root), *arguments)
    pipe.send((result.code, result.err, copier.steps))


def left_by_kills(
    shop: Shop, place: Path, *arguments: str, shown: Shown = some, exits: int = 0, ordered: bool = True
) -> tuple[list[Moment], list[Left]]:
    """Run a command to its end, which must have this exit code; its steps, and what kills at those that show would
    leave, each state once.

    Without ``ordered`` two threads write, as in life, and the steps come in another order each time.
    """
    place.mkdir()
    code, error, steps = apart(_work, shop.root, {"place": place, "shown": shown, "ordered": ordered}, arguments)
    assert code == exits, error
    found: dict[str, Left] = {}
    for moment in shown(steps):
        twin = Shop.__new__(Shop)
        twin.root, twin.settings = place / str(moment.number), dict(shop.settings)
        left = found.setdefault(_digest(twin), Left(twin))
        left.moments.append(moment)
        if left.shop is not twin:
            shutil.rmtree(twin.root)
    return steps, list(found.values())


def _digest(shop: Shop) -> str:
    """What tells one state from another: names and bytes, folders too."""
    digest = hashlib.sha256()
    for path in sorted(shop.root.rglob("*")):
        content = path.read_bytes() if path.is_file() else b""
        digest.update(f"{path.relative_to(shop.root)} {path.is_dir()} {len(content)}\0".encode() + content)
    return digest.hexdigest()
