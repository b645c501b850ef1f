"""Declared requests: the tree of ``request``, the names in it, and the placeholders of urls (V6).

A tree is plain JSON. A text that begins with ``=`` is the value of a name, ``==x`` is the text ``=x``, and an object
with exactly the keys ``each`` and ``as`` is a list over the profiles of the request.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from muster.activation.errors import did_you_mean

Plain: TypeAlias = Any  # None, bool, int, float, str, list, dict
TreePath: TypeAlias = tuple[str | int, ...]

KINDS_OF_CHANGE = ("realized", "exited", "changed")
EACH, SHAPE, PROFILES = "each", "as", "profiles"

# What a request or an entry is about; a column's target of the same name stands before them.
OF_THE_RUN = ("request.id", "run.id")
OF_AN_AUDIENCE = ("audience.id", "audience.alias", "audience.name", "status", "last_qualification_time")
OF_A_PROFILE = ("profile_id", "namespace")
RESERVED = (*OF_A_PROFILE, *OF_AN_AUDIENCE, *OF_THE_RUN)

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True)
class Constant:
    """A text, number, truth value or null that is the same in every request."""

    value: str | int | float | bool | None


@dataclass(frozen=True)
class Name:
    """The value of a name: a column's target, or one of ``RESERVED``."""

    name: str


@dataclass(frozen=True)
class Members:
    """An object: its keys and what stands under them, in the order of the config."""

    entries: "tuple[tuple[str, Node], ...]"


@dataclass(frozen=True)
class Elements:
    """A list of a fixed length."""

    items: "tuple[Node, ...]"


@dataclass(frozen=True)
class Each:
    """A list with one element for each entry of the request."""

    shape: "Node"


Node: TypeAlias = Constant | Name | Members | Elements | Each


@dataclass(frozen=True)
class UrlPart:
    """A piece of a url: text as it is, or the name whose value stands there, percent-encoded."""

    text: str
    is_name: bool = False


def read_tree(text: str) -> Node:
    """The tree that a checked config holds as JSON text (``MessageActivation.request``)."""
    return build_tree(json.loads(text))


def build_tree(plain: Plain) -> Node:
    """The tree of plain JSON in which ``tree_mistakes`` finds nothing."""
    if isinstance(plain, dict):
        if set(plain) == {EACH, SHAPE}:
            return Each(build_tree(plain[SHAPE]))
        return Members(tuple((key, build_tree(value)) for key, value in plain.items()))
    if isinstance(plain, list):
        return Elements(tuple(build_tree(value) for value in plain))
    if isinstance(plain, str) and plain.startswith("="):
        return Constant(plain[1:]) if plain.startswith("==") else Name(plain[1:])
    return Constant(plain)


def shape_of(request: Mapping[str, str], kind: str) -> str:
    """What ``request`` or ``method`` of an activation says of a kind of change: ``changed`` is as ``realized``."""
    return request.get(kind) or request.get("realized" if kind == "changed" else "") or request.get("", "")


def names_in(node: Node) -> Iterator[tuple[str, bool]]:
    """Each name of a tree in its order, and whether it stands in a list over profiles."""
    yield from _names(node, in_each=False)


def _names(node: Node, *, in_each: bool) -> Iterator[tuple[str, bool]]:
    match node:
        case Name(name):
            yield name, in_each
        case Members(entries):
            for _, below in entries:
                yield from _names(below, in_each=in_each)
        case Elements(items):
            for below in items:
                yield from _names(below, in_each=in_each)
        case Each(shape):
            yield from _names(shape, in_each=True)
        case Constant():
            pass


def tree_mistakes(plain: Plain, targets: Iterable[str]) -> Iterator[tuple[TreePath, str]]:
    """What is wrong in plain JSON as a tree: paths below ``request``, with messages. ``targets`` are of columns."""
    yield from _mistakes(plain, (), (*targets, *RESERVED), in_each=False)


def _mistakes(plain: Plain, path: TreePath, known: tuple[str, ...], *, in_each: bool) -> Iterator[tuple[TreePath, str]]:
    if isinstance(plain, dict):
        yield from _mistakes_in_object(plain, path, known, in_each=in_each)
    elif isinstance(plain, list):
        for index, value in enumerate(plain):
            yield from _mistakes(value, (*path, index), known, in_each=in_each)
    elif isinstance(plain, str) and plain.startswith("=") and not plain.startswith("=="):
        wrong = unknown_name(plain[1:], known)
        if wrong:
            yield (
                path,
                f"{plain!r}: {wrong}{'' if wrong.endswith('?') else '.'} A text that begins with = is written with ==",
            )


def _mistakes_in_object(
    plain: dict[str, Plain], path: TreePath, known: tuple[str, ...], *, in_each: bool
) -> Iterator[tuple[TreePath, str]]:
    if plain.get(EACH) == PROFILES and SHAPE not in plain:
        yield path, "a list over profiles needs as: what stands in it for each profile"
    elif EACH in plain and SHAPE in plain:
        if in_each:
            yield path, "a list over profiles cannot stand in another one"
        if plain[EACH] != PROFILES:
            yield (*path, EACH), f"{plain[EACH]!r} is nothing to list; expected {PROFILES}"
        for other in plain.keys() - {EACH, SHAPE}:
            yield (*path, other), "cannot stand beside each and as"
        yield from _mistakes(plain[SHAPE], (*path, SHAPE), known, in_each=True)
    else:
        for key, value in plain.items():
            if key.startswith("="):
                yield (*path, key), f"the key {key!r} begins with =; keys are never values, so no data adds structure"
            yield from _mistakes(value, (*path, key), known, in_each=in_each)


def unknown_name(name: str, known: Iterable[str]) -> str:
    """Why a name has no value, with the nearest ones; empty if it has."""
    names = list(known)
    if name in names:
        return ""
    near = did_you_mean(name, names) or "; expected the target of a column, or a name such as profile_id"
    return f"there is no value {name!r}{near}"


def url_parts(url: str) -> tuple[UrlPart, ...]:
    """The pieces of a url with placeholders such as ``{audience.alias}``, in their order."""
    parts, position = [], 0
    for match in _PLACEHOLDER.finditer(url):
        parts += [UrlPart(url[position : match.start()]), UrlPart(match[1], is_name=True)]
        position = match.end()
    return tuple(part for part in (*parts, UrlPart(url[position:])) if part.text or part.is_name)


def names_in_url(url: str) -> tuple[str, ...]:
    """The names in the placeholders of a url, in their order."""
    return tuple(part.text for part in url_parts(url) if part.is_name)


@dataclass(frozen=True)
class Usage:
    """Which names the requests of an activation use."""

    in_key: frozenset[str]  # in the url, or outside lists over profiles: part of the key of aggregation
    in_entries: frozenset[str]  # in lists over profiles
    method_by_change: bool = False  # the method differs between kinds of change
    shape_by_change: bool = False  # the tree differs between kinds of change

    @property
    def names(self) -> frozenset[str]:
        """All names."""
        return self.in_key | self.in_entries


def usage(url: str, request: Mapping[str, str], method: Mapping[str, str]) -> Usage:
    """The names that a url and the trees of ``request`` (JSON text by kind of change) use."""
    found = [pair for text in request.values() for pair in names_in(read_tree(text))]
    outside = {name for name, in_each in found if not in_each} | {*names_in_url(url)}
    inside = {name for name, in_each in found if in_each}
    return Usage(
        frozenset(outside),
        frozenset(inside),
        method_by_change=len({*method.values()}) > 1,
        shape_by_change=len({*request.values()}) > 1,
    )
