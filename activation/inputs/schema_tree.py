"""The columns in the schema of a Parquet footer: a tree, written as a list in which a group stands before its fields.

It is followed without recursion, however deep it is: libraries that recurse end the process on 4,000 levels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from muster.activation.inputs.parquet_types import TYPE, LeafType, group_reason, is_map, is_repeating, leaf_type
from muster.activation.inputs.thrift import Struct, within

REPETITION, NAME, CHILDREN = 3, 4, 5  # SchemaElement
REPEATED = 2  # FieldRepetitionType
_DEEPEST = 64  # levels of nesting that are read


class Leaf(NamedTuple):
    """A column of values as Parquet stores it: a column of the table has one, or one for each of its inner fields."""

    path: str  # dotted
    type: LeafType


@dataclass(frozen=True)
class Column:
    """One column of the table. ``reason`` is why it cannot be used, in words; empty where it can."""

    name: str
    elements: slice  # of the schema: the column's own element, and those of its inner fields
    leaves: slice  # of the leaves of the file
    maps: tuple[int, ...]  # positions, in the schema, of the elements that are annotated as maps
    is_flat: bool  # one value or null a row
    reason: str


def columns_and_leaves(elements: Sequence[Struct]) -> tuple[list[Column], list[Leaf]]:
    """The columns and leaves of a schema; ``ValueError``, ``KeyError`` and the like when it is no tree."""
    columns: list[Column] = []
    leaves: list[Leaf] = []
    position = 1
    for _ in range(within(elements[0].get(CHILDREN) or 0, len(elements))):
        walk = _Walk(elements, position)
        columns.append(walk.column(len(leaves)))
        leaves += walk.leaves
        position = walk.position
    within(len(elements) - position, 0)
    return columns, leaves


@dataclass
class _Group:
    """A group whose fields are being read."""

    left: int  # fields still to come
    depth: int
    is_repeating: bool  # a list or map, whose repeated inner group is no level of its own
    names: set[bytes] = field(default_factory=set)


@dataclass
class _Walk:
    """A walk through the elements of one column, which begins at ``position``."""

    elements: Sequence[Struct]
    position: int
    groups: list[_Group] = field(default_factory=list)
    path: list[str] = field(default_factory=list)
    leaves: list[Leaf] = field(default_factory=list)
    maps: list[int] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    deepest: int = 0

    def column(self, leaves: int) -> Column:
        """The column; ``leaves`` is the number of leaves before it."""
        start, first = self.position, self.elements[self.position]
        self._step()
        while self.groups:
            self._step()
        if self.deepest > _DEEPEST:
            self.reasons.insert(0, _too_deep(self.deepest))
        return Column(
            self.path[0],
            slice(start, self.position),
            slice(leaves, leaves + len(self.leaves)),
            tuple(self.maps),
            is_flat=self.position == start + 1 and first.get(REPETITION) != REPEATED,
            reason=next(filter(None, self.reasons), ""),
        )

    def _step(self) -> None:
        element, above = self.elements[self.position], self.groups[-1] if self.groups else None
        self._enter(element, above)
        if children := within(element.get(CHILDREN) or 0, len(self.elements)):
            self._open(element, above, children)
        elif TYPE in element:
            self.leaves.append(Leaf(".".join(self.path[:_DEEPEST]), leaf_type(element)))
            self.reasons.append(self.leaves[-1].type.reason)
        else:
            self.reasons.append("it holds a struct without fields, which cannot be read; leave the struct out")
        while self.groups and not self.groups[-1].left:
            self.groups.pop()
        self.position += 1

    def _enter(self, element: Struct, above: _Group | None) -> None:
        """Take in an element's name."""
        name: bytes = element[NAME]
        self.path[len(self.groups) :] = [name.decode(errors="replace")]
        if "\ufffd" in self.path[-1] and self.path[-1].encode() != name:
            self.reasons.append("its name, or that of a field inside, is not UTF-8; rename it")
        if above:
            if name in above.names:
                self.reasons.append(f"two fields inside have the name {self.path[-1]!r}; rename one")
            above.names.add(name)
            above.left -= 1

    def _open(self, element: Struct, above: _Group | None, children: int) -> None:
        """Begin with a group of inner fields."""
        is_inner = above is not None and above.is_repeating and element.get(REPETITION) == REPEATED
        depth = (above.depth if above else 0) + (not is_inner)
        self.deepest = max(self.deepest, depth)
        self.groups.append(_Group(children, depth, not is_inner and is_repeating(element)))
        self.reasons.append(group_reason(element))
        if is_map(element):
            self.maps.append(self.position)


def _too_deep(levels: int) -> str:
    return f"it is nested {levels:,} levels deep, and at most {_DEEPEST} can be read; write it as text (JSON)"
