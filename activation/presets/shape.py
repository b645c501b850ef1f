"""The parts of a receiver preset, as frozen data: what one receiver documents about the files it takes.

Written settings override a preset: it supplies defaults for what is not written, and knows what the receiver would
refuse. ``presets.receivers`` has a table per receiver.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from muster.activation.model.workspace import IDENTITY_PREFIX, Column, Format

SHA256: Literal["sha256"] = "sha256"
HASHED = "hash_unless_hashed"  # the last transform of a column of SHA-256 hashes: values that are such hashes stay

Hashed = Literal["no", "usually", "always"]
Hash = Literal["md5", "sha1", "sha256", "sha256_base64"]
Setting = str | int | bool


@dataclass(frozen=True)
class Header:
    """A column that the receiver knows; ``name`` is the header that its file must have."""

    name: str
    holds: str
    sources: tuple[str, ...] = ()  # lower-case profile columns and namespaces that map to it without a ``target``
    transform: tuple[str, ...] = ()  # unless one is written
    hashed: Hashed = "no"  # usually: the receiver also takes plain values
    by: Hash = SHA256  # the hash function
    at_most: int | None = 1  # columns with this header in one file; None: any number

    def in_region(self, region: str) -> tuple[str, ...]:
        """The transform with a default region, two letters or a profile column, for phone numbers."""
        return tuple(f"e164({region})" if step == "e164" else step for step in self.transform)


@dataclass(frozen=True)
class Others:
    """Headers beside the known ones: all that match ``pattern`` as a whole."""

    pattern: str
    words: str  # the pattern for people
    holds: str  # what the receiver does with these columns
    may_identify: bool = False  # the receiver may know people by a column of profile ids, identities or keys
    any_spelling: bool = False  # a header like a known one in another spelling is another column, and no mistake


@dataclass(frozen=True)
class Page:
    """A page of the receiver's own documentation."""

    url: str
    looked_at: date
    dated: str = ""  # the date that the page itself, or the stored copy that was read, has; empty if it has none


@dataclass(frozen=True)
class Limits:
    """Limits of one file; None where the receiver documents none."""

    rows: int | None = None
    size: int | None = None  # bytes before compression
    columns: int | None = None
    others: int | None = None  # columns beside the known ones
    few_rows: int | None = None  # the receiver advises against fewer


@dataclass(frozen=True)
class Preset:
    """The documented form of a receiver's files. ``csv`` has the options whose defaults differ from muster's."""

    receiver: str
    about: str
    headers: tuple[Header, ...]
    pages: tuple[Page, ...]
    example: str  # the ``mapping:`` of an example, as YAML
    others: Others | None = None
    needs: tuple[tuple[str, ...], ...] = ()  # a file must have all columns of at least one group
    identifies: tuple[tuple[str, ...], ...] = ()  # see ``known_by``; empty where the groups are those of ``needs``
    country: str = ""  # the header whose source is the region of phone numbers, unless ``region`` is written
    together: tuple[tuple[str, ...], ...] = ()  # a file has all columns of a group, or none
    apart: tuple[tuple[str, str], ...] = ()  # a file has at most one of each pair
    limits: Limits = Limits()
    takes_lists: bool = True  # False: a list, a struct or a map cannot be a value of any column
    format: Format = "csv"
    csv: Mapping[str, Setting] = field(default_factory=dict)
    # The only accepted values of settings such as ``compression`` and ``csv.encoding``.
    takes: Mapping[str, tuple[Setting, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    uncertain: tuple[str, ...] = ()  # what the pages leave open, and what muster does there
    name: str = ""  # the name of its module, set by ``presets.get``

    def header(self, name: str) -> Header | None:
        """The known column of exactly this name; None when there is none."""
        return next((each for each in self.headers if each.name == name), None)

    def meant_by(self, source: str) -> Header | None:
        """The known column that a source maps to when no target is written.

        The whole name of the source counts, so ``loyalty.state`` is not a state.
        """
        name = source.removeprefix(IDENTITY_PREFIX).casefold()
        return next((each for each in self.headers if name in {each.name.casefold(), *each.sources}), None)

    def admits(self, name: str) -> bool:
        """Whether the receiver takes a column of this name."""
        if self.header(name) is not None:
            return True
        if self.others is None or not re.fullmatch(self.others.pattern, name):
            return False
        return self.others.any_spelling or not self.nearly(name)

    def nearly(self, name: str) -> str | None:
        """The known column whose name differs only in letter case and punctuation; None when there is none."""
        return next((each.name for each in self.headers if each.name != name and _bare(each.name) == _bare(name)), None)

    @property
    def known_by(self) -> tuple[tuple[str, ...], ...]:
        """The groups of headers by which the receiver knows people: by a value in each column of one group."""
        return self.identifies or self.needs

    @property
    def takes_region(self) -> bool:
        """Whether a transform of the preset reads the region of phone numbers."""
        return any("e164" in header.transform for header in self.headers)

    def identifying(self, targets: Collection[str], ids: Collection[str]) -> tuple[tuple[str, ...], ...]:
        """The groups of headers among ``targets`` by which the receiver knows people.

        A profile is known by a value in each column of one group. ``ids`` are the targets that hold the profile id, an
        identity or a key (M3). Without a group nothing can be said of anybody.
        """
        known = [group for group in self.known_by if all(name in targets for name in group)]
        own = [name for name in targets if name in ids and self.header(name) is None]
        return (*known, *((name,) for name in own if self.others and self.others.may_identify))

    def brought(self, columns: tuple[Column, ...]) -> tuple[Column, ...]:
        """The mapped columns whose profile values must already be hashes, because no transform hashes them."""
        return tuple(
            each
            for each in columns
            if not each.transform and (header := self.header(each.target)) and header.hashed != "no"
        )


def _bare(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())
