"""From the data of a YAML file to a model, and from Pydantic's errors to problems in plain words (SPEC 10)."""

from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from muster.activation.config.base_models import REQUIRED, Model
from muster.activation.config.scalars import described, listed
from muster.activation.config.yaml_reader import Document, KeyPath, Scalar, Tree
from muster.activation.errors import did_you_mean

M = TypeVar("M", bound=Model)


def parse(model: type[M], document: Document) -> M | None:
    """The document as a model; each mistake is reported in the document and None in the model."""
    if document.data is None:
        return None
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        mistakes = error.errors(include_url=False)
    repaired = cast("dict[str, Tree]", _copy(document.data))
    unknown = [mistake["loc"] for mistake in mistakes if mistake["type"] == "extra_forbidden"]
    for path in unknown:
        _report_unknown(model, document, path, repaired)
    for mistake in mistakes:
        if mistake["loc"] not in unknown:
            _report(model, document, mistake, repaired)
    return model.model_validate(repaired)


def _report_unknown(model: type[Model], document: Document, path: KeyPath, repaired: Tree) -> None:
    """Report an unknown key. The known key that it resembles counts as written, and is not also reported missing."""
    kind = _model_at(model, path[:-1])
    parent, key, known = _find(repaired, path[:-1]), str(path[-1]), list(kind.model_fields)
    document.report(path, kind.foreign_keys.get(key) or f"unknown key{did_you_mean(key, known)}")
    if not isinstance(parent, dict):
        _blank(repaired, path)  # written in a short form
    else:
        parent.pop(key, None)
        for near in get_close_matches(key.casefold(), known, n=1):
            parent.setdefault(near, None)


def _report(model: type[Model], document: Document, mistake: ErrorDetails, repaired: Tree) -> None:
    """Report a missing key, a value of the wrong shape, or a value that its parser refuses."""
    path = mistake["loc"]
    if mistake["type"] == "missing":
        parent = _find(repaired, path[:-1])
        if not isinstance(parent, dict) or path[-1] not in parent:
            document.report(path[:-1], f"is required: {REQUIRED[str(path[-1])]}", key=path)
        if not isinstance(parent, dict):
            _blank(repaired, path)  # written in a short form
        else:
            parent.setdefault(str(path[-1]), None)
        return
    document.report(path, _message(model, mistake))
    _blank(repaired, path)


def _message(model: type[Model], mistake: ErrorDetails) -> str:
    if mistake["type"] == "value_error":
        return str(mistake["ctx"]["error"])
    found = mistake["input"]
    if isinstance(found, Scalar) and found.plain and not found.written:
        return "has no value; give one or remove the key"
    expected = {"list_type": "a list", "dict_type": "keys and values"}.get(mistake["type"])
    if expected is None:
        kind = _model_at(model, mistake["loc"])
        required = [key for key, each in kind.model_fields.items() if each.is_required()]
        expected = f"keys such as {listed(required or kind.usual_keys or list(kind.model_fields))}"
    return f"expected {expected}, found {described(found)}"


def _copy(tree: Tree) -> Tree:
    if isinstance(tree, dict):
        return {key: _copy(value) for key, value in tree.items()}
    return [_copy(value) for value in tree] if isinstance(tree, list) else tree


def _find(tree: Any, path: KeyPath) -> Any:
    """What is at ``path``; None where the file has a short form instead."""
    for part in path:
        if not _has(tree, part):
            return None
        tree = tree[part]
    return tree


def _has(tree: Any, part: str | int) -> bool:
    if isinstance(tree, list):
        return isinstance(part, int) and part < len(tree)
    return isinstance(tree, dict) and part in tree


def _blank(tree: Any, path: KeyPath) -> None:
    """Put None at ``path``, or at the last step of it that the file has.

    A short form such as ``schedule: on_demand`` is validated as keys that the file does not contain.
    """
    for depth, part in enumerate(path):
        inner = tree[part]
        if depth == len(path) - 1 or not _has(inner, path[depth + 1]):
            tree[part] = None
            return
        tree = inner


def _model_at(model: type[Model], path: KeyPath) -> type[Model]:
    """The model that validates the value at ``path``."""
    kind: Any = model
    for part in path:
        kind = _plain(kind)
        kind = get_args(kind)[-1] if get_origin(kind) in (list, dict) else kind.model_fields[part].annotation
    return cast("type[Model]", _plain(kind))


def _plain(kind: Any) -> Any:
    """The type inside ``Annotated`` and ``| None``."""
    while get_origin(kind) in (Annotated, Union, UnionType):
        kind = get_args(kind)[0]
    return kind
