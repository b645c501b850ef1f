"""Entries with their texts, and with the urls, methods and constant parts of the requests that can hold them (V6).

A frame of rendered entries has ``person``, ``audience``, ``is_exit``, ``identifiers`` as ``requests`` says,
``tells_exit``, and:

profile_id  String
pending_since  Datetime(us, UTC): of the person
namespace   String: of the key of aggregation; else null
shape       UInt8: the place in ``Shapes.all``
method      String; url String: null where a placeholder has no value
part(k)     String; text(k) String
"""

import json
from collections.abc import Iterator, Sequence
from urllib.parse import quote

import polars as pl

from muster.activation.frames import engine
from muster.activation.frames.columns import EXITED, PROFILE_ID, REALIZED, STATUS, TIME
from muster.activation.mapping.layout import Layout
from muster.activation.messages.entries import ALSO, AT, IDENTIFIER, KIND, NAMESPACE, TELLS_EXIT
from muster.activation.messages.json_parts import constant, quoted
from muster.activation.messages.profile_objects import json_of, profile_id_json, time_text
from muster.activation.messages.requests import (
    AUDIENCE,
    IDENTIFIERS,
    IS_EXIT,
    METHOD,
    PERSON,
    REQUEST_ID,
    URL,
    part,
    text,
)
from muster.activation.messages.shapes import OBJECT, Shapes, name_column
from muster.activation.model.request_tree import UrlPart
from muster.activation.profile_changes.people import IS_WITHDRAWAL, PENDING_SINCE, ToldAudience, sent
from muster.activation.values.message_json import message_json

SHAPE = "shape"


class Renderer:
    """Writes the texts of entries."""

    def __init__(self, shapes: Shapes, layout: Layout, told: Sequence[ToldAudience], kept: Sequence[str]) -> None:
        """``kept`` are the targets of which people have what was sent."""
        self._shapes, self._layout, self._kept = shapes, layout, frozenset(kept)
        self._audiences = {
            "audience.id": pl.Series([quoted(each.audience) for each in told]),
            "audience.alias": pl.Series([quoted(each.alias) if each.alias else None for each in told], dtype=pl.String),
            "audience.name": pl.Series([quoted(each.name) for each in told]),
        }

    def of(self, entries: pl.DataFrame, people: pl.DataFrame, objects: pl.Series | None) -> pl.DataFrame:
        """The entries of a part of the people; ``objects`` are those of the people, of ``payload: profile``."""
        own = self._of_people(people)
        own = own if objects is None else own.with_columns(objects.alias(OBJECT))
        named = entries.hstack(own[entries[AT]].get_columns())
        status = pl.when(IS_EXIT).then(pl.lit(EXITED)).otherwise(pl.lit(REALIZED)).alias(STATUS)
        named = engine.collect_inside(named.lazy().with_columns(status))
        named = named.with_columns(
            pl.Series(name_column(name), found) for name, found in self._of_audiences(named[AUDIENCE])
        )
        names = engine.collect_inside(named.lazy().with_columns(*self._of_entries(named.columns)))
        kinds = pl.Series(self._shapes.place_of_kind, dtype=pl.UInt8)
        whole = names.with_columns(kinds.gather(names[KIND]).alias(SHAPE))
        shaped = [self._shaped(found, place) for place, found in self._by_shape(whole)]
        return pl.concat(shaped, how="diagonal").sort("order").drop("order") if len(shaped) != 1 else shaped[0]

    def _by_shape(self, entries: pl.DataFrame) -> Iterator[tuple[int, pl.DataFrame]]:
        """The entries of each shape; all in one frame where there is one shape."""
        if len(self._shapes.all) == 1:
            yield 0, entries
            return
        ordered = entries.with_row_index("order")
        for place in range(len(self._shapes.all)):
            yield place, ordered.filter(pl.col(SHAPE) == place)

    def _shaped(self, entries: pl.DataFrame, place: int) -> pl.DataFrame:
        shape = self._shapes.all[place]
        one = pl.when(pl.col(IDENTIFIER).is_not_null()).then(pl.concat_list(IDENTIFIER))
        names = [PERSON, AUDIENCE, IS_EXIT, TELLS_EXIT, NAMESPACE, PENDING_SINCE, PROFILE_ID, SHAPE]
        frame = entries.lazy().select(
            *(pl.col(name) for name in ("order", *names) if name in entries.columns),
            one.alias(IDENTIFIERS),
            pl.lit(shape.method).alias(METHOD),
            *(expr.alias(part(k)) for k, expr in enumerate(shape.parts)),
            *(expr.alias(text(k)) for k, expr in enumerate(shape.texts)),
        )
        return engine.collect_inside(frame).with_columns(_urls(entries, shape.url).alias(URL))

    def _of_people(self, people: pl.DataFrame) -> pl.DataFrame:
        """The JSON of each name that is about a person alone, and what was sent under kept targets."""
        found = [profile_id_json(self._layout).alias(name_column("profile_id"))]
        for field in self._shapes.named_fields:
            name = field.column.name
            if field.role == "profile_id":
                found.append(json_of(field, self._layout).alias(name_column(name)))
            elif field.role == "attribute":
                newest = pl.when(~pl.col(IS_WITHDRAWAL)).then(json_of(field, self._layout))
                found.append(newest.alias(name_column(name)))
        kept = [sent(each.column.name) for each in self._shapes.named_fields if each.column.name in self._kept]
        names = {expr.meta.output_name(): expr for expr in found}  # a target stands before a reserved name
        return engine.collect_inside(people.lazy().select(PENDING_SINCE, PROFILE_ID, *names.values(), *kept))

    def _of_audiences(self, places: pl.Series) -> Iterator[tuple[str, pl.Series]]:
        for name in self._shapes.reserved & self._audiences.keys():
            yield name, self._audiences[name].gather(places)

    def _of_entries(self, columns: Sequence[str]) -> Iterator[pl.Expr]:
        """The JSON of names that are about an entry."""
        for name in self._shapes.reserved:
            if name == "status":
                yield message_json(pl.col(STATUS), pl.String()).alias(name_column(name))
            elif name == "last_qualification_time":
                text = pl.concat_str(pl.lit('"'), time_text(pl.col(TIME)), pl.lit('"'))
                yield text.alias(name_column(name))
            elif name == "run.id":
                yield pl.lit(quoted(self._shapes.run_id)).alias(name_column(name))
            elif name == "namespace":
                yield constant(self._layout.namespace).expr.alias(name_column(name))
        for field in self._shapes.named_fields:
            if field.role in {"status", "time"}:
                yield message_json(field.expr, field.dtype).alias(name_column(field.column.name))
            elif field.column.name in self._kept:
                yield self._of_kept(field.column.name, columns)
            elif field.role == "identity" and name_column(field.column.name) not in columns:
                yield pl.lit(None, pl.String).alias(name_column(field.column.name))

    @staticmethod
    def _of_kept(name: str, columns: Sequence[str]) -> pl.Expr:
        """The value under a kept target: in exits what was sent, which is null where it is not known (X12)."""
        before, newest = pl.col(sent(name)), pl.col(name_column(name))
        which = pl.when(IS_EXIT).then(before).otherwise(newest)
        if ALSO in columns:
            which = pl.when(pl.col(ALSO).is_not_null()).then(pl.col(ALSO).struct.field(name)).otherwise(which)
        return which.alias(name_column(name))


def _urls(entries: pl.DataFrame, url: Sequence[UrlPart]) -> pl.Series:
    """The url of each entry, values percent-encoded; null where one of them is null or empty."""
    if not any(piece.is_name for piece in url):
        whole = "".join(piece.text for piece in url)
        return pl.Series(URL, [whole], dtype=pl.String).new_from_index(0, entries.height)
    pieces = [_encoded(entries, piece.text) if piece.is_name else pl.lit(piece.text) for piece in url]
    return engine.collect_inside(entries.lazy().select(pl.concat_str(pieces).alias(URL)))[URL]


def _encoded(entries: pl.DataFrame, name: str) -> pl.Expr:
    """The values of a name as a url has them."""
    if name == "request.id":
        return pl.lit(REQUEST_ID)
    column = name_column(name)
    values = entries[column].unique().drop_nulls()
    encoded = pl.Series([url_text(value) for value in values], dtype=pl.String)
    return pl.col(column).replace_strict(values, encoded, default=None, return_dtype=pl.String)


def url_text(value: str) -> str | None:
    """A JSON value as a piece of a url; None for an empty text. A piece of dots alone would lead to another path."""
    found = json.loads(value) if value.startswith('"') else value
    if not found:
        return None
    return quote(found, safe="") if found.strip(".") else found.replace(".", "%2E")
