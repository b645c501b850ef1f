"""Dotted paths into columns: ``person.name.first``, ``tags[0]``, ``orders[-1].total`` (M1, E3)."""

import re
from typing import NamedTuple

import polars as pl

from muster.activation.errors import did_you_mean
from muster.activation.frames.columns import column, struct_field
from muster.activation.values.dtypes import describe, instance
from muster.activation.values.known_columns import Columns

_STEP = re.compile(r"([^.\[\]]+)((?:\[-?\d{1,9}\])*)")  # a name, and indices of elements
_Values = tuple[pl.Expr, pl.DataType]


def resolve(path: str, columns: Columns, *, with_elements: bool = True) -> _Values | None:
    """The values at a path and their type; None when no column begins it.

    ``ValueError`` for an unknown field, and for a column that cannot be used, with the reason.

    A column whose own name holds dots is found first; of several readings the longest column name wins. An element that
    a list does not have is null; negative indices count from its end. Without ``with_elements``, brackets are a name's.
    """
    if path in columns:
        return _whole(path, columns)
    steps = path.split(".")
    for length in range(len(steps), 0, -1):
        before, step = steps[: length - 1], _split(steps[length - 1], with_elements=with_elements)
        if step is None or (start := ".".join([*before, step.name])) not in columns:
            continue
        values = _elements(_whole(start, columns), step.indices, start)
        return _below(values, steps[length:], start, with_elements=with_elements)
    return None


def _whole(name: str, columns: Columns) -> _Values:
    if name in columns.unusable:
        raise ValueError(columns.unusable[name])
    return column(name), columns.types[name]


class _Step(NamedTuple):
    name: str
    indices: str


def _split(text: str, *, with_elements: bool) -> _Step | None:
    """One step of a path; None when its brackets do not pair."""
    if not with_elements:
        return _Step(text, "")
    match = _STEP.fullmatch(text)
    return _Step(match[1], match[2]) if match else None


def _below(values: _Values, steps: list[str], path: str, *, with_elements: bool) -> _Values:
    for text in steps:
        (expr, dtype), step = values, _split(text, with_elements=with_elements)
        fields = {field.name: field.dtype for field in dtype.fields} if isinstance(dtype, pl.Struct) else {}
        if step is None or step.name not in fields:
            kind = "" if fields else f" is {describe(dtype)} and"
            raise ValueError(f"{path!r}{kind} has no field {text!r}{did_you_mean(text, fields)}")
        path = f"{path}.{step.name}"
        field = struct_field(expr, step.name, fields), instance(fields[step.name])
        values = _elements(field, step.indices, path)
    return values


def _elements(values: _Values, indices: str, path: str) -> _Values:
    expr, dtype = values
    for index in re.findall(r"-?\d+", indices):
        if not isinstance(dtype, pl.List | pl.Array):
            raise ValueError(  # noqa: TRY004  # a mistake in the config about the snapshot, not in the code
                f"{path!r} is {describe(dtype)}, not a list: [{index}] has no meaning"
            )
        get = expr.list.get if isinstance(dtype, pl.List) else expr.arr.get
        expr, dtype = get(int(index), null_on_oob=True), instance(dtype.inner)
    return expr, dtype
