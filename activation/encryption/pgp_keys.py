"""OpenPGP keys as their files hold them: what they are good for, and until when (SPEC 7). Needs pysequoia.

    packets: key, signatures, user id, signatures, subkey, signatures, ...      of a private part that is elsewhere GnuPG writes a stub

A key is judged by its newest signatures. When it ends is a fact of the file and compared with the instant of the
command (E1): Sequoia would compare with the machine's clock. Nothing that the library says of a file is repeated: it
may quote what is in it.
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
_LOCKED = (b"\xfe", b"\xff")  # how a private part that is locked begins
_ELSEWHERE = b"\x65"  # GnuPG's own way to lock: there is nothing to be opened, the part is offline or on a card
_REVOKED = (SignatureType.KeyRevocation, SignatureType.SubkeyRevocation)


@dataclass(frozen=True)
class Found:
    """The key in a file; ``expires`` is when nothing can be encrypted to it, or signed by it, any more."""

    fingerprint: str
    expires: datetime | None


@dataclass(frozen=True)
class _Part:
    """The primary key, or a subkey, and what is signed about it."""

    key: Packet
    signatures: list[Packet] = field(default_factory=list)

    @property
    def is_revoked(self) -> bool:
        return any(each.signature_type in _REVOKED for each in self.signatures)

    def serves(self, purpose: Purpose) -> bool:
        """Whether it may be used so, by the newest signature that tells uses."""
        told = [each for each in self._by_time() if each.key_flags is not None]
        return bool(told) and not self.is_revoked and _allows(told[-1].key_flags, purpose)

    @property
    def ends(self) -> datetime | None:
        """When it expires, by its newest signature."""
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
    """The recipient's key of a file; ``KeyFileError`` when files cannot be encrypted to it, at whatever instant."""
    if any(packet.tag in _SECRET for packet in _packets(content)):
        raise KeyFileError(
            "holds a private key where a public one belongs; export that with gpg --export --armor, and share no other"
        )
    with _understood():
        cert = Cert.from_bytes(content)
    found = _inspected(cert, "encrypt")
    try:
        pysequoia.encrypt(b"", [cert], armor=False)
    except Exception:  # noqa: BLE001  # the library has no errors of its own
        raise KeyFileError(
            f"holds the key {named(found.fingerprint)}, to which nothing can be encrypted that is still thought safe"
        ) from None
    return found


def private_key(content: bytes) -> Found:
    """The key of a file that signs; ``KeyFileError`` when it cannot, at whatever instant and with whatever passphrase."""
    packets = _packets(content)
    if not any(packet.tag in _SECRET for packet in packets):
        raise KeyFileError("holds a public key; to sign takes the private one, see gpg --export-secret-keys --armor")
    with _understood():
        cert = Tsk.from_bytes(content).extract_certificate()
        absent = _stubs(packets, cert)
    return _inspected(cert, "sign", absent)


def without_stubs(content: bytes) -> bytes:
    """The private key of a file, with public parts for those whose private part is elsewhere: the library would try to sign with those."""
    packets = _packets(content)
    stubs = _stubs(packets, Tsk.from_bytes(content).extract_certificate())
    return b"".join(bytes(stubs.get(packet.fingerprint, packet)) for packet in packets) if stubs else content


def _stubs(packets: Iterable[Packet], cert: Cert) -> dict[str | None, Packet]:
    """The public parts, by fingerprint, of a private key's parts that are elsewhere."""
    public = {each.fingerprint: each for each in PacketPile.from_bytes(bytes(cert)) if each.tag in _PRIMARY + _SUBKEYS}
    private = [each for each in packets if each.tag in _SECRET and each.fingerprint in public]
    return {
        each.fingerprint: public[each.fingerprint]
        for each in private
        if _is_elsewhere(each.body, public[each.fingerprint].body)
    }


def _is_elsewhere(private: bytes, public: bytes) -> bool:
    """Whether what follows the public part, which the private one begins with, is a stub: how it is locked, a cipher, a kind."""
    rest = private.removeprefix(public)
    return private.startswith(public) and rest[:1] in _LOCKED and rest[2:3] == _ELSEWHERE


def named(fingerprint: str) -> str:
    """A key as a person tells it from others: the end of its fingerprint, as gpg shows it."""
    return fingerprint[-16:].upper()


@contextmanager
def _understood() -> Iterator[None]:
    try:
        yield
    except Exception:  # noqa: BLE001  # the library has no errors of its own
        raise KeyFileError(
            "holds a key that is damaged, or signed in a way that is not thought safe any more"
        ) from None


def _packets(content: bytes) -> list[Packet]:
    """The packets of a file that holds one key."""
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


def _inspected(cert: Cert, purpose: Purpose, absent: Container[str | None] = ()) -> Found:
    """When a key ends for a purpose; ``KeyFileError`` when it never serves that. ``absent``: parts whose private part is not there."""
    with _understood():
        parts = list(_parts(PacketPile.from_bytes(bytes(cert))))
        is_revoked, whole = cert.is_revoked, cert.expiration
    if is_revoked or parts[0].is_revoked:
        raise KeyFileError(f"holds the key {named(cert.fingerprint)}, which is revoked; ask its owner for the new one")
    serving = [part for part in parts if part.serves(purpose)]
    if not serving:
        what = "encrypted to" if purpose == "encrypt" else "signed with"
        raise KeyFileError(
            f"holds the key {named(cert.fingerprint)}, of which nothing may be {what}: it has no such subkey, "
            f"or it is revoked"
        )
    serving = [part for part in serving if part.key.fingerprint not in absent]
    if not serving:
        raise KeyFileError(
            f"holds the key {named(cert.fingerprint)}, but not the private part that signs, which is kept elsewhere; "
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
