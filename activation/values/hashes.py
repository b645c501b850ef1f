"""Hashes of text, as hex digits or as base64 of the raw bytes, and values that are such hashes already (M1)."""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl
from polars_hash import CryptographicHashingNameSpace, NonCryptographicHashingNameSpace


@dataclass(frozen=True)
class Hash:
    """One hash function and the form of its hashes."""

    words: str  # for messages
    size: int  # bytes
    hex_of: Callable[[pl.Expr], pl.Expr]
    in_base64: bool = False

    def of(self, text: pl.Expr) -> pl.Expr:
        """The hash of each text's UTF-8 bytes; null for an empty text, whose hash would look like a value."""
        found = self.hex_of(pl.when(text != "").then(text))
        return base64_of_hex(found) if self.in_base64 else found

    def is_hash(self, text: pl.Expr) -> pl.Expr:
        """Whether each text, without white space around it, has the form of a hash by this function; null stays null.

        Where hashes are base64, one in hex digits is a hash too.
        """
        return text.str.strip_chars().str.contains(rf"\A(?:{self.pattern})\z")

    def is_other_hash(self, text: pl.Expr) -> pl.Expr:
        """Whether each text has the form of a hash that ``is_hash`` refuses: of another size, or in base64."""
        return text.str.strip_chars().str.contains(_ANY_HASH) & self.is_hash(text).not_()

    def as_hash(self, text: pl.Expr) -> pl.Expr:
        """Each text that ``is_hash`` in the form of ``of``: hex digits in lower case, or base64."""
        trimmed = text.str.strip_chars()
        if not self.in_base64:
            return trimmed.str.to_lowercase()
        is_hex = trimmed.str.contains(rf"\A{self._hex}\z")
        return pl.when(is_hex).then(base64_of_hex(trimmed)).otherwise(trimmed)

    @property
    def form(self) -> str:
        """The form of these hashes, for messages: ``SHA-256 hashes in 64 hex digits``."""
        return f"{self.words} hashes in {'base64' if self.in_base64 else f'{2 * self.size} hex digits'}"

    @property
    def pattern(self) -> str:
        """The regular expression of such hashes; where they are base64, of hex digits too."""
        return self._hex + self._base64

    @property
    def _hex(self) -> str:
        return f"[0-9a-fA-F]{{{2 * self.size}}}"

    @property
    def _base64(self) -> str:
        """The pattern of base64 beside that of hex digits; empty where base64 is not expected."""
        padding = -self.size % 3
        return f"|[A-Za-z0-9+/]{{{(4 * self.size + 2) // 3}}}{'=' * padding}" if self.in_base64 else ""


def base64_of_hex(text: pl.Expr) -> pl.Expr:
    """Base64 of the bytes that hex digits spell; null for text of other characters."""
    return text.str.decode("hex", strict=False).bin.encode("base64")


def base64_of_hash(text: pl.Expr) -> pl.Expr:
    """Base64 of the bytes of a hash in hex digits; null for text that is no such hash."""
    trimmed = text.str.strip_chars()
    forms = "|".join(f"[0-9a-fA-F]{{{2 * each.size}}}" for each in HASHES.values())
    return base64_of_hex(pl.when(trimmed.str.contains(rf"\A(?:{forms})\z")).then(trimmed))


def xxh3(text: pl.Expr) -> pl.Expr:
    """The xxh3 hash (UInt64) of each text, stable across versions of Polars; null stays null."""
    return NonCryptographicHashingNameSpace(text).xxh3_64()


def _md5(text: pl.Expr) -> pl.Expr:
    return NonCryptographicHashingNameSpace(text).md5()


def _sha1(text: pl.Expr) -> pl.Expr:
    return NonCryptographicHashingNameSpace(text).sha1()


def _sha256(text: pl.Expr) -> pl.Expr:
    return CryptographicHashingNameSpace(text).sha2_256()


HASHES = {
    "md5": Hash("MD5", 16, _md5),
    "sha1": Hash("SHA-1", 20, _sha1),
    "sha256": Hash("SHA-256", 32, _sha256),
    "md5_base64": Hash("MD5", 16, _md5, in_base64=True),
    "sha1_base64": Hash("SHA-1", 20, _sha1, in_base64=True),
    "sha256_base64": Hash("SHA-256", 32, _sha256, in_base64=True),
}
_ANY_HASH = rf"\A(?:{'|'.join(each.pattern for each in HASHES.values() if each.in_base64)})\z"
