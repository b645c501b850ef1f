"""``mapping``, ``deduplicate`` and ``csv`` of a destination, checked (SPEC 6: M1, M3, M5, M7)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from muster.activation.config.models import ColumnModel
from muster.activation.config.yaml_reader import Document, KeyPath
from muster.activation.model.workspace import IDENTITY_PREFIX, Column, CsvOptions
from muster.activation.presets.shape import Preset
from muster.activation.wording import counted, named

_LAST_OF_LATIN_1 = 0xFF
_NOT_ATTRIBUTES = ("segment_membership.", IDENTITY_PREFIX)


def default_target(source: str) -> str:
    """The header of a column that is written without ``target`` (M1)."""
    return source.replace(".", "_").replace("[", "_").replace("]", "")


def build_columns(
    document: Document, path: KeyPath, entries: Sequence[ColumnModel | None] | None
) -> tuple[Column, ...]:
    """The columns of one ``mapping``, of which at most one identity namespace is mapped (M5)."""
    if entries is not None and not entries:
        document.report(path, "is empty; expected at least one column")
    columns: list[Column] = []
    for index, entry in enumerate(entries or ()):
        if entry is not None and (column := _column(document, (*path, index), entry)):
            _check_namespace(document, (*path, index), column, columns)
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


def _check_namespace(document: Document, path: KeyPath, column: Column, earlier: Sequence[Column]) -> None:
    """Check that a column is of the identity namespace of the earlier ones (M5)."""
    identity = next((other for other in earlier if other.source.startswith(IDENTITY_PREFIX)), None)
    if identity and column.source.startswith(IDENTITY_PREFIX) and column.source != identity.source:
        document.report(
            path,
            f"an activation can map one identity namespace, and one is mapped on line {identity.location.line} already",
        )


def check_targets(document: Document, path: KeyPath, columns: Sequence[Column], preset: Preset | None) -> None:
    """Check that each target is mapped once, letter case aside, or as often as a CSV preset takes the header (M1).

    ``columns`` are numbered, and have the headers of the preset.
    """
    paths = {document.location(place): place for place in document.entries(path)}
    first: dict[str, Column] = {}
    for column in columns:
        header = preset.header(column.target) if preset and preset.format == "csv" else None
        place, most = paths[column.location], header.at_most if header else 1
        other = first.setdefault(column.name.casefold(), column)
        if most is not None and column.occurrence > most:
            other = first[column.target.casefold()]
            _report_target(document, place, column, _too_often(column, other, most, preset))
        elif other is not column and other.name != column.name:
            alike = f"differs from another column's target only in letter case, on line {other.location.line}"
            _report_target(document, place, column, f"{alike}; give one of them another target")
        elif other is not column:
            written, repeated = sorted((column, other), key=lambda each: each.occurrence)
            alike = f"is the name that muster gives the column on line {repeated.location.line}; choose another target"
            _report_target(document, paths[written.location], written, alike)


def _too_often(column: Column, first: Column, most: int, preset: Preset | None) -> str:
    if most == 1 or preset is None:
        remedy = "give one of them another target" if preset is None or preset.others else "remove one of them"
        return f"is also another column's target, on line {first.location.line}; {remedy}"
    return f"is the header of {counted(column.occurrence, 'column')}; {preset.name} takes at most {most}"


def _report_target(document: Document, path: KeyPath, column: Column, message: str) -> None:
    """Report a mistake in a target, which is quoted as written; without ``target`` it comes from the source."""
    shown = document.shown((*path, "target"))
    if not shown and column.target == default_target(column.source):
        shown = document.shown((*path, "source")) or document.shown(path)
    document.report((*path, "target"), f"{shown or f'the header {column.target!r}'} {message}")


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

    UTF-16 starts with a byte order mark unless ``bom`` is written. An escape that is the quote doubles quotes.
    """
    values = dict(preset) | {key: value for key, (value, _) in written.items() if value is not None}
    values.setdefault("bom", values.get("encoding") == "utf-16")
    options = CsvOptions(**values)
    return replace(options, escape="") if options.escape == options.quote else options


def check_csv(document: Document, written: Mapping[str, tuple[Any, KeyPath]], preset: Mapping[str, Any]) -> None:
    """Check that a reader can parse files with these options; ``written`` is key to value and path (M7)."""
    options = csv_options(written, preset)
    wrong = {key for key, (value, _) in written.items() if value is None}
    for key, character in (("quote", options.quote), ("escape", options.escape)):
        if character and character in options.delimiter and not wrong & {"delimiter", key}:
            alike = "are the same character" if character == options.delimiter else "share a character"
            document.report(_last(written, key, "delimiter"), f"{key} and delimiter {alike}; choose another one")
    if options.meets_delimiter(options.null_value) and "delimiter" not in wrong:
        contains = "contains" if options.delimiter in options.null_value else "runs into"
        document.report(
            _last(written, "null_value", "delimiter"),
            f"null_value {contains} the delimiter {options.delimiter!r}, but null is never quoted; choose another "
            f"null_value",
        )
    if options.quote in options.null_value and "quote" not in wrong:
        document.report(
            _last(written, "null_value", "quote"),
            f"null_value contains the quote {options.quote!r}, but null is never quoted; choose another null_value",
        )
    if options.escape and options.null_value.endswith(options.escape) and "escape" not in wrong:
        document.report(
            _last(written, "null_value", "escape"),
            f"null_value ends with the escape {options.escape!r}, which would escape the delimiter behind it; choose "
            f"another null_value",
        )
    if "\n" in options.null_value or "\r" in options.null_value:
        document.report(
            _last(written, "null_value"), "contains a line end, but null is never quoted; choose another null_value"
        )


def check_text(
    document: Document,
    written: Mapping[str, tuple[Any, KeyPath]],
    preset: Mapping[str, Any],
    columns: Sequence[Column],
) -> None:
    """Check that Latin-1, where it is asked for, has all characters of ``null_value`` and of the headers (M7)."""
    options = csv_options(written, preset)
    if options.encoding != "latin-1":
        return
    if options.bom:
        document.report(
            _last(written, "bom", "encoding"), "latin-1 has no byte order mark; set bom to false, or use utf-8"
        )
    if lost := _missing(options.null_value):
        document.report(_last(written, "null_value", "encoding"), f"null_value has {lost}; choose another one")
    for column in columns if options.header else ():
        if lost := _missing(column.target):
            document.problems.append(column.location.problem(f"the header has {lost}; choose another target"))


def _missing(text: str) -> str | None:
    """The first character of a text that Latin-1 lacks, in words."""
    found = next((character for character in text if ord(character) > _LAST_OF_LATIN_1), None)
    return found and f"{named(found)}, which latin-1 cannot write"


def _last(written: Mapping[str, tuple[Any, KeyPath]], *keys: str) -> KeyPath:
    """The path of the option to blame: an activation's before a destination's, then the first of ``keys``."""
    return max((written[key][1] for key in keys if key in written), key=len)
