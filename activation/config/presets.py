"""``preset`` of a destination: its defaults under the written settings, and checks of both (docs/presets.md).

The YAML overrides the preset. What the receiver would refuse is reported where the YAML has it.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from muster.activation.config.models import ColumnModel
from muster.activation.config.scalars import listed
from muster.activation.config.yaml_reader import Document, KeyPath
from muster.activation.errors import Problem, did_you_mean
from muster.activation.model.workspace import IDENTITY_PREFIX, Column, SourceLocation
from muster.activation.presets.shape import Preset
from muster.activation.wording import counted

_REGION = re.compile("[A-Z]{2}")


_DOUBLED = ('"',)  # the escape of files whose quotes are doubled


def settings(preset: Preset | None) -> dict[str, Any]:
    """The settings of a preset, by key; none without a preset."""
    return {"format": preset.format, "preset": preset.name} if preset else {}


def check_setting(document: Document, preset: Preset, key: str, value: object, path: KeyPath) -> None:
    """Check that the receiver takes a written setting: ``format``, ``compression``, ``csv.delimiter``, ..."""
    others = _DOUBLED if key == "csv.escape" else (value,)  # no receiver that says nothing of it knows an escape
    taken = (preset.format,) if key == "format" else preset.takes.get(key, others)
    if value is not None and value not in taken:
        words = listed([_word(each) for each in taken])
        document.report(path, f"{_word(value)} is not accepted by {preset.name}; expected {words}")


def _word(value: object) -> str:
    """A setting as YAML spells it."""
    return str(value).lower() if isinstance(value, bool) else repr(value)


def apply_preset(
    document: Document,
    path: KeyPath,
    entries: Sequence[ColumnModel | None],
    columns: Sequence[Column],
    preset: Preset,
    *,
    region: str | None,
    ids: Collection[str],
) -> tuple[Column, ...]:
    """The columns of one ``mapping``, with the preset's headers and transforms where none is written.

    ``region`` is the default region of phone numbers, or a profile column that has it; ``ids`` are the sources that are
    the profile id, which has no columns beside it once the profile is gone.
    """
    written = {
        document.location((*path, index)): entry.model_fields_set for index, entry in enumerate(entries) if entry
    }
    region = region or _country(preset, columns, written)
    found: list[Column] = []
    for column in columns:
        is_attribute = not column.source.startswith(IDENTITY_PREFIX) and column.source not in ids
        reads = region if is_attribute or (region and _REGION.fullmatch(region)) else None
        named = _with_header(column, preset, written.get(column.location, set()), reads)
        document.problems += _column_problems(named, preset)
        found.append(named)
    if len(columns) == len(entries):  # otherwise a column with a mistake may be the missing one
        location = document.location(path)
        document.problems += [location.problem(message) for message in _mistakes(preset, found)]
    return tuple(found)


def _with_header(column: Column, preset: Preset, own: set[str], region: str | None) -> Column:
    """A column with the preset's header and transform, unless the YAML (the keys ``own``) has its own."""
    column = _named(column, preset, own)
    header = preset.header(column.target)
    if header is None or "transform" in own:
        return column
    return replace(column, transform=header.in_region(region) if region else header.transform)


def _named(column: Column, preset: Preset, own: set[str]) -> Column:
    """A column with the preset's header, unless the YAML (the keys ``own``) has a target."""
    meant = None if "target" in own else preset.meant_by(column.source)
    return replace(column, target=meant.name) if meant else column


def _country(preset: Preset, columns: Iterable[Column], written: Mapping[SourceLocation, set[str]]) -> str | None:
    """The source of the mapped country column, the default region of phone numbers; None without such a source."""
    named = (_named(column, preset, written.get(column.location, set())) for column in columns)
    sources = (each.source for each in named if preset.country and each.target == preset.country)
    return next((each for each in sources if each and not each.startswith(IDENTITY_PREFIX)), None)


def _column_problems(column: Column, preset: Preset) -> Iterator[Problem]:
    target = column.target
    if not preset.admits(target):
        yield column.location.problem(f"{target!r} is not a header that {preset.name} takes{_expected(preset, target)}")
    header = preset.header(target)
    if header and header.hashed == "always" and column.transform and _hash_at_end(column) != header.by:
        yield column.location.problem(
            f"{target} holds hashes: its transform has to end with {header.by}, or to be empty for values that are "
            f"hashes",
        )


def _hash_at_end(column: Column) -> str | None:
    from muster.activation.values.transforms import ends_hashed  # noqa: PLC0415  # most mappings have none

    return ends_hashed(column.transform)


def _expected(preset: Preset, target: str) -> str:
    """The end of a message about an unknown header: the header that was meant, or what would be known."""
    known = [header.name for header in preset.headers]
    if near := preset.nearly(target):
        return f"; did you mean {near!r}?"
    if preset.others:
        return f"; expected {preset.others.words}"
    return did_you_mean(target, known) or f"; known are {', '.join(repr(name) for name in known)}"


def _mistakes(preset: Preset, columns: Sequence[Column]) -> Iterator[str]:
    """Mistakes in the columns as a whole, one sentence each."""
    targets = [column.target for column in columns]
    names = set(targets)
    if preset.needs and not any(names.issuperset(group) for group in preset.needs):
        yield (
            f"has no column by which {preset.name} identifies people; expected "
            f"{listed([_all(group) for group in preset.needs])}"
        )
    for group in preset.together:
        missing = [name for name in group if name not in names]
        if missing and len(missing) < len(group):
            yield f"{_all(group)} go together; {_all(missing)} {'is' if len(missing) == 1 else 'are'} missing"
    for one, other in preset.apart:
        if {one, other} <= names:
            yield f"{one} and {other} cannot be in one file for {preset.name}; remove one of them"
    yield from _too_many(preset, targets)


def _too_many(preset: Preset, names: Sequence[str]) -> Iterator[str]:
    limits, others = preset.limits, [name for name in names if not preset.header(name)]
    if limits.columns is not None and len(names) > limits.columns:
        yield f"has {counted(len(names), 'column')}; {preset.name} takes at most {limits.columns}"
    if limits.others is not None and len(others) > limits.others:
        yield f"has {counted(len(others), 'column')} of its own; {preset.name} takes at most {limits.others}"


def _all(names: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
