"""A backup, folder or tar file, opened and checked as a whole before anything of it is used (SPEC 10)."""

import json
import shutil
import tarfile
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from muster.activation.errors import InputError, RefusedError, StateError
from muster.activation.model.workspace import Workspace
from muster.activation.outbox.answer_log import LOG
from muster.activation.state.block_digests import CheckedBlocks
from muster.activation.state.ledger import named_files
from muster.activation.state.ledger.database import Ledger
from muster.activation.state.state_paths import LEDGER, NAMED_FOLDERS, OUTBOX, kind_of
from muster.activation.system.disk import checksum
from muster.activation.system.os_errors import system_message
from muster.activation.upkeep.backup import FORM, MANIFEST, digest, log_beside

_REFUSED = "the backup is not restored"
_OUTBOX_DEPTH = 5  # names in the path of a file in an outbox


@contextmanager
def opened_backup(backup: Path) -> Iterator[Path]:
    """Open a backup as a folder; ``InputError`` when it cannot be read.

    A tar file is extracted, and may hold plain files with names that `muster state backup` writes, and nothing else.
    """
    if backup.is_dir():
        yield backup
        return
    with TemporaryDirectory(prefix="muster-") as folder:  # its owner's alone
        try:
            with tarfile.open(backup, "r:") as archive:
                for member in archive:
                    _extract(archive, member, Path(folder), backup)
        except FileNotFoundError:
            raise InputError(f"{backup}: there is no such backup") from None
        except (tarfile.TarError, OSError, EOFError) as error:
            raise InputError(f"{backup}: cannot be read as a backup ({system_message(error)})") from error
        yield Path(folder)


def checked_manifest(folder: Path, backup: Path, workspace: Workspace) -> dict[str, Any]:
    """Return the manifest of a whole backup of this workspace; else an ``InputError`` that says what is wrong."""
    manifest = _manifest(folder, backup)
    if manifest["workspace"] != workspace.name:
        raise RefusedError(
            f"{backup}: is a backup of workspace {manifest['workspace']!r}; this one is {workspace.name!r}"
        )
    for each in manifest["files"]:
        path = folder / each["file"]
        if not is_name_of_state_file(each["file"]) or path.is_symlink() or not path.is_file():
            raise InputError(f"{backup}: {each['file']} is missing or no file; {_REFUSED}")
        if path.stat().st_size != each["size"] or checksum(path) != each["sha256"]:
            raise InputError(f"{backup}: {each['file']} differs from what was written; {_REFUSED}")
    _check_ledger(folder, backup, {each["file"] for each in manifest["files"]})
    return manifest


def is_name_of_state_file(name: str) -> bool:
    """Return whether a name in a backup is that of the ledger, the manifest, or a file in a folder of the state."""
    path = PurePosixPath(name)
    plain = (
        not path.is_absolute()
        and ".." not in path.parts
        and path.as_posix() == name
        and "\0" not in name
        and "\\" not in name
    )
    if kind_of(name) == OUTBOX:  # never the texts: with them a restored outbox would be sent (V8)
        return plain and len(path.parts) == _OUTBOX_DEPTH and (path.suffix == ".parquet" or path.name == LOG)
    return plain and (name in {LEDGER, MANIFEST} or (len(path.parts) > 1 and kind_of(name) in NAMED_FOLDERS))


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path, backup: Path) -> None:
    content = archive.extractfile(member) if member.isreg() and is_name_of_state_file(member.name) else None
    if content is None:
        raise InputError(f"{backup}: holds {member.name!r}, which `muster state backup` does not write; {_REFUSED}")
    target = folder / member.name
    target.parent.mkdir(parents=True, exist_ok=True)
    with content, target.open("wb") as file:
        shutil.copyfileobj(content, file)


def _manifest(folder: Path, backup: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        form, whole = manifest["muster_backup"], manifest["checksum"] == digest(manifest)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InputError(
            f"{backup}: is not a backup: its {MANIFEST} is missing or cannot be read; expected a folder or file "
            "made by `muster state backup`"
        ) from None
    if isinstance(form, int) and form > FORM:
        raise StateError(
            f"{backup}: the backup was made by a newer muster (form {form}, this one knows {FORM}); upgrade muster"
        )
    if not whole:
        raise InputError(f"{backup}: {MANIFEST} differs from what was written; {_REFUSED}")
    return dict(manifest)


def _check_ledger(folder: Path, backup: Path, files: Collection[str]) -> None:
    """Check the ledger of the backup in a copy, for nothing is written into a backup, and what it says of the files."""
    checked = CheckedBlocks()
    with TemporaryDirectory(prefix="muster-") as scratch:
        copy = Path(scratch) / LEDGER
        shutil.copyfile(folder / LEDGER, copy)
        try:
            with closing(Ledger.open(copy)) as ledger:
                missing = [
                    each
                    for each in (*named_files.named(ledger).values(), *named_files.of_outboxes(ledger))
                    if each.size >= 0 and not (each.path in files and checked.is_intact(folder / each.path, each))
                ]
                missing += [each for each in named_files.of_outboxes(ledger) if log_beside(each.path) not in files]
        except StateError as error:
            raise StateError(f"{backup}: {error}") from error
    if missing:
        raise InputError(f"{backup}: does not hold {missing[0].path}, to which its ledger refers; {_REFUSED}")
