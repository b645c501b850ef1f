"""``mapping``, ``deduplicate`` and ``csv`` of a destination, checked (SPEC 6: M1, M3, M5, M7)."""

from collections.abc import Mapping, Sequence
from typing import Any

from muster.activation.config.models import ColumnModel
from muster.activation.config.yaml_reader import Document, KeyPath
from muster.activation.model.workspace import IDENTITY_PREFIX, Column, CsvOptions

_NOT_ATTRIBUTES = ("segment_membership.", IDENTITY_PREFIX)


def default_target(source: str) -> str:
    """The header of a column that is written without ``target`` (M1)."""
    return source.replace(".", "_").replace("[", "_").replace("]", "")


def build_columns(
    document: Document, path: KeyPath, entries: Sequence[ColumnModel | None] | None
) -> tuple[Column, ...]:
    """The columns of one ``mapping``: targets are unique, and at most one identity namespace is mapped (M1, M5)."""
    if entries is not None and not entries:
        document.report(path, "is empty; expected at least one column")
    columns: list[Column] = []
    for index, entry in enumerate(entries or ()):
        if entry is not None and (column := _column(document, (*path, index), entry)):
            _check_column(document, (*path, index), column, columns)
            columns.append(column)
    return tuple(columns)


def _column(document: Document, path: KeyPath, entry: ColumnModel) -> Column | None:
    """The column of one entry, from a source or an expression; None after reporting a mistake."""
    written = entry.model_fields_set
    if not written & {"source", "expression"}:
        document.report(path, "is required: the column to export; or write an expression", key=(*path, "source"))
    elif {"source", "expression"} <= written:
        document.report((*path, "expression"), "cannot be combined with source; remove one of them")
    elif "expression" in written and "target" not in written:
        document.report(path, "is required: the header for the values of the expression", key=(*path, "target"))
    elif "join" in written and (entry.source or "").startswith(_NOT_ATTRIBUTES):
        document.report((*path, "join"), f"needs a list, and {document.shown((*path, 'source'))} is one value")
    elif any(key in written and getattr(entry, key) is None for key in ("source", "expression", "target", "join")):
        return None
    else:
        source = entry.source or ""
        location, steps = document.location(path), tuple(step for step in entry.transform or () if step)
        target = entry.target or default_target(source)
        if wrong := _mistake_in(steps, source):
            document.report((*path, "transform"), wrong)
        return Column(source, target, bool(entry.mandatory), location, steps, entry.expression, entry.join)
    return None


def _mistake_in(steps: Sequence[str], source: str) -> str | None:
    """What is wrong with the transforms of a column as a whole; else None."""
    if not steps:
        return None
    from muster.activation.values import transforms  # noqa: PLC0415  # most mappings have none

    reads = transforms.columns_read(steps)
    if reads and source.startswith(_NOT_ATTRIBUTES):
        return transforms.reads_in_vain(reads[0])
    return transforms.mistake_in(steps)


def _check_column(document: Document, path: KeyPath, column: Column, earlier: Sequence[Column]) -> None:
    """Check a column against the earlier ones: its target, and its identity namespace."""
    for other in earlier:
        if other.target.casefold() == column.target.casefold():
            # Without ``target`` the header comes from the source, so that is what the message quotes.
            written = next(filter(None, (document.shown((*path, *key)) for key in (("target",), ("source",), ()))), "")
            alike = (
                "is also another column's target"
                if other.target == column.target
                else "differs from another column's target only in letter case"
            )
            document.report(
                (*path, "target"), f"{written} {alike}, on line {other.location.line}; give one of them another target"
            )
            return
    identity = next((other for other in earlier if other.source.startswith(IDENTITY_PREFIX)), None)
    if identity and column.source.startswith(IDENTITY_PREFIX) and column.source != identity.source:
        document.report(
            path,
            f"an activation can map one identity namespace, and one is mapped on line {identity.location.line} already",
        )


def check_deduplicate(document: Document, path: KeyPath, sources: Sequence[str | None] | None) -> None:
    """Check ``deduplicate``: one or two attributes, or an empty list, which switches deduplication off (M3)."""
    if sources and len(sources) > 2:
        document.report(path, f"has {len(sources)} keys; expected one or two")
    for index, source in enumerate(sources or ()):
        shown = document.shown((*path, index))
        if source and source.startswith(_NOT_ATTRIBUTES):
            key = "; a mapped identity namespace is the key by itself" if source.startswith(IDENTITY_PREFIX) else ""
            document.report(
                (*path, index), f"{shown} is not an attribute of the profile; expected a source such as email{key}"
            )
        elif source and source in (sources or ())[:index]:
            document.report((*path, index), f"{shown} is in the list twice")


def check_changes(document: Document, path: KeyPath, words: Sequence[str | None] | None) -> None:
    """Check ``changes``: what incremental exports look for, each once; ``membership`` cannot be left out (X3e)."""
    if words is not None and None not in words and "membership" not in words:
        document.report(path, "has no 'membership', which cannot be left out: add it to the list")
    for index, word in enumerate(words or ()):
        if word and word in (words or ())[:index]:
            document.report((*path, index), f"{document.shown((*path, index))} is in the list twice")


def csv_options(written: Mapping[str, tuple[Any, KeyPath]], preset: Mapping[str, Any]) -> CsvOptions:
    """The CSV options: ``written`` (key to value and path) over the preset's (M7).

    UTF-16 starts with a byte order mark unless ``bom`` is written.
    """
    values = dict(preset) | {key: value for key, (value, _) in written.items() if value is not None}
    values.setdefault("bom", values.get("encoding") == "utf-16")
    return CsvOptions(**values)


def check_csv(document: Document, written: Mapping[str, tuple[Any, KeyPath]], preset: Mapping[str, Any]) -> None:
    """Check that a reader can parse files with these options; ``written`` is key to value and path (M7)."""
    options = csv_options(written, preset)
    wrong = {key for key, (value, _) in written.items() if value is None}
    if options.delimiter == options.quote and not wrong & {"delimiter", "quote"}:
        document.report(
            _last(written, "quote", "delimiter"), "quote and delimiter are the same character; choose another one"
        )
    for key, character in (("delimiter", options.delimiter), ("quote", options.quote)):
        if character in options.null_value and key not in wrong:
            document.report(
                _last(written, "null_value", key),
                f"null_value contains the {key} {character!r}, but null is never quoted; choose another null_value",
            )
    if "\n" in options.null_value or "\r" in options.null_value:
        document.report(
            _last(written, "null_value"), "contains a line end, but null is never quoted; choose another null_value"
        )


def _last(written: Mapping[str, tuple[Any, KeyPath]], *keys: str) -> KeyPath:
    """The path of the option to blame: an activation's before a destination's, then the first of ``keys``."""
    return max((written[key][1] for key in keys if key in written), key=len)
