"""What a receiver preset makes of a destination's settings and columns, and what it refuses (docs/presets.md). Pure.

What is written in the YAML stands above the preset. Where the receiver would refuse it, it is a mistake at its own
place.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from muster.activation.config.fields import listed
from muster.activation.config.models import ColumnModel
from muster.activation.config.yaml_reader import Document, KeyPath
from muster.activation.errors import Problem, did_you_mean
from muster.activation.model.workspace import Column, SourceLocation
from muster.activation.presets.shape import Preset


def settings(preset: Preset | None) -> dict[str, Any]:
    """What the preset says of the file where the YAML does not."""
    return {"format": preset.format, "preset": preset.name} if preset else {}


def check_setting(document: Document, preset: Preset, key: str, value: object, path: KeyPath) -> None:
    """That the receiver takes a setting as it is written: ``format``, ``compression``, ``csv.delimiter``, ..."""
    taken = (preset.format,) if key == "format" else preset.takes.get(key, (value,))
    if value is not None and value not in taken:
        words = listed([_word(each) for each in taken])
        document.report(path, f"{_word(value)} is not what {preset.name} takes; expected {words}")


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)


def fitted(
    document: Document, path: KeyPath, entries: Sequence[ColumnModel | None], columns: Sequence[Column], preset: Preset
) -> tuple[Column, ...]:
    """The columns of one ``mapping`` as the receiver knows them: its headers and transforms where none is written."""
    written = {document.place((*path, index)): entry.model_fields_set for index, entry in enumerate(entries) if entry}
    found: list[Column] = []
    for number, column in enumerate(columns):
        own = written.get(column.location, set())
        made = _named(column, preset, own)
        document.problems += _column_problems(made, preset)
        document.problems += _twins(column, made, zip(columns[:number], found, strict=True))
        found.append(made)
    if len(columns) == len(entries):  # else a column with a mistake may be the one that is missed
        place = document.place(path)
        document.problems += [
            Problem(place.file, place.line, place.key, message) for message in _mistakes(preset, found)
        ]
    return tuple(found)


def _named(column: Column, preset: Preset, own: set[str]) -> Column:
    """A column with the header and the transform that the preset gives it."""
    meant = None if "target" in own else preset.meant_by(column.source)
    column = replace(column, target=meant.name) if meant else column
    header = preset.header(column.target)
    return replace(column, transform=header.transform) if header and "transform" not in own else column


def _twins(column: Column, made: Column, earlier: Iterable[tuple[Column, Column]]) -> Iterator[Problem]:
    """Columns before this one that have its header only since the preset gave it to one of them: the others are known already."""
    for other, before in earlier:
        if before.target == made.target and other.target.casefold() != column.target.casefold():
            place = before.location.line
            yield _problem(
                made.location,
                f"the header {made.target!r} is another column's too, on line {place}; give one of them another target",
            )


def _column_problems(column: Column, preset: Preset) -> Iterator[Problem]:
    place, target = column.location, column.target
    if not preset.admits(target):
        yield _problem(place, f"{target!r} is no header that {preset.name} takes{_expected(preset, target)}")
    header = preset.header(target)
    if header and header.hashed == "always" and column.transform and column.transform[-1] != header.by:
        yield _problem(
            place,
            (
                f"{target} holds hashes: its transform has to end with {header.by}, or to be empty for values "
                f"that are hashes"
            ),
        )


def _problem(place: SourceLocation, message: str) -> Problem:
    return Problem(place.file, place.line, place.key, message)


def _expected(preset: Preset, target: str) -> str:
    known = [header.name for header in preset.headers]
    if near := preset.nearly(target):
        return f"; did you mean {near!r}?"
    if preset.others:
        return f"; expected {preset.others.words}"
    return did_you_mean(target, known) or f"; known are {', '.join(repr(name) for name in known)}"


def _mistakes(preset: Preset, columns: Sequence[Column]) -> Iterator[str]:
    """What is wrong with the columns together, a sentence each."""
    names = {column.target for column in columns}
    if preset.needs and not any(names.issuperset(group) for group in preset.needs):
        yield (
            f"lacks a column that {preset.name} knows people by; expected "
            f"{listed([_all(group) for group in preset.needs])}"
        )
    for group in preset.together:
        missing = [name for name in group if name not in names]
        if missing and len(missing) < len(group):
            yield f"{_all(group)} go together; {_all(missing)} {'is' if len(missing) == 1 else 'are'} missing"
    for one, other in preset.apart:
        if {one, other} <= names:
            yield f"{one} and {other} do not go into one file of {preset.name}; expected one of them"
    yield from _too_many(preset, names)


def _too_many(preset: Preset, names: set[str]) -> Iterator[str]:
    limits, others = preset.limits, [name for name in names if not preset.header(name)]
    if limits.columns is not None and len(names) > limits.columns:
        yield f"has {len(names)} columns; {preset.name} takes at most {limits.columns}"
    if limits.others is not None and len(others) > limits.others:
        yield f"has {len(others)} columns of its own; {preset.name} takes at most {limits.others}"


def _all(names: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
