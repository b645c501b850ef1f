"""A large file sent to Google in two requests: all but the last bytes, and the last bytes with the checksum (F3).

Each byte is read once. Its digests are made by a second thread while it is on its way, so that the checksum is known
when the last request is sent, and Google does not make the object visible if it has received anything else.
"""

import hashlib
from base64 import b64encode
from collections.abc import Container, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, BinaryIO

import google_crc32c
import requests
from google.api_core.exceptions import from_http_response

from muster.activation.stores.protocol import DamagedError, PassingError, Sent

MIB = 1 << 20
_STEP = 256 << 10  # bytes of which every request but the last has a multiple
_GO_ON, _DONE = (308,), (200, 201)  # Google's answers to what is not the last request, and to the last
_LOST = "Google has not received all that was sent"


class Digests:
    """SHA-256 and CRC32C of bytes that come in pieces."""

    def __init__(self) -> None:
        make: Any = google_crc32c.Checksum  # its type hints say little
        self._crc32c, self._sha256 = make(), hashlib.sha256()

    def update(self, content: bytes) -> None:
        """Take the next piece."""
        self._crc32c.update(content)
        self._sha256.update(content)

    def sha256(self) -> str:
        """The SHA-256 of all pieces, in hex."""
        return self._sha256.hexdigest()

    def crc32c(self) -> str:
        """The CRC32C of all pieces as Google writes it, in base64."""
        return b64encode(self._crc32c.digest()).decode()


class _Beginning:
    """The first bytes of a file as the body of a request, which asks for its length and for one piece after another."""

    def __init__(self, file: BinaryIO, size: int, digests: Digests) -> None:
        self._file, self._size, self._digests = file, size, digests

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        """Yield pieces; while one is sent, the digests take it. ``DamagedError`` when the file is too short."""
        left = self._size
        taken: Future[None] | None = None
        with ThreadPoolExecutor(1, "muster-digests") as worker:
            while left:
                content = self._file.read(min(left, MIB))
                if not content:
                    raise DamagedError
                left -= len(content)
                if taken:
                    taken.result()
                taken = worker.submit(self._digests.update, content)
                yield content
            if taken:
                taken.result()


def send(sent: Sent, address: str, timeout: float) -> tuple[int, str | None, str]:
    """The size and CRC32C that Google reports once it has the file, and the CRC32C of what was sent.

    ``DamagedError`` when the file is not as it was staged: then Google never gets the last bytes, and makes no object.
    Other errors are those of ``requests`` and ``google.api_core``. ``address`` authorizes the requests by itself.
    """
    digests = Digests()
    first = (sent.size - 1) // _STEP * _STEP
    with sent.path.open("rb") as file, requests.Session() as session:

        def put(body: Any, start: int, **headers: str) -> requests.Response:
            headers["Content-Range"] = f"bytes {start}-{start + len(body) - 1}/{sent.size}"
            return session.put(address, data=body, headers=headers, timeout=timeout, allow_redirects=False)

        begun = _expect(put(_Beginning(file, first, digests), 0), _GO_ON)
        if begun.headers.get("Range") != f"bytes=0-{first - 1}":
            raise PassingError(_LOST)
        last = file.read(sent.size - first + 1)  # a byte more than there should be
        digests.update(last)
        sent.check(digests.sha256())
        found = _expect(put(last, first, **{"X-Goog-Hash": f"crc32c={digests.crc32c()}"}), _DONE).json()
    return int(found.get("size", 0)), found.get("crc32c"), digests.crc32c()


def _expect(answer: requests.Response, statuses: Container[int]) -> requests.Response:
    if answer.status_code >= 400:
        raise from_http_response(answer)  # type: ignore[no-untyped-call]
    if answer.status_code not in statuses:
        raise PassingError(_LOST)
    return answer
