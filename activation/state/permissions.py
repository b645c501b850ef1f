"""Refuse a state that anybody but its owner, root and those of ``file_mode`` can write: it is trusted (F6)."""

import os
import stat
from pathlib import Path

from muster.activation.errors import StateError
from muster.activation.state import state_paths

_LOOKED_AT = (
    *("", state_paths.LEDGER, state_paths.LEDGER_JOURNAL, state_paths.CONFIG_CHECKED),
    *(state_paths.MEMBERSHIPS, state_paths.BASELINES, state_paths.NUMBERING, state_paths.ROSTERS),
    *(state_paths.REJECTS, state_paths.TEMPORARY, state_paths.OUTBOX, *state_paths.OF_BUILDS),
)
_OTHERS = 0o022  # write bits of the group and of everybody


def refuse_insecure(folder: Path, file_mode: int) -> None:
    """Raise ``StateError`` when somebody else can write the state folder, its ledger or a folder in it."""
    if os.name != "posix":
        return
    for name in _LOOKED_AT:
        shown = f"{folder.name}/{name}".rstrip("/")
        if problem := insecure(folder / name, file_mode, shown):
            raise StateError(f"{shown}: the state is not secure: {problem}, or pass --allow-insecure-state")


def insecure(path: Path, file_mode: int, shown: str = "") -> str:
    """Return why others can write a path, and what to do; an empty text when they cannot or ``file_mode`` lets them."""
    try:
        found = path.stat()
    except OSError:
        return ""
    if extra := found.st_mode & _OTHERS & ~file_mode:
        who = " and ".join(name for bit, name in ((0o020, "its group"), (0o002, "everybody")) if extra & bit)
        letters = "".join(letter for bit, letter in ((0o020, "g"), (0o002, "o")) if extra & bit)
        mode = f"{stat.S_IMODE(found.st_mode):04o}"
        return (
            f"{who} can write to it (mode {mode}); run `chmod {letters}-w {shown}`, allow it with `file_mode` in "
            "muster.yml"
        )
    if found.st_uid not in (0, os.geteuid()) and not file_mode & _OTHERS:
        return f"it belongs to another user (uid {found.st_uid}); `chown` it, work as that user"
    return ""
