"""How a file is cut for S3, and what S3 reports of it then (F3). Edge module: it reads the staged file."""

import hashlib
from base64 import b64encode
from collections.abc import Iterable, Iterator
from pathlib import Path

from muster.activation.stores.protocol import Sent

MIB = 1 << 20
WHOLE = 32 * MIB  # bytes up to which a file is one request
PART = 8 * MIB  # bytes of a part, or more for a file that would have more parts than S3 takes
MOST_PARTS = 10_000
AT_ONCE = 8  # parts that are on their way at a time; they and one more are in memory
_IN_MEMORY = 128 * MIB  # bytes of parts in memory: of larger parts fewer are on their way


def is_whole(sent: Sent) -> bool:
    """Whether a file goes in one request."""
    return sent.size <= WHOLE


def part_size(size: int) -> int:
    """Bytes of each part of a file, in whole MiB: so many that no limit on the number of parts cuts it."""
    return max(PART, -(-size // (MOST_PARTS * MIB)) * MIB)


def at_once(part: int) -> int:
    """How many parts of this size may be on their way."""
    return max(1, min(AT_ONCE, _IN_MEMORY // part))


def pieces(path: Path, size: int) -> Iterator[bytes]:
    """A file from its beginning to its end, in pieces of this size."""
    with path.open("rb") as file:
        while content := file.read(size):
            yield content


def digest_of(parts: Iterable[bytes]) -> str:
    """The checksum of a file in parts: that of its parts' SHA-256, in base64, as S3 writes it."""
    return b64encode(hashlib.sha256(b"".join(parts)).digest()).decode()


def checksum(sent: Sent) -> str:
    """What S3 reports of a file as it goes, without the number of parts: its SHA-256, or that of its parts' SHA-256."""
    if is_whole(sent):
        return b64encode(bytes.fromhex(sent.sha256)).decode()
    return digest_of(hashlib.sha256(content).digest() for content in pieces(sent.path, part_size(sent.size)))


def md5(sent: Sent, *, of_parts: bool) -> str:
    """The entity tag of a file without encryption, without the number of parts: its MD5, or that of its parts' MD5s, in hex."""
    whole, parts = hashlib.md5(usedforsecurity=False), hashlib.md5(usedforsecurity=False)
    for content in pieces(sent.path, part_size(sent.size)):
        if of_parts:
            parts.update(hashlib.md5(content, usedforsecurity=False).digest())
        else:
            whole.update(content)
    return (parts if of_parts else whole).hexdigest()
