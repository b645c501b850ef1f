"""The shapes that a delivered file can have, a table; and one of each, delivered by muster and unpacked by others.

A new option of ``csv:`` is a row of ``SHAPES``, and a word for it in each reader of ``support.readers``.
"""

import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.gnupg import Gpg
from support.hostile_rows import NAMES, PEOPLE, PLAIN, Person, profiles
from support.shop import Shop

AT = "2026-11-20T02:00Z"
SUFFIXES = {"none": "", "gzip": ".gz", "zstd": ".zst", "zip": ".zip"}
UNPACK = {"gzip": ["gzip", "-dc"], "zstd": ["zstd", "-qdc"], "zip": ["unzip", "-p"]}


@dataclass(frozen=True)
class Shape:
    """How a destination writes its files, and which people and columns such files can hold."""

    name: str
    format: str = "csv"
    csv: Mapping[str, Any] = field(default_factory=dict)
    compression: str = "none"
    is_encrypted: bool = False
    audience: str = "all"  # all, plain, latin, nobody

    @property
    def id(self) -> str:
        """The destination's id."""
        return self.name.replace(" ", "-")

    def get(self, option: str) -> Any:
        """The value of an option of ``csv:``, its default where the shape says nothing."""
        is_wide = self.csv.get("encoding") == "utf-16"
        defaults = {"delimiter": ",", "quote": '"', "quote_style": "necessary", "header": True, "null_value": ""}
        more = {"line_terminator": "\n", "bom": is_wide, "encoding": "utf-8", "escape": None}
        return self.csv.get(option, (defaults | more)[option])

    @property
    def names(self) -> Sequence[str]:
        """The columns of the file."""
        return PLAIN if self.audience == "plain" else NAMES

    @property
    def people(self) -> Sequence[Person]:
        """The people in the file, in its order."""
        chosen = {"plain": lambda each: each.is_plain, "latin": lambda each: each.is_latin, "nobody": lambda _: False}
        return [person for person in PEOPLE if chosen.get(self.audience, lambda _: True)(person)]

    def texts(self) -> list[list[str | None]]:
        """The rows that a CSV file holds, as text."""
        rows = [self._of_columns(person.texts) for person in self.people]
        if self.csv.get("sanitize_formulas"):  # of text alone: numbers are not run
            of_text = [name in {"id", "text", "note"} for name in self.names]
            return [
                [disarmed(each) if is_text else each for each, is_text in zip(row, of_text, strict=True)]
                for row in rows
            ]
        return rows

    def values(self) -> list[list[Any]]:
        """The rows that were put in, as values."""
        return [self._of_columns(person.values) for person in self.people]

    def _of_columns(self, row: Iterable[Any]) -> list[Any]:
        return [each for name, each in zip(NAMES, row, strict=True) if name in self.names]


def disarmed(text: str | None) -> str | None:
    """A text as `sanitize_formulas` writes it (M8): what a spreadsheet runs gets an apostrophe, numbers do not."""
    if text is None or not text.startswith(tuple("=+-@＝＋－＠\t\r\n")):
        return text
    return text if re.fullmatch(r"[+-]?[0-9][0-9 ().,/-]*", text) else f"'{text}"


def _variants(format: str, audience: str = "all", **csv: Any) -> list[Shape]:  # noqa: A002  # the key of a destination
    """A format with each compression, and, in its usual encoding, each of these encrypted."""
    name = " ".join([format, *csv.values()])
    codecs = ["none", "gzip", "zstd", *(["zip"] if format != "parquet" else [])]
    packed = [(f"{name} {codec}" if codec != "none" else name, codec) for codec in codecs]
    plain = [Shape(name, format, csv, codec, audience=audience) for name, codec in packed]
    sealed = [Shape(f"{name} pgp", format, csv, codec, is_encrypted=True) for name, codec in packed]
    return plain if csv else [*plain, *sealed]


SHAPES: tuple[Shape, ...] = (
    *_variants("csv"),
    *_variants("csv", encoding="utf-16"),
    *_variants("csv", "latin", encoding="latin-1"),
    *_variants("json"),
    *_variants("parquet"),
    Shape("quotes always", csv={"quote_style": "always"}),
    Shape("quotes around text", csv={"quote_style": "non_numeric"}),
    Shape("no quotes", csv={"quote_style": "never", "null_value": "NULL"}, audience="plain"),
    Shape("single quotes", csv={"quote": "'"}),
    Shape("semicolons", csv={"delimiter": ";"}),
    Shape("tabs", csv={"delimiter": "\t"}),
    Shape("bars", csv={"delimiter": "|", "quote_style": "always"}),
    Shape("crlf", csv={"line_terminator": "\r\n"}),
    Shape("bom", csv={"bom": True}),
    Shape("no header", csv={"header": False}),
    Shape("no rows", audience="nobody"),
    Shape("formulas disarmed", csv={"sanitize_formulas": True}),
    Shape("null as a word", csv={"null_value": "NULL"}),
    Shape("null as a word always quoted", csv={"null_value": "NULL", "quote_style": "always"}),
    Shape("null as in a dump", csv={"null_value": "\\N", "delimiter": "\t"}),
    Shape("backslashes", csv={"escape": "\\"}),
    Shape("backslashes and quotes always", csv={"escape": "\\", "quote_style": "always", "line_terminator": "\r\n"}),
    Shape("two bars", csv={"delimiter": "||"}),
    Shape(
        "two bars without quotes",
        csv={"delimiter": "||", "quote_style": "never", "null_value": "NULL"},
        audience="plain",
    ),
    Shape(
        "latin-1 for a dump",
        csv={"encoding": "latin-1", "delimiter": "\t", "escape": "\\", "null_value": "NULL"},
        audience="latin",
    ),
    Shape("three characters", csv={"delimiter": "~|~", "escape": "\\", "quote": "'"}),
    Shape("utf-16 without a mark", csv={"encoding": "utf-16", "bom": False}),
    Shape(
        "spreadsheet",
        csv={"encoding": "utf-16", "line_terminator": "\r\n", "delimiter": "\t", "null_value": "-"},
    ),
)
CSV = [shape for shape in SHAPES if shape.format == "csv"]


@dataclass(frozen=True)
class Delivered:
    """The file of each shape, as it was delivered and as its unpackers left it."""

    shop: Shop
    keyring: Gpg
    room: Path

    def packed(self, shape: Shape) -> Path:
        """The file as it was delivered."""
        [path] = [
            path for path in (self.shop.root / "out" / shape.id).iterdir() if not path.name.startswith("manifest-")
        ]
        return path

    def clear(self, shape: Shape) -> Path:
        """The file without encryption: as gpg decrypts it."""
        packed = self.packed(shape)
        if not shape.is_encrypted:
            return packed
        clear = self.room / packed.with_suffix("").name
        if not clear.exists():
            self.keyring("--output", str(clear), "--decrypt", str(packed))
        return clear

    def plain(self, shape: Shape) -> Path:
        """The file without encryption and compression: as gzip, zstd or unzip unpack it."""
        clear = self.clear(shape)
        if shape.compression == "none" or shape.format == "parquet":
            return clear
        plain = self.room / f"{shape.id}.{shape.format}"
        if not plain.exists():
            with plain.open("wb") as output:
                subprocess.run([*UNPACK[shape.compression], str(clear)], stdout=output, check=True)
        return plain


def deliver(root: Path, keyring: Gpg) -> Delivered:
    """Deliver a file of each shape, with one `muster evaluate`."""
    shop = Shop(root / "shop", profiles={"path": "data/profiles", "id": "id"})
    shop.profiles("2026-11-20", profiles())
    for audience, where in {"all": "true", "plain": "is_plain", "latin": "is_latin", "nobody": "false"}.items():
        shop.audience(audience, where=where)
    key = shop.root / "receiver.asc"
    key.write_bytes(keyring.public("receiver"))
    encryption = {"pgp": {"public_keys": [key.name]}}
    for shape in SHAPES:
        shop.destination(
            shape.id,
            format=shape.format,
            compression=shape.compression,
            mapping=list(shape.names),
            activations=[{"audience": shape.audience, "export": "full", "schedule": "after_evaluation"}],
            **({"csv": dict(shape.csv)} if shape.csv else {}),
            **({"encryption": encryption} if shape.is_encrypted else {}),
        )
    shop.evaluate(AT)
    room = root / "unpacked"
    room.mkdir()
    return Delivered(shop, keyring, room)
