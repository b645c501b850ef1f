"""``request`` and ``when`` from YAML, and the names in trees and urls checked (V6)."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from muster.activation.config.message_layers import PRESET, Layers
from muster.activation.config.yaml_reader import KeyPath, Scalar, Tree
from muster.activation.errors import did_you_mean
from muster.activation.model.request_tree import (
    KINDS_OF_CHANGE,
    RESERVED,
    names_in_url,
    tree_mistakes,
    unknown_name,
)

_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_WORDS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NOTHING = ("", "~", "null", "Null", "NULL")
_NEEDED_KINDS = ("realized", "exited")


class _UnreadableError(Exception):
    """A value in the tree has a mistake that was reported as the file was read."""


@dataclass(frozen=True)
class Shape:
    """One tree of a request: the kind of change that it is for (empty: all of them), where it stands, plain JSON."""

    kind: str
    path: KeyPath
    plain: Any


def shapes_of(layers: Layers) -> list[Shape] | None:
    """The trees of ``request`` and ``when``; none without either, and None after a mistake."""
    before = len(layers.document.problems)
    try:
        shapes = [*_shapes_of_request(layers), *_shapes_of_when(layers)]
    except _UnreadableError:
        return None
    if shapes and not any(each.kind == "" for each in shapes):
        _check_kinds(layers, shapes)
    return shapes if len(layers.document.problems) == before else None


def _shapes_of_request(layers: Layers) -> Iterator[Shape]:
    tree, path = layers.get("request"), layers.origin("request")
    if path is None or layers.level("when") > layers.level("request"):
        return
    plain = _plain(tree)
    if isinstance(plain, dict) and set(plain) == {"when"}:
        yield from _by_kind(layers, plain["when"], path if path == PRESET else (*path, "when"))
    elif isinstance(plain, dict | list):
        yield Shape("", path, plain)
    else:
        layers.document.report(path, "is no request; expected keys and values, or {each: profiles, as: ...}")


def _shapes_of_when(layers: Layers) -> Iterator[Shape]:
    path = layers.origin("when")
    if path is not None and layers.level("when") >= layers.level("request"):
        yield from _by_kind(layers, _plain(layers.get("when")), path)


def _by_kind(layers: Layers, plain: Any, path: KeyPath) -> Iterator[Shape]:
    if not isinstance(plain, dict) or not plain:
        layers.document.report(path, "expected the shapes of requests by kind of change, such as realized and exited")
        return
    for kind, tree in plain.items():
        where = path if path == PRESET else (*path, kind)
        if kind not in KINDS_OF_CHANGE:
            hint = did_you_mean(kind, KINDS_OF_CHANGE)
            layers.document.report(where, f"{kind!r} is not a kind of change{hint}")
        elif not isinstance(tree, dict | list):
            layers.document.report(where, "is no request; expected keys and values, or {each: profiles, as: ...}")
        else:
            yield Shape(kind, where, tree)


def _check_kinds(layers: Layers, shapes: Sequence[Shape]) -> None:
    """Check that people who come and people who leave have a shape: nobody's exit goes untold."""
    for kind in _NEEDED_KINDS:
        if not any(each.kind == kind for each in shapes):
            path = layers.origin("when") or layers.origin("request") or ()
            layers.document.report(path, f"has no shape for {kind}; expected one for {' and '.join(_NEEDED_KINDS)}")


def as_text(shapes: Sequence[Shape]) -> dict[str, str]:
    """The trees as JSON text, by kind of change (``MessageActivation.request``)."""
    return {each.kind: json.dumps(each.plain, ensure_ascii=False, separators=(",", ":")) for each in shapes}


def check_names(layers: Layers, shapes: Sequence[Shape], targets: Sequence[str]) -> None:
    """Check the trees, and that each name in them is the target of a column or a known one."""
    for shape in shapes:
        for below, message in tree_mistakes(shape.plain, targets):
            path = shape.path if shape.path == PRESET else (*shape.path, *below)
            layers.document.report(path, message)


def check_url(layers: Layers, url: str, targets: Sequence[str]) -> None:
    """Check that each placeholder of a url names a column's target or a known value (V6)."""
    path = layers.origin("url") or ()
    for name in dict.fromkeys(names_in_url(url)):
        known = (*targets, *RESERVED)
        if name == "request.id" and name not in targets:
            layers.document.report(path, "{request.id} is given as a request is cut, after its url; use {run.id}")
        elif wrong := unknown_name(name, known):
            layers.document.report(path, f"{{{name}}}: {wrong}")


def _plain(tree: Tree) -> Any:
    """Plain JSON: a scalar without quotes has the type that it looks like, times and dates are text."""
    if isinstance(tree, dict):
        return {key: _plain(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_plain(value) for value in tree]
    if tree is None:
        raise _UnreadableError
    return _plain_scalar(tree)


def _plain_scalar(value: Scalar) -> Any:
    text = value.text
    if value.expanded:  # what a variable holds is text, and never a name
        return f"={text}" if text.startswith("=") and not value.written.startswith("=") else text
    if not value.plain:
        return text
    if text in _NOTHING:
        return None
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text
