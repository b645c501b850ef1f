"""Requests as an activation wants them: urls, methods, and bodies as constant parts and texts of entries (V5, V6).

A *shape* is what requests of some kinds of change look like. Its expressions are over a frame of entries, in which each
name of a tree has a column ``name_column(name)``: the JSON of the value (String), null for null.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from muster.activation.mapping.columns import Field
from muster.activation.messages.json_parts import Hole, Json, constant, joined, list_of, object_of, quoted, split
from muster.activation.messages.requests import REQUEST_ID
from muster.activation.model.messages import MessageActivation
from muster.activation.model.request_tree import (
    KINDS_OF_CHANGE,
    RESERVED,
    Constant,
    Each,
    Elements,
    Members,
    Name,
    Node,
    UrlPart,
    Usage,
    read_tree,
    shape_of,
    url_parts,
    usage,
)

OBJECT = "object"  # the column with the object of a profile, of ``payload: profile``
DEFAULT_METHOD = "POST"
REALIZED_KIND, EXITED_KIND, CHANGED_KIND = range(len(KINDS_OF_CHANGE))
_OF_ONE_AUDIENCE = {"audience.id", "audience.alias", "audience.name", "last_qualification_time"}
_NEVER_NULL = {"profile_id", "audience.id", "audience.name", "status"}


def name_column(name: str) -> str:
    """The column with the JSON of the value of a name."""
    return f"name:{name}"


@dataclass(frozen=True)
class Shape:
    """What requests of some kinds of change look like."""

    method: str  # empty for streams
    url: tuple[UrlPart, ...]
    parts: tuple[pl.Expr, ...]  # constant parts, one more than texts
    texts: tuple[pl.Expr, ...]  # what an entry puts into each list


@dataclass(frozen=True, eq=False)
class Shapes:
    """The shapes of an activation's requests, and what their entries are about."""

    activation: MessageActivation
    fields: tuple[Field, ...]
    run_id: str

    @property
    def is_declared(self) -> bool:
        """Whether requests are declared; else each entry is the object of a profile (V5)."""
        return self.activation.payload == "request"

    @property
    def is_stream(self) -> bool:
        """Whether entries are records of a stream."""
        return self.activation.kind != "http"

    @cached_property
    def usage(self) -> Usage:
        """The names that the requests use."""
        request = self.activation.request if self.is_declared else {}
        return usage(self.activation.url or "", request, self.activation.method)

    @cached_property
    def targets(self) -> Mapping[str, Field]:
        """The mapped columns by their targets, which stand before reserved names."""
        return {each.column.name: each for each in self.fields}

    @cached_property
    def named_fields(self) -> tuple[Field, ...]:
        """The mapped columns that trees or urls name."""
        return tuple(each for name, each in self.targets.items() if name in self.usage.names)

    @property
    def used_fields(self) -> tuple[Field, ...]:
        """The mapped columns whose values requests have."""
        return self.named_fields if self.is_declared else self.fields

    @property
    def reserved(self) -> frozenset[str]:
        """The reserved names that requests use."""
        return frozenset((self.usage.names - {*self.targets}) & {*RESERVED})

    def _uses(self, names: Iterable[str], reserved: Collection[str], role: str) -> bool:
        """Whether some of these names is one of the reserved ones, or a column of the role."""
        used = {*names}
        return bool((used - self.targets.keys()) & {*reserved}) or any(
            self.targets[name].role == role for name in used & self.targets.keys()
        )

    @cached_property
    def is_per_audience(self) -> bool:
        """Whether an entry is about one audience."""
        uses = self._uses(self.usage.names, _OF_ONE_AUDIENCE, "time")
        return uses or "audience" in self.activation.aggregation.key

    @property
    def is_per_kind(self) -> bool:
        """Whether exits and other entries are never in one request: it tells the status, or is keyed by identifier."""
        return self.tells_kind or self.has_phases

    @cached_property
    def tells_kind(self) -> bool:
        """Whether a request says, or is chosen by, the kind of change of its entries."""
        by_key = self._uses(self.usage.in_key, {"status"}, "status")
        return len(self.all) > 1 or by_key or "status" in self.activation.aggregation.key

    @cached_property
    def tells_status(self) -> bool:
        """Whether an entry is an exit or none, so that a profile may have one of each."""
        return self.tells_kind or self._uses(self.usage.names, {"status"}, "status")

    @property
    def has_phases(self) -> bool:
        """Whether all exits are answered before anything else is sent: requests are keyed by identifier (V9)."""
        return bool(self.activation.identities)

    @property
    def is_per_namespace(self) -> bool:
        """Whether a profile has an entry for each namespace of its identities."""
        return not self.is_declared and "namespace" in self.activation.aggregation.key

    @cached_property
    def _told(self) -> tuple[tuple[str, str], ...]:
        """The method and the tree of each kind of change."""
        of = self.activation
        return tuple(
            ("" if self.is_stream else shape_of(of.method, kind) or DEFAULT_METHOD, shape_of(of.request, kind))
            for kind in KINDS_OF_CHANGE
        )

    @property
    def place_of_kind(self) -> tuple[int, ...]:
        """The place in ``all`` of the shape of each kind of change."""
        different = list(dict.fromkeys(self._told))
        return tuple(different.index(each) for each in self._told)

    @cached_property
    def all(self) -> tuple[Shape, ...]:
        """The different shapes."""
        url = () if self.is_stream else url_parts(self.activation.url or "")
        return tuple(
            Shape(method, url, *(self._declared(tree) if self.is_declared else self._profiles()))
            for method, tree in dict.fromkeys(self._told)
        )

    @property
    def lists(self) -> int:
        """The number of lists in the body with the most of them."""
        return max(len(shape.texts) for shape in self.all)

    def _profiles(self) -> tuple[tuple[pl.Expr, ...], tuple[pl.Expr, ...]]:
        opening, closing = ("", "") if self.is_stream else ("[", "]")
        return (pl.lit(opening), pl.lit(closing)), (pl.col(OBJECT),)

    def _declared(self, tree: str) -> tuple[tuple[pl.Expr, ...], tuple[pl.Expr, ...]]:
        whole = self._json(read_tree(tree))
        if whole.may_be_null:
            whole = Json((whole.expr.fill_null("null"),))
        parts, holes = split(whole.pieces)
        texts = (self._json(hole.shape).expr.fill_null("null") for hole in holes)
        return tuple(joined(part) for part in parts), tuple(texts)

    def _json(self, node: Node) -> Json:
        match node:
            case Constant(value):
                return constant(value)
            case Name(name):
                return self._value(name)
            case Members(entries):
                return object_of([(key, self._json(below)) for key, below in entries])
            case Elements(items):
                return list_of(self._json(below) for below in items)
            case Each(shape):
                return Json(("[", Hole(shape), "]"))

    def _value(self, name: str) -> Json:
        if name not in self.targets:
            if name == "request.id":
                return Json((f'"{REQUEST_ID}"',))
            if name == "run.id":
                return Json((quoted(self.run_id),))
            if name in _NEVER_NULL:
                return Json((pl.col(name_column(name)),))
        return Json((pl.col(name_column(name)),), may_be_null=True)


def shapes_of(activation: MessageActivation, fields: Sequence[Field], run_id: str) -> Shapes:
    """The shapes of an activation's requests, with its mapped columns bound to the snapshot."""
    return Shapes(activation, tuple(fields), run_id)
