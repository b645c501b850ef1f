"""How a file is cut into parts for S3, and the checksums that S3 then reports of it (F3)."""

import hashlib
from base64 import b64encode
from collections.abc import Iterable, Iterator
from pathlib import Path

from muster.activation.stores.protocol import Sent

MIB = 1 << 20
WHOLE = 32 * MIB  # bytes up to which a file is one request
PART = 8 * MIB  # bytes of a part, or more for a file that would have more parts than S3 takes
MOST_PARTS = 10_000
AT_ONCE = 8  # parts that are sent at a time; these and one more are in memory
_IN_MEMORY = 128 * MIB  # bytes of parts in memory: of larger parts fewer are sent at a time


def is_whole(sent: Sent) -> bool:
    """Whether a file is sent in one request."""
    return sent.size <= WHOLE


def part_size(size: int) -> int:
    """Bytes of each part of a file, in whole MiB: as many as keep the number of parts within S3's limit."""
    return max(PART, -(-size // (MOST_PARTS * MIB)) * MIB)


def at_once(part: int) -> int:
    """How many parts of this size are sent at a time."""
    return max(1, min(AT_ONCE, _IN_MEMORY // part))


def pieces(path: Path, size: int) -> Iterator[bytes]:
    """A file from its beginning to its end, in pieces of this size."""
    with path.open("rb") as file:
        while content := file.read(size):
            yield content


def digest_of(parts: Iterable[bytes]) -> str:
    """The checksum of a file in parts: the SHA-256 of its parts' SHA-256s, in base64, as S3 writes it."""
    return b64encode(hashlib.sha256(b"".join(parts)).digest()).decode()


def checksum(sent: Sent) -> str:
    """The checksum that S3 must report, in base64, without the number of parts.

    Of a file in one request it is the SHA-256, of others ``digest_of`` the SHA-256 of each part.
    """
    if is_whole(sent):
        return b64encode(bytes.fromhex(sent.sha256)).decode()
    return digest_of(hashlib.sha256(content).digest() for content in pieces(sent.path, part_size(sent.size)))


def md5(sent: Sent, *, of_parts: bool) -> str:
    """The entity tag of a file without encryption, in hex: the MD5 of its bytes, or of its parts' MD5s."""
    whole, parts = hashlib.md5(usedforsecurity=False), hashlib.md5(usedforsecurity=False)
    for content in pieces(sent.path, part_size(sent.size)):
        if of_parts:
            parts.update(hashlib.md5(content, usedforsecurity=False).digest())
        else:
            whole.update(content)
    return (parts if of_parts else whole).hexdigest()
