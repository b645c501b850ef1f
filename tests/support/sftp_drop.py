"""A shop that brings files to an SFTP drop, and what is looked at there."""

import contextlib
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from support.reader_audit import Delivery, audit
from support.servers import Sshd
from support.shop import STATUS, Shop, person

FIRST, AGAIN, SECOND = "2026-11-20T06:00Z", "2026-11-20T06:10Z", "2026-11-21T06:00Z"
DAILY = {"audience": "all", "export": "incremental", "schedule": {"at": "05:00"}}
NAME = "drop_all_20261120T050000Z.csv"
PEOPLE = "abcdef"


def drop_shop(root: Path, server: Sshd, **content: Any) -> Shop:
    """Six people, one of whom leaves on the second day, sent to the folder ``in`` of a server once a day; nothing is
    tried again.
    """
    shop = Shop(root, evaluation={"schedule": {"at": "02:00"}})
    shop.profiles("2026-11-20", [person(name) for name in PEOPLE])
    shop.profiles("2026-11-21", [person(name) for name in PEOPLE[1:]])
    shop.audience("all", where="true")
    send(shop, "drop", server, **content)
    return shop


def send(shop: Shop, name: str, server: Sshd, **content: Any) -> None:
    """A destination on the server."""
    usual = {"url": server.url("/in"), "connection": server.connection, "retries": 0, "timeout": "5m"}
    shop.destination(name, **usual | {"mapping": ["profile_id", "email", STATUS], "activations": [DAILY]} | content)


def big(shop: Shop, size: int) -> None:
    """Let the first day have so many people, with so much to tell, that their file has about this many bytes."""
    people = [f"p{number}" for number in range(size // 100_000)]
    shop.profiles("2026-11-20", [person(name, f"{name}@{'x' * 100_000}") for name in people])


def names(folder: Path, *, hidden: bool = False) -> list[str]:
    """The files of a folder and below, or the hidden ones, without manifests."""
    found = [path for path in folder.rglob("*") if path.is_file() and path.name.startswith(".") == hidden]
    return sorted(path.relative_to(folder).as_posix() for path in found if not path.name.startswith("manifest-"))


def staged(shop: Shop) -> list[str]:
    """What waits to be uploaded."""
    return sorted(path.name for path in (shop.root / ".muster/staging").glob("*"))


def check(shop: Shop, *places: Path) -> list[Delivery]:
    """Everything whole and told of by one manifest, nothing left over, there or here."""
    assert staged(shop) == []
    return audit(shop.root, *places)


def cleared(server: Sshd) -> Sshd:
    """The same server with nothing in its folder."""
    for path in server.folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return server


class Watcher:
    """Somebody who waits for files in a folder and reads whatever is not hidden, at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._over = threading.Event()
        self.read: dict[str, set[bytes]] = {}
        self.hidden: set[int] = set()  # sizes that temporary files had

    @contextlib.contextmanager
    def watching(self) -> Iterator["Watcher"]:
        """In a thread of its own."""
        thread = threading.Thread(target=self._watch)
        thread.start()
        try:
            yield self
        finally:
            self._over.set()
            thread.join()
            self._look()

    def _watch(self) -> None:
        while not self._over.is_set():
            self._look()
            time.sleep(0.002)

    def _look(self) -> None:
        for path in self._folder.glob("*"):
            with contextlib.suppress(FileNotFoundError):
                if path.name.startswith("."):
                    self.hidden.add(path.stat().st_size)
                else:
                    self.read.setdefault(path.name, set()).add(path.read_bytes())


def content(folder: Path) -> Mapping[str, bytes]:
    """Every file of a folder and its bytes."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }
