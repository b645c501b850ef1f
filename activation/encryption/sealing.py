"""Files encrypted with OpenPGP on their way to a destination (SPEC 7, F3).

    rows -> clear text (in the state's folder, without a name) -> counted, hashed -> encrypted -> the staged file

The clear text is never at the destination and has no name in any folder, so the system deletes it however the process
ends. Encrypted bytes differ each time, so a run delivers the staged file, also when it resumes after a crash.
"""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from threading import Lock
from typing import IO, TYPE_CHECKING, cast

from muster.activation.encryption import key_files
from muster.activation.encryption.key_files import KeyFileError
from muster.activation.errors import ExportError, MistakeError
from muster.activation.instants import iso
from muster.activation.model.workspace import Pgp, PgpKey
from muster.activation.system.disk import own_file
from muster.activation.system.os_errors import system_message

if TYPE_CHECKING:
    from muster.activation.encryption.pgp_keys import Found
    from muster.activation.encryption.pgp_process import Keys, Sealer

SMALL = 4 << 20  # bytes; larger files are encrypted by a process of their own
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Clear:
    """A nameless file with clear text, which only this process can open."""

    file: IO[bytes]

    @property
    def path(self) -> Path:
        """A path to the file that works in this process only."""
        return Path(f"/dev/fd/{self.file.fileno()}")


@dataclass(frozen=True)
class Sealed:
    """Size in bytes and checksum of an encrypted file."""

    size: int
    sha256: str


class Encryption:
    """The opened keys of one ``encryption``, all usable at the command's instant."""

    def __init__(self, keys: "Keys", sealer: "Sealer", folder: Path) -> None:
        """``folder`` is where clear texts are written."""
        self.folder = folder
        self._keys = keys
        self._sealer = sealer
        self._sealing = Lock()  # held while the sealer is used, which is not made for several threads

    @contextmanager
    def clear_text(self) -> Iterator[Clear]:
        """An empty nameless file for a clear text, readable by its owner only, deleted when the block ends."""
        with self.describing_failures():
            file = TemporaryFile(dir=self.folder, buffering=0)  # noqa: SIM115  # closed below; an error of opening is described
        with file:
            yield Clear(file)

    @contextmanager
    def describing_failures(self) -> Iterator[None]:
        """Turn ``OSError`` of writing the clear text inside the block into ``ExportError``."""
        try:
            yield
        except OSError as error:
            if isinstance(error.filename, str) and not Path(error.filename).is_relative_to(self.folder):
                raise  # an error of a file that was read
            where = f"{self.folder.parent.name}/{self.folder.name}"
            raise ExportError(
                f"{where}: cannot write the clear text before encryption: {system_message(error)}; "
                f"nothing was delivered"
            ) from error

    def seal(self, clear: Clear, sink: Path) -> Sealed:
        """Encrypt a clear text into the existing file ``sink``; ``OSError`` when that cannot be written."""
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
            yield from self._sealed_by_process(clear)
            return
        try:
            with self._sealing:
                sealed = self._sealer.sealed(clear.read())
        except Exception as error:
            raise ExportError("the file cannot be encrypted; nothing was delivered") from error
        yield sealed

    def _sealed_by_process(self, clear: IO[bytes]) -> Iterator[bytes]:
        """The encrypted text, as the encrypting process writes it."""
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
                    start_new_session=True,  # Ctrl-C reaches only this process, which kills the other
                )
            with _killed_on_error(process):
                with suppress(BrokenPipeError):  # its exit code tells
                    keys.write(self._keys.packed())
                    keys.close()
                yield from iter(partial(cast("IO[bytes]", process.stdout).read, _CHUNK), b"")
        if process.returncode:
            raise ExportError(
                f"the file cannot be encrypted: the encryption process ended with exit code {process.returncode}; "
                f"nothing was delivered"
            )


@contextmanager
def _killed_on_error(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Wait for the process at the end of the block, or kill it when the block fails."""
    with process:
        try:
            yield
        except BaseException:
            process.kill()
            raise


def opened(pgp: Pgp, root: Path, folder: Path, at: datetime, variables: Mapping[str, str]) -> Encryption:
    """The keys, read again from their files; ``MistakeError`` for one that is expired at ``at`` or unusable.

    ``variables`` are the workspace's environment variables, of which one may hold a passphrase.
    """
    from muster.activation.encryption.pgp_keys import private_key, public_key, without_stubs  # noqa: PLC0415
    from muster.activation.encryption.pgp_process import Keys, Sealer  # noqa: PLC0415

    recipients = tuple(_content(key, root, at, public_key) for key in pgp.public_keys)
    private = _content(pgp.sign_with, root, at, private_key) if pgp.sign_with else None
    keys = Keys(
        recipients,
        without_stubs(private) if private else None,
        variables.get(pgp.passphrase_env) if pgp.passphrase_env else None,
    )
    try:
        sealer = Sealer(keys)
    except Exception as error:
        if pgp.sign_with is None:
            raise
        raise _mistake(pgp.sign_with, _why_locked(pgp)) from error
    return Encryption(keys, sealer, folder)


def _content(key: PgpKey, root: Path, at: datetime, read: "Callable[[bytes], Found]") -> bytes:
    """The bytes of a key file, checked to be unchanged since the config was read, and not expired at ``at``."""
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
    """Why the private key cannot be opened.

    The library dates signatures by the machine's clock, and refuses when the key has expired by that clock.
    """
    or_late = "or the key has expired by this machine's clock"
    if pgp.passphrase_env is None:
        return f"is locked by a passphrase; name the environment variable that holds it: passphrase_env; {or_late}"
    return f"cannot be opened with the passphrase in {pgp.passphrase_env}, {or_late}"


def _mistake(key: PgpKey, message: str) -> MistakeError:
    return MistakeError(str(key.location.problem(f"{key.path} {message}")))
