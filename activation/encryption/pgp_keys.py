"""OpenPGP keys as key files contain them: what each can be used for, and until when (SPEC 7). Needs pysequoia.

    packets: key, signatures, user id, signatures, subkey, signatures, ...

A private part that is kept elsewhere (offline, on a card) is in GnuPG's export as a stub. A key is judged by its newest
signatures. The end of a key is read from the file and compared with the instant of the command (E1): Sequoia would
compare with the machine's clock. Messages repeat nothing that the library says: it may quote the file.
"""

from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import pysequoia
from pysequoia import Cert, Tsk
from pysequoia.packet import KeyFlags, Packet, PacketPile, SignatureType, Tag

from muster.activation.encryption.key_files import KeyFileError

Purpose = Literal["encrypt", "sign"]
_PRIMARY = (Tag.PublicKey, Tag.SecretKey)
_SUBKEYS = (Tag.PublicSubkey, Tag.SecretSubkey)
_SECRET = (Tag.SecretKey, Tag.SecretSubkey)
_LOCKED = (b"\xfe", b"\xff")  # the first byte of a locked private part
_ELSEWHERE = b"\x65"  # GnuPG's mark of a stub: the private part is offline or on a card
_REVOKED = (SignatureType.KeyRevocation, SignatureType.SubkeyRevocation)


@dataclass(frozen=True)
class Found:
    """A usable key in a file; from ``expires`` on, nothing can be encrypted to it or signed by it."""

    fingerprint: str
    expires: datetime | None


@dataclass(frozen=True)
class _Part:
    """The primary key or a subkey, with the signatures about it."""

    key: Packet
    signatures: list[Packet] = field(default_factory=list)

    @property
    def is_revoked(self) -> bool:
        return any(each.signature_type in _REVOKED for each in self.signatures)

    def serves(self, purpose: Purpose) -> bool:
        """Whether the newest signature with key flags allows the purpose."""
        flagged = [each for each in self._by_time() if each.key_flags is not None]
        return bool(flagged) and not self.is_revoked and _allows(flagged[-1].key_flags, purpose)

    @property
    def ends(self) -> datetime | None:
        """The instant at which the part expires, by its newest signature; None for never."""
        bound = [each for each in self._by_time() if each.signature_type not in _REVOKED]
        period, created = bound[-1].key_validity_period if bound else None, self.key.key_created
        return created + period if created and period else None

    def _by_time(self) -> list[Packet]:
        dated = [
            (each.signature_created, number) for number, each in enumerate(self.signatures) if each.signature_created
        ]
        return [self.signatures[number] for _, number in sorted(dated)]


def _allows(flags: KeyFlags | None, purpose: Purpose) -> bool:
    if flags is None:
        return False
    return flags.signing if purpose == "sign" else flags.transport_encryption or flags.storage_encryption


def public_key(content: bytes) -> Found:
    """The recipient's key in a file; ``KeyFileError`` when files can never be encrypted to it."""
    if any(packet.tag in _SECRET for packet in _packets(content)):
        raise KeyFileError(
            "holds a private key where a public one belongs; export the public key with gpg --export --armor, and "
            "share only that"
        )
    with _describing_failures():
        cert = Cert.from_bytes(content)
    found = _inspect(cert, "encrypt")
    try:
        pysequoia.encrypt(b"", [cert], armor=False)
    except Exception:  # noqa: BLE001  # the library has no errors of its own
        raise KeyFileError(
            f"holds the key {named(found.fingerprint)}, which supports no encryption that is still considered safe"
        ) from None
    return found


def private_key(content: bytes) -> Found:
    """The signing key in a file; ``KeyFileError`` when it can never sign, with any passphrase."""
    packets = _packets(content)
    if not any(packet.tag in _SECRET for packet in packets):
        raise KeyFileError("holds a public key; signing needs the private key: gpg --export-secret-keys --armor")
    with _describing_failures():
        cert = Tsk.from_bytes(content).extract_certificate()
        absent = _stubs(packets, cert)
    return _inspect(cert, "sign", absent)


def without_stubs(content: bytes) -> bytes:
    """The private key in a file, with stubs replaced by public parts: the library would try to sign with stubs."""
    packets = _packets(content)
    stubs = _stubs(packets, Tsk.from_bytes(content).extract_certificate())
    return b"".join(bytes(stubs.get(packet.fingerprint, packet)) for packet in packets) if stubs else content


def _stubs(packets: Iterable[Packet], cert: Cert) -> dict[str | None, Packet]:
    """The public parts, by fingerprint, of those parts of a private key that are stubs."""
    public = {each.fingerprint: each for each in PacketPile.from_bytes(bytes(cert)) if each.tag in _PRIMARY + _SUBKEYS}
    private = [each for each in packets if each.tag in _SECRET and each.fingerprint in public]
    return {
        each.fingerprint: public[each.fingerprint]
        for each in private
        if _is_elsewhere(each.body, public[each.fingerprint].body)
    }


def _is_elsewhere(private: bytes, public: bytes) -> bool:
    """Whether a private part is a stub.

    A private part begins with the public one; then come the kind of lock, a cipher and the kind of key derivation.
    """
    rest = private.removeprefix(public)
    return private.startswith(public) and rest[:1] in _LOCKED and rest[2:3] == _ELSEWHERE


def named(fingerprint: str) -> str:
    """The long key id, as gpg shows it: the end of the fingerprint."""
    return fingerprint[-16:].upper()


@contextmanager
def _describing_failures() -> Iterator[None]:
    """Turn the library's errors inside the block into ``KeyFileError``."""
    try:
        yield
    except Exception:  # noqa: BLE001  # the library has no errors of its own
        raise KeyFileError(
            "holds a key that is damaged, or signed with an algorithm that is no longer considered safe"
        ) from None


def _packets(content: bytes) -> list[Packet]:
    """The packets of a key file; ``KeyFileError`` unless it contains exactly one key."""
    try:
        packets = list(PacketPile.from_bytes(content)) if content.strip() else []
    except Exception:  # noqa: BLE001  # the library has no errors of its own
        packets = []
    keys = sum(packet.tag in _PRIMARY for packet in packets)
    if not keys:
        raise KeyFileError("holds no OpenPGP key")
    if keys > 1:
        raise KeyFileError(f"holds {keys} keys; expected one a file")
    return packets


def _inspect(cert: Cert, purpose: Purpose, absent: Container[str | None] = ()) -> Found:
    """The key with its end for a purpose; ``KeyFileError`` when it never serves that.

    ``absent``: fingerprints of the parts that are stubs.
    """
    with _describing_failures():
        parts = list(_parts(PacketPile.from_bytes(bytes(cert))))
        is_revoked, whole = cert.is_revoked, cert.expiration
    if is_revoked or parts[0].is_revoked:
        raise KeyFileError(f"holds the key {named(cert.fingerprint)}, which is revoked; ask its owner for the new one")
    serving = [part for part in parts if part.serves(purpose)]
    if not serving:
        what = "encrypted to" if purpose == "encrypt" else "signed with"
        raise KeyFileError(
            f"holds the key {named(cert.fingerprint)}, which cannot be {what}: it has no such subkey, or it is revoked"
        )
    serving = [part for part in serving if part.key.fingerprint not in absent]
    if not serving:
        raise KeyFileError(
            f"holds the key {named(cert.fingerprint)}, but its private part that signs is kept elsewhere; "
            "give it a subkey that signs, and export that too"
        )
    ends = [whole if part is parts[0] else part.ends for part in serving]
    dated = [each for each in ends if each is not None]
    last = max(dated) if len(dated) == len(ends) else None
    return Found(cert.fingerprint, min((each for each in (last, whole) if each is not None), default=None))


def _parts(pile: PacketPile) -> Iterator[_Part]:
    part: _Part | None = None
    for packet in pile:
        if packet.tag in _PRIMARY + _SUBKEYS:
            if part:
                yield part
            part = _Part(packet)
        elif packet.tag == Tag.Signature and part:
            part.signatures.append(packet)
    if part:
        yield part
