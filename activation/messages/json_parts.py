"""JSON texts as pieces: constant text, and expressions over a frame that give text (V5, V6).

An object is put together so that null leaves out its key, and each comma stands beside a key that is there.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import isfinite
from typing import Any, TypeAlias

import polars as pl

NULL = "null"


@dataclass(frozen=True)
class Hole:
    """A place in a text where a list of texts goes: a list over the entries of a request (V6)."""

    shape: Any  # what the list has for each entry, as its maker knows it


Piece: TypeAlias = str | pl.Expr | Hole


@dataclass(frozen=True)
class Json:
    """A JSON value as pieces that make its text one behind the other.

    A value that may be null is a single expression, null where the value is; no other piece is ever null.
    """

    pieces: tuple[Piece, ...]
    may_be_null: bool = False

    @property
    def expr(self) -> pl.Expr:
        """The text of a value without holes: String, null for null."""
        if self.may_be_null:
            return self.pieces[0]  # type: ignore[return-value]  # an expression, as the class says
        return joined(self.pieces)


def constant(value: object) -> Json:
    """A value that is known: text, a number, a truth value, null. Not a number and infinities are null (M7)."""
    if value is None or (isinstance(value, float) and not isfinite(value)):
        return Json((pl.lit(None, pl.String),), may_be_null=True)
    return Json((quoted(value),))


def quoted(value: object) -> str:
    """The JSON text of a constant; ``ValueError`` for text with half of a surrogate pair, which is no character."""
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{json.dumps(value)} has half of a surrogate pair, which is no character") from error
    return text


def object_of(members: Sequence[tuple[str, Json]], *, empty_is_null: bool = False) -> Json:
    """An object of named values in their order; null leaves out its key.

    An object without any key is ``{}``, or null with ``empty_is_null``.
    """
    anchor = next((place for place, (_, value) in enumerate(members) if not value.may_be_null), None)
    if anchor is None:
        return _object_of_nullables(members, empty_is_null=empty_is_null)
    pieces: list[Piece] = ["{"]
    for place, (key, value) in enumerate(members):
        before, behind = ("", ",") if place < anchor else ("," if place > anchor else "", "")
        opening = f"{before}{quoted(key)}:"
        if value.may_be_null:
            pieces.append(pl.concat_str(pl.lit(opening), value.expr, pl.lit(behind)).fill_null(""))
        else:
            pieces += [opening, *value.pieces, behind]
    return Json(merged([*pieces, "}"]))


def _object_of_nullables(members: Sequence[tuple[str, Json]], *, empty_is_null: bool) -> Json:
    if not members:
        return constant(None) if empty_is_null else Json(("{}",))
    known = [pl.concat_str(pl.lit(f"{quoted(key)}:"), value.expr) for key, value in members]
    return enclosed("{", known, "}", empty_is_null=empty_is_null)


def enclosed(opening: str, texts: Sequence[pl.Expr], closing: str, *, empty_is_null: bool = False) -> Json:
    """The texts that are not null, joined by commas, between two constant ones; null without any if asked for."""
    inside = pl.concat_str(*texts, separator=",", ignore_nulls=True)
    if not empty_is_null:
        return Json((opening, inside, closing))
    whole = pl.concat_str(pl.lit(opening), inside, pl.lit(closing))
    return Json((pl.when(inside != "").then(whole),), may_be_null=True)


def list_of(values: Iterable[Json]) -> Json:
    """A list of values; null stays ``null``."""
    pieces: list[Piece] = ["["]
    for place, value in enumerate(values):
        pieces.append("," if place else "")
        pieces += [value.expr.fill_null(NULL)] if value.may_be_null else value.pieces
    return Json(merged([*pieces, "]"]))


def merged(pieces: Iterable[Piece]) -> tuple[Piece, ...]:
    """The pieces with neighbouring constant texts as one, and without empty ones."""
    found: list[Piece] = []
    for is_text, group in groupby(pieces, lambda piece: isinstance(piece, str)):
        if is_text:
            text = "".join(piece for piece in group if isinstance(piece, str))
            found += [text] if text else []
        else:
            found += group
    return tuple(found)


def joined(pieces: Iterable[Piece]) -> pl.Expr:
    """The text of pieces without holes, one behind the other: String, never null."""
    texts = [pl.lit(piece) if isinstance(piece, str) else piece for piece in merged(pieces)]
    if any(isinstance(text, Hole) for text in texts):
        raise TypeError("a list over profiles stands where none can")
    return pl.concat_str(*texts) if texts else pl.lit("")  # type: ignore[arg-type]  # expressions alone


def split(pieces: Iterable[Piece]) -> tuple[tuple[tuple[Piece, ...], ...], tuple[Hole, ...]]:
    """The runs of pieces before, between and behind holes, and the holes: one less than runs."""
    runs: list[list[Piece]] = [[]]
    holes: list[Hole] = []
    for piece in pieces:
        if isinstance(piece, Hole):
            holes.append(piece)
            runs.append([])
        else:
            runs[-1].append(piece)
    return tuple(merged(run) for run in runs), tuple(holes)
