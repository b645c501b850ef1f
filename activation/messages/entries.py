"""The entries of people: what one of a request's lists has one element for (V5, V6, M5, X12).

An entry is about a person, and as requests need it about one told audience, one kind of change, one identifier. Frames
of entries have:

person      UInt32; at UInt32: the position in the part of the people
audience    UInt16: the place of the told audience; null: about all
is_exit     Boolean: tells exits alone; tells_exit Boolean: tells one at least
kind        UInt8: the place in ``KINDS_OF_CHANGE``
last_qualification_time  Datetime(us, UTC): in the audience; null where the entry is about all
also        Struct of the values of kept targets that an exit goes out under in the place of those last sent; else null
identifier  String: as it is written; null without an identity column
namespace   String: of entries that are about one namespace; else null
name:x      String: the JSON of the identifier in the identity column ``x``
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

import polars as pl

from muster.activation.frames import engine
from muster.activation.frames.columns import TIME, TIME_TYPE
from muster.activation.mapping.columns import Field
from muster.activation.mapping.layout import Layout
from muster.activation.messages.requests import AUDIENCE, IS_EXIT, PERSON
from muster.activation.messages.shapes import CHANGED_KIND, EXITED_KIND, REALIZED_KIND, Shapes, name_column
from muster.activation.profile_changes import people as columns
from muster.activation.profile_changes.people import IDS, is_told, status, time
from muster.activation.values.message_json import message_json

AT, KIND, ALSO, IDENTIFIER, NAMESPACE = "at", "kind", "also", "identifier", "namespace"
TELLS_EXIT = "tells_exit"
_TYPES = {AUDIENCE: pl.UInt16(), IS_EXIT: pl.Boolean(), TELLS_EXIT: pl.Boolean(), KIND: pl.UInt8()}


class EntryMaker:
    """Makes the entries of people, as the shapes of an activation's requests need them."""

    def __init__(self, shapes: Shapes, layout: Layout, audiences: int, at: datetime) -> None:
        self._shapes, self._layout, self._at = shapes, layout, at
        self._places = range(audiences)
        self._columns = frozenset[str]()

    def of(self, part: pl.DataFrame, *, exits: bool | None) -> pl.DataFrame:
        """The entries of some people, in the order of M6: exits alone, the others alone, or all (None)."""
        people = part.lazy().with_row_index(AT)
        self._columns = frozenset(part.columns)
        frames = list(self._declared(people) if self._shapes.is_declared else self._objects(people))
        whole = pl.concat(frames, how="diagonal")
        if exits is not None:
            whole = whole.filter(pl.col(IS_EXIT) == exits)
        order = [pl.col(AT), ~pl.col(IS_EXIT), pl.col(AUDIENCE), pl.col(IDENTIFIER), pl.col(NAMESPACE)]
        return engine.collect_inside(whole.sort(order, nulls_last=False, maintain_order=True))

    # Messages of whole profiles

    def _objects(self, people: pl.LazyFrame) -> Iterator[pl.LazyFrame]:
        """Entries that are objects of whole profiles."""
        if self._shapes.is_per_audience:
            told = pl.any_horizontal(self._is_told(place) for place in self._places)
            first = pl.coalesce(
                *(pl.when(pl.col(status(place)).is_not_null()).then(pl.lit(place)) for place in self._places)
            )
            for place in self._places:
                about = self._is_told(place) | (~told & (first == place).fill_null(value=False))
                is_exit = ~pl.col(status(place))
                yield self._with_namespaces(self._some(people.filter(about), is_exit, self._kind(place), place=place))
        elif self._shapes.tells_kind:
            exits = self._any_told(value=False)
            stays = pl.any_horizontal(pl.col(status(place)) for place in self._places).fill_null(value=False)
            yield self._with_namespaces(self._some(people.filter(exits | ~stays), pl.lit(value=True)))
            others = people.filter(self._any_told(value=True) | (stays & ~exits))
            yield self._with_namespaces(self._some(others, pl.lit(value=False)))
        else:
            stays = pl.any_horizontal(pl.col(status(place)) for place in self._places).fill_null(value=False)
            yield self._with_namespaces(self._some(people, ~stays))

    def _with_namespaces(self, entries: pl.LazyFrame) -> pl.LazyFrame:
        return entries if self._shapes.is_per_namespace else entries.drop(NAMESPACE).with_columns(_null(NAMESPACE))

    def _is_told(self, place: int) -> pl.Expr:
        return pl.col(is_told(place)) & pl.col(status(place)).is_not_null()

    def _any_told(self, *, value: bool) -> pl.Expr:
        """Whether some told audience has to be told of this status."""
        told = (pl.col(is_told(place)) & (pl.col(status(place)) == value) for place in self._places)
        return pl.any_horizontal(told).fill_null(value=False)

    # Declared requests

    def _declared(self, people: pl.LazyFrame) -> Iterator[pl.LazyFrame]:
        for place in self._places if self._shapes.is_per_audience else [None]:
            yield self._realized(people, place)
            yield from self._exits(people, place)

    def _realized(self, people: pl.LazyFrame, place: int | None) -> pl.LazyFrame:
        """Entries of members: one, or one for each identifier."""
        if place is None:
            realized, kind = self._any_told(value=True), self._kinds()
        else:
            realized, kind = pl.col(is_told(place)) & pl.col(status(place)), self._kind(place)
        found = self._some(people.filter(realized), pl.lit(value=False), kind, place=place, others=self._written())
        if not self._layout.identity:
            return found
        return found.explode(IDENTIFIER, *(name_column(each.column.name) for each in self._layout.identities)).filter(
            pl.col(IDENTIFIER).is_not_null()
        )

    def _exits(self, people: pl.LazyFrame, place: int | None) -> Iterator[pl.LazyFrame]:
        """Entries of what the receiver holds no longer: identifiers, or the values last sent."""
        places = self._places if place is None else [place]
        if self._layout.identity:
            yield self._left(people, place, places, self._layout.identity)
            return
        if place is None and not self._shapes.tells_status:  # one entry tells it all
            people = people.filter(~self._any_told(value=True))
        withdraws = pl.any_horizontal(pl.col(columns.withdraws(each)) for each in places).fill_null(value=False)
        yield self._some(people.filter(withdraws), pl.lit(value=True), place=place)
        others = [name for each in places if (name := columns.also(each)) in self._columns]
        if others:
            found = (
                self._some(people, pl.lit(value=True), place=place, others=[pl.col(name).alias(ALSO)])
                for name in others
            )
            each_other = pl.concat(list(found)).explode(ALSO).filter(pl.col(ALSO).is_not_null())
            yield each_other.unique([AT, ALSO], keep="first", maintain_order=True)

    def _left(self, people: pl.LazyFrame, place: int | None, places: Sequence[int], key: Field) -> pl.LazyFrame:
        """An entry for each identifier that goes out as an exit; other columns of the namespace are not known then."""
        none = pl.lit([], dtype=columns.HELD_DTYPE)
        lists = [pl.coalesce(pl.col(columns.leaves(each)), none) for each in places]
        left = pl.concat_list(lists).list.unique().list.sort().alias(IDENTIFIER)
        entries = self._some(people, pl.lit(value=True), place=place, others=[left]).explode(IDENTIFIER)
        told = entries.filter(pl.col(IDENTIFIER).is_not_null())
        return told.with_columns(message_json(pl.col(IDENTIFIER), pl.String()).alias(name_column(key.column.name)))

    def _written(self) -> list[pl.Expr]:
        """The identifiers of a member as they are written, and the JSON of them in each column of the namespace."""
        ids, key = self._layout.ids, self._layout.identity
        if not ids or not key:
            return []
        raw = pl.col(ids.value_column)
        written = [
            (name_column(each.column.name), self._layout.written_ids(each, raw)) for each in self._layout.identities
        ]
        as_json = [texts.list.eval(message_json(pl.element(), pl.String())).alias(name) for name, texts in written]
        return [self._layout.written_ids(key, raw).alias(IDENTIFIER), *as_json]

    # Both

    def _some(
        self,
        people: pl.LazyFrame,
        is_exit: pl.Expr,
        kind: pl.Expr | None = None,
        *,
        place: int | None = None,
        others: Sequence[pl.Expr] = (),
    ) -> pl.LazyFrame:
        """An entry for each of some people."""
        audience = pl.lit(place, pl.UInt16)
        said = kind if kind is not None else self._kinds()
        tells_all = place is None and not self._shapes.tells_status
        known = {expr.meta.output_name() for expr in others}
        given = {
            AUDIENCE: audience,
            IS_EXIT: is_exit,
            TELLS_EXIT: is_exit | (self._any_told(value=False) if tells_all else pl.lit(value=False)),
            KIND: pl.when(is_exit).then(pl.lit(EXITED_KIND)).otherwise(said),
        }
        typed = [expr.cast(_TYPES[name]).alias(name) for name, expr in given.items()]
        absent = [] if IDENTIFIER in known else [_null(IDENTIFIER)]
        namespaces = self._namespaces() if self._shapes.is_per_namespace else _null(NAMESPACE)
        found = people.select(PERSON, AT, *typed, self._time(place, is_exit), *others, *absent, namespaces)
        return found.explode(NAMESPACE, empty_as_null=True) if self._shapes.is_per_namespace else found

    def _namespaces(self) -> pl.Expr:
        ids = pl.when(columns.IS_WITHDRAWAL).then(columns.IDS_SENT).otherwise(IDS)
        names = ids.list.eval(pl.element().struct.field("namespace")).list.unique().list.sort()
        wanted = self._shapes.activation.identities
        if wanted is not None:
            names = names.list.eval(pl.element().filter(pl.element().is_in(list(wanted))))
        return names.alias(NAMESPACE)

    def _time(self, place: int | None, is_exit: pl.Expr) -> pl.Expr:
        """The qualification time: of an exit of what a member no longer has, the instant of the run (X2d)."""
        instant = pl.lit(self._at, TIME_TYPE)
        if place is None:
            return pl.lit(None, TIME_TYPE).alias(TIME)
        is_past = is_exit & (pl.col(status(place)).fill_null(value=True) | pl.col(time(place)).is_null())
        return pl.when(is_past).then(instant).otherwise(pl.col(time(place))).alias(TIME)

    def _kind(self, place: int) -> pl.Expr:
        """The kind of change of a member of one audience: new, or of its values alone."""
        return pl.when(self._is_new(place)).then(pl.lit(REALIZED_KIND)).otherwise(pl.lit(CHANGED_KIND))

    def _kinds(self) -> pl.Expr:
        """The kind of change of a member: new in some told audience, or of its values alone."""
        new = pl.any_horizontal(
            self._is_new(place) & pl.col(status(place)).fill_null(value=False) for place in self._places
        )
        return pl.when(new).then(pl.lit(REALIZED_KIND)).otherwise(pl.lit(CHANGED_KIND))

    def _is_new(self, place: int) -> pl.Expr:
        return pl.col(columns.is_new(place)).fill_null(value=False)


def _null(name: str) -> pl.Expr:
    return pl.lit(None, pl.String).alias(name)


def value_fields(shapes: Shapes, layout: Layout) -> list[Field]:
    """The fields whose values the people need: attributes that messages have, and the ids of the mapped namespace."""
    attributes = [each for each in shapes.used_fields if each.role == "attribute"]
    return [*attributes, layout.ids] if shapes.is_declared and layout.ids else attributes
