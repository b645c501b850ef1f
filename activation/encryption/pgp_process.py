"""A process that encrypts stdin to stdout; ``sealing`` starts it for large files. Needs pysequoia.

pysequoia holds Python's lock while it works: inside muster's own process no signal handler and no other thread could
run meanwhile. It streams from file to file, so memory does not grow with the file. The module imports nothing of
muster, because it is started by its path.

    descriptor (argument)   the keys, as JSON       stdin   the clear text       stdout  the encrypted text
"""

import json
import os
import sys
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Self

from pysequoia import Cert, PySigner, Tsk, encrypt, encrypt_file


@dataclass(frozen=True)
class Keys:
    """The bytes of key files, and the passphrase of the private one."""

    recipients: tuple[bytes, ...]
    private: bytes | None = None
    passphrase: str | None = None

    def packed(self) -> bytes:
        """The keys as JSON for a pipe: secrets go on no command line and into no environment."""
        private = b64encode(self.private).decode() if self.private else None
        return json.dumps([[b64encode(each).decode() for each in self.recipients], private, self.passphrase]).encode()

    @classmethod
    def unpacked(cls, text: bytes) -> Self:
        """The keys from ``packed`` JSON."""
        recipients, private, passphrase = json.loads(text)
        return cls(tuple(b64decode(each) for each in recipients), b64decode(private) if private else None, passphrase)


class Sealer:
    """Recipients and signer, opened once; pysequoia raises ``RuntimeError`` when the private key cannot be opened."""

    def __init__(self, keys: Keys) -> None:
        self._recipients = [Cert.from_bytes(each) for each in keys.recipients]
        self._signer = _signer(Tsk.from_bytes(keys.private), keys.passphrase) if keys.private else None

    def sealed(self, clear: bytes) -> bytes:
        """A small text, encrypted and signed in memory."""
        return encrypt(clear, self._recipients, self._signer, armor=False)

    def seal_file(self, source: str, sink: str) -> None:
        """Encrypt and sign from one file or pipe to another."""
        encrypt_file(source, sink, self._recipients, self._signer, armor=False)


def _signer(key: Tsk, passphrase: str | None) -> PySigner:
    try:
        return key.signer()  # a key without a passphrase
    except RuntimeError:
        if passphrase is None:
            raise
    return key.signer(passphrase)


def main() -> None:
    """Encrypt stdin to stdout. A failure ends with exit code 1 and no message, which could quote secrets."""
    sys.excepthook = lambda *_: None
    with os.fdopen(int(sys.argv[1]), "rb") as pipe:
        keys = Keys.unpacked(pipe.read())
    Sealer(keys).seal_file("/dev/stdin", "/dev/stdout")


if __name__ == "__main__":
    main()
