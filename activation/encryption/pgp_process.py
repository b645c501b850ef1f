"""A process that encrypts what it reads, and nothing else: started by ``encryption`` for files that take their time. Needs pysequoia.

pysequoia holds Python's lock while it works: in the process itself neither a signal nor another thread would come to
its turn meanwhile. It streams from file to file, so memory does not grow with them. Imports nothing of muster: it is
started by its path.

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
    """The content of key files, and what opens the private one."""

    recipients: tuple[bytes, ...]
    private: bytes | None = None
    passphrase: str | None = None

    def packed(self) -> bytes:
        """For the other process; on no command line, and in no environment."""
        private = b64encode(self.private).decode() if self.private else None
        return json.dumps([[b64encode(each).decode() for each in self.recipients], private, self.passphrase]).encode()

    @classmethod
    def unpacked(cls, text: bytes) -> Self:
        """The reverse."""
        recipients, private, passphrase = json.loads(text)
        return cls(tuple(b64decode(each) for each in recipients), b64decode(private) if private else None, passphrase)


class Sealer:
    """Encrypts to the recipients and signs; ``RuntimeError`` of pysequoia when the private key cannot be used."""

    def __init__(self, keys: Keys) -> None:
        self._recipients = [Cert.from_bytes(each) for each in keys.recipients]
        self._signer = _signer(Tsk.from_bytes(keys.private), keys.passphrase) if keys.private else None

    def sealed(self, clear: bytes) -> bytes:
        """A small text, encrypted."""
        return encrypt(clear, self._recipients, self._signer, armor=False)

    def seal_file(self, source: str, sink: str) -> None:
        """The same from file to file, or pipe."""
        encrypt_file(source, sink, self._recipients, self._signer, armor=False)


def _signer(key: Tsk, passphrase: str | None) -> PySigner:
    try:
        return key.signer()  # a key without a passphrase
    except RuntimeError:
        if passphrase is None:
            raise
    return key.signer(passphrase)


def main() -> None:
    """Encrypt stdin to stdout; exit code 1 and no word when that fails: it may be about what is secret."""
    sys.excepthook = lambda *_: None
    with os.fdopen(int(sys.argv[1]), "rb") as pipe:
        keys = Keys.unpacked(pipe.read())
    Sealer(keys).seal_file("/dev/stdin", "/dev/stdout")


if __name__ == "__main__":
    main()
