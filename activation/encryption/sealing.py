"""Files encrypted with OpenPGP on their way to a destination (SPEC 7, F3). Edge module.

    rows -> clear text (in the state's folder, without a name) -> counted, hashed -> encrypted -> the staged file

The clear text never lies at the destination, and has no name in any folder: whatever ends the process, the system takes
it away. Encrypted bytes differ each time, so what a run delivers, and goes on with after a crash, is the staged file.
"""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, cast

from muster.activation.encryption import key_files
from muster.activation.encryption.key_files import KeyFileError
from muster.activation.errors import ExportError, MistakeError, Problem
from muster.activation.instants import iso
from muster.activation.model.workspace import Pgp, PgpKey
from muster.activation.system.disk import own_file
from muster.activation.system.os_errors import system_message

if TYPE_CHECKING:
    from muster.activation.encryption.pgp_keys import Found
    from muster.activation.encryption.pgp_process import Keys, Sealer

SMALL = 4 << 20  # bytes that are encrypted at once, in a few hundredths of a second
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Clear:
    """A clear text that nobody else can open."""

    file: IO[bytes]

    @property
    def path(self) -> Path:
        """A name by which this process, and no other, reaches it."""
        return Path(f"/dev/fd/{self.file.fileno()}")


@dataclass(frozen=True)
class Sealed:
    """An encrypted file."""

    size: int
    sha256: str


class Encryption:
    """The keys of one ``encryption``, opened and found to be good at the command's instant."""

    def __init__(self, keys: "Keys", sealer: "Sealer", folder: Path) -> None:
        """``folder``: where clear texts lie while they are written."""
        self.folder = folder
        self._keys = keys
        self._sealer = sealer

    @contextmanager
    def clear_text(self) -> Iterator[Clear]:
        """An empty file for a clear text, its owner's alone, which is gone at the end, whatever ends it."""
        with self.told():
            file = TemporaryFile(dir=self.folder, buffering=0)  # noqa: SIM115  # closed below; an error of opening is told
        with file:
            yield Clear(file)

    @contextmanager
    def told(self) -> Iterator[None]:
        """Around writing the clear text: what the disk of the state refuses, as ``ExportError``."""
        try:
            yield
        except OSError as error:
            if isinstance(error.filename, str) and not Path(error.filename).is_relative_to(self.folder):
                raise  # a file that was read
            where = f"{self.folder.parent.name}/{self.folder.name}"
            raise ExportError(
                f"{where}: what is to be encrypted cannot be written there first: {system_message(error)}; nothing was delivered"
            ) from error

    def seal(self, clear: Clear, sink: Path) -> Sealed:
        """Encrypt a clear text into a file that was created for it; ``OSError`` when that cannot be written."""
        digest, size = hashlib.sha256(), 0
        with open(sink, "r+b", opener=own_file) as file:
            for chunk in self._sealed(clear.file):
                file.write(chunk)
                digest.update(chunk)
                size += len(chunk)
        return Sealed(size, digest.hexdigest())

    def _sealed(self, clear: IO[bytes]) -> Iterator[bytes]:
        clear.seek(0)
        if os.fstat(clear.fileno()).st_size > SMALL:
            yield from self._elsewhere(clear)
            return
        try:
            sealed = self._sealer.sealed(clear.read())
        except Exception as error:
            raise ExportError("the file cannot be encrypted; nothing was delivered") from error
        yield sealed

    def _elsewhere(self, clear: IO[bytes]) -> Iterator[bytes]:
        """The encrypted text, as another process gives it."""
        from muster.activation.encryption import pgp_process  # noqa: PLC0415  # needs what may not be installed

        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        end, beginning = os.pipe()
        with os.fdopen(beginning, "wb") as keys:
            with os.fdopen(end, "rb"):
                process = subprocess.Popen(  # noqa: S603  # this Python, and a file of this package
                    [sys.executable, "-P", pgp_process.__file__, str(end)],
                    stdin=clear,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    pass_fds=[end],
                    env=environment,
                    start_new_session=True,  # Ctrl-C is for this process, which ends the other
                )
            with _ended(process):
                with suppress(BrokenPipeError):  # how it ends tells
                    keys.write(self._keys.packed())
                    keys.close()
                yield from iter(partial(cast("IO[bytes]", process.stdout).read, _CHUNK), b"")
        if process.returncode:
            raise ExportError(
                f"the file cannot be encrypted: the process that does it ended with {process.returncode}; "
                f"nothing was delivered"
            )


@contextmanager
def _ended(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """A process that does not outlive what is asked of it."""
    with process:
        try:
            yield
        except BaseException:
            process.kill()
            raise


def opened(pgp: Pgp, root: Path, folder: Path, at: datetime) -> Encryption:
    """The keys, read again; ``MistakeError`` names the one that has expired by ``at``, or cannot be used."""
    from muster.activation.encryption.pgp_keys import private_key, public_key, without_stubs  # noqa: PLC0415  # needs what may not be installed
    from muster.activation.encryption.pgp_process import Keys, Sealer  # noqa: PLC0415

    recipients = tuple(_content(key, root, at, public_key) for key in pgp.public_keys)
    private = _content(pgp.sign_with, root, at, private_key) if pgp.sign_with else None
    keys = Keys(
        recipients,
        without_stubs(private) if private else None,
        os.environ.get(pgp.passphrase_env) if pgp.passphrase_env else None,
    )
    try:
        sealer = Sealer(keys)
    except Exception as error:
        if pgp.sign_with is None:
            raise
        raise _mistake(pgp.sign_with, _why_locked(pgp)) from error
    return Encryption(keys, sealer, folder)


def _content(key: PgpKey, root: Path, at: datetime, read: "Callable[[bytes], Found]") -> bytes:
    """The bytes of a key file that is as it was when the config was read, and of use at an instant."""
    try:
        content = key_files.content(key_files.located(key.path, root))
        found = read(content)
    except KeyFileError as error:
        raise _mistake(key, str(error)) from error
    if (found.fingerprint, found.expires) != (key.fingerprint, key.expires):
        raise _mistake(key, "changed after the config was read; run the command again")
    if found.expires is not None and found.expires <= at:
        raise _mistake(
            key,
            f"expired at {iso(found.expires)} (key {key.fingerprint[-16:].upper()}); ask its owner for the renewed one",
        )
    return content


def _why_locked(pgp: Pgp) -> str:
    """What can be in the way. The time of a signature is the machine's, so the library asks its clock too whether the key may sign."""
    or_late = "or it may not sign any more by this machine's clock"
    if pgp.passphrase_env is None:
        return f"is locked by a passphrase, so name the environment variable that holds it: passphrase_env; {or_late}"
    return f"cannot be opened with the passphrase in {pgp.passphrase_env}, {or_late}"


def _mistake(key: PgpKey, message: str) -> MistakeError:
    return MistakeError(str(Problem(key.place.file, key.place.line, key.place.key, f"{key.path} {message}")))
