"""The nouns of receiver presets: what one receiver of files documents of them. Frozen data; ``muster.activation.presets`` has a table each.

A preset stands below what is written in the YAML: it says what is not written, and knows what the receiver would
refuse.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from muster.activation.model.workspace import IDENTITY_PREFIX, Column, Format

SHA256: Literal["sha256"] = "sha256"

Hashed = Literal["no", "usually", "always"]
Hash = Literal["md5", "sha1", "sha256"]
Setting = str | int | bool


@dataclass(frozen=True)
class Header:
    """A column that the receiver knows, by the name that its file has to give it."""

    name: str
    holds: str
    sources: tuple[
        str, ...
    ] = ()  # profile columns and namespaces that are meant by it when no target is written; lower case
    transform: tuple[str, ...] = ()  # unless one is written
    hashed: Hashed = "no"  # usually: plain values are taken too, if the YAML asks for them
    by: Hash = SHA256  # what they are hashed by


@dataclass(frozen=True)
class Others:
    """Headers beside the known ones: every one that matches ``pattern`` as a whole."""

    pattern: str
    words: str  # what matches it
    holds: str  # what the receiver makes of them


@dataclass(frozen=True)
class Page:
    """A page of the receiver's own documentation."""

    url: str
    looked_at: date


@dataclass(frozen=True)
class Limits:
    """Of one file; None for none that is documented."""

    rows: int | None = None
    size: int | None = None  # bytes before compression
    columns: int | None = None
    others: int | None = None  # columns beside the known ones
    few_rows: int | None = None  # the receiver advises against fewer


@dataclass(frozen=True)
class Preset:
    """What a receiver takes. ``csv`` holds the options that differ from muster's own."""

    receiver: str
    about: str
    headers: tuple[Header, ...]
    pages: tuple[Page, ...]
    example: str  # the ``mapping:`` of an example, as YAML
    others: Others | None = None
    needs: tuple[tuple[str, ...], ...] = ()  # one of these groups has to be there as a whole
    together: tuple[tuple[str, ...], ...] = ()  # each as a whole or not at all
    apart: tuple[tuple[str, str], ...] = ()  # not both in one file
    limits: Limits = Limits()
    format: Format = "csv"
    csv: Mapping[str, Setting] = field(default_factory=dict)
    takes: Mapping[str, tuple[Setting, ...]] = field(
        default_factory=dict
    )  # ``compression``, ``csv.encoding``: nothing else
    notes: tuple[str, ...] = ()
    name: str = ""  # its module's

    def header(self, name: str) -> Header | None:
        """The known column of exactly this name."""
        return next((each for each in self.headers if each.name == name), None)

    def meant_by(self, source: str) -> Header | None:
        """The known column that a source means when no target is written: by its whole name, so that no ``loyalty.state`` is a state."""
        name = source.removeprefix(IDENTITY_PREFIX).casefold()
        return next((each for each in self.headers if name in {each.name.casefold(), *each.sources}), None)

    def admits(self, name: str) -> bool:
        """Whether a file may have a column of this name."""
        return self.header(name) is not None or bool(
            self.others and re.fullmatch(self.others.pattern, name) and not self.nearly(name)
        )

    def nearly(self, name: str) -> str | None:
        """The known column that this name would be but for letter case and punctuation."""
        return next((each.name for each in self.headers if each.name != name and _bare(each.name) == _bare(name)), None)

    def brought(self, columns: tuple[Column, ...]) -> tuple[Column, ...]:
        """The columns whose values have to be hashes when they come, for nothing is done to them: those that muster hashes are."""
        return tuple(
            each
            for each in columns
            if not each.transform and (header := self.header(each.target)) and header.hashed != "no"
        )


def _bare(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())
