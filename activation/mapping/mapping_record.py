"""A mapping as records keep it in JSON, and read back."""

from collections.abc import Iterable
from typing import Any

from muster.activation.model.workspace import Column, numbered


def mapping_record(mapping: Iterable[Column]) -> list[dict[str, Any]]:
    """A mapping in JSON: of each column the settings that its bytes depend on."""
    optional = ("transform", "expression", "join")
    return [
        {"source": each.source, "target": each.target, "mandatory": each.mandatory}
        | {name: value for name in optional if (value := getattr(each, name)) not in (None, ())}
        for each in mapping
    ]


def columns_of(record: Iterable[dict[str, Any]]) -> tuple[Column, ...]:
    """The mapping of a ``mapping_record``."""
    return numbered(Column(**(each | {"transform": tuple(each.get("transform", ()))})) for each in record)
