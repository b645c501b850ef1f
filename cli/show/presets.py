"""Text output of `presets`."""

import re
from collections.abc import Iterator, Sequence

from rich.markup import escape

from muster.cli.shapes.plain import Json
from muster.cli.shapes.presets import example
from muster.cli.show import terminal
from muster.runs import Header, Limits, MessagePreset, Preset, counted

_WORD = re.compile(r"[a-z0-9_-]+")


def presets(lines: Sequence[Json]) -> None:
    """Print the result of `presets list`."""
    body = [(each["name"], each["kind"], each["receiver"], each["looked_at"]) for each in lines]
    terminal.rows(("preset", "kind", "receiver", "looked at"), body)


def preset_of_requests(preset: MessagePreset) -> None:
    """Print the result of `presets show` of a preset of requests: the keys that it sets, its sources, an example."""
    terminal.prose(escape(f"{preset.receiver}: {preset.about}"))
    terminal.say()
    terminal.say(preset.destination.rstrip("\n"))
    terminal.say()
    for line in preset.limits:
        terminal.item(line)
    terminal.item(f"which entries were refused: {preset.attribution}")
    for line in preset.notes:
        terminal.item(line)
    _sources(preset)
    terminal.say()
    terminal.say(f"# destinations/{preset.name}.yml")
    terminal.say(preset.example.rstrip("\n"))


def preset(preset: Preset) -> None:
    """Print the result of `presets show`: the file's columns and form, the sources of that, an example."""
    terminal.prose(escape(f"{preset.receiver}: {preset.about}"))
    terminal.say()
    body = [
        (header.name, ", ".join(header.transform) or "-", _hashed(header), header.holds) for header in preset.headers
    ]
    others = [("others", "-", "no", f"{preset.others.holds}: {preset.others.words}")] if preset.others else []
    terminal.rows(("header", "transform", "hashed", "holds"), [*body, *others])
    terminal.say()
    for line in (*_form(preset), *_together(preset), *_people(preset), *_limits(preset.limits), *preset.notes):
        terminal.item(line)
    _sources(preset)
    terminal.say()
    terminal.say(f"# destinations/{preset.name}.yml")
    terminal.say(example(preset).rstrip("\n"))


def _sources(preset: Preset | MessagePreset) -> None:
    """Print what the receiver's pages leave open, and the pages."""
    for line in preset.uncertain:
        terminal.item(f"uncertain: {line}")
    terminal.say()
    for page in preset.pages:
        terminal.say(f"{page.looked_at}  {page.url}{f'  (dated {page.dated})' if page.dated else ''}")


def _hashed(header: Header) -> str:
    return {"no": "no", "usually": "yes, or plain", "always": "yes"}[header.hashed]


def _form(preset: Preset) -> Iterator[str]:
    """The file's format and options, and the values that the receiver takes beside them."""
    own = ", ".join(f"csv.{key}: {value}" for key, value in preset.csv.items())
    yield f"format: {preset.format}" + (f"; {own}" if own else "")
    for key, values in preset.takes.items():
        yield f"{key}: {' or '.join(_value(value) for value in values)}"
    for most in sorted({header.at_most for header in preset.headers} - {1}, key=lambda most: most or 0):
        names = ", ".join(header.name for header in preset.headers if header.at_most == most)
        yield f"{f'up to {most}' if most else 'any number of'} columns of each of these headers: {names}"


def _value(value: object) -> str:
    if isinstance(value, str):
        return value if _WORD.fullmatch(value) else repr(value)
    return str(value).lower()


def _together(preset: Preset) -> Iterator[str]:
    if preset.needs:
        without = "" if preset.identifies else "; a profile without a value there is left out as unidentified"
        yield f"needs {' or '.join(_all(group) for group in preset.needs)}{without}"
    for group in preset.together:
        yield f"as a whole or not at all: {_all(group)}"
    for one, other in preset.apart:
        yield f"not in one file: {one} and {other}"


def _people(preset: Preset) -> Iterator[str]:
    """How the receiver knows people, and what that means for profiles and phone numbers."""
    known = [_all(group) for group in preset.identifies]
    known += (
        ["a column of profile ids, identities or keys of deduplicate"]
        if preset.others and preset.others.may_identify
        else []
    )
    if known:
        yield f"a profile without a value for {' or '.join(known)} is left out as unidentified"
    if preset.takes_region:
        country = f", or that of the column mapped to {preset.country}" if preset.country else ""
        yield f"phone numbers without a country code are read in the region of `region`{country}"
    if not preset.takes_lists:
        yield "no column can be a list or a struct"


def _all(names: Sequence[str]) -> str:
    return " + ".join(names)


def _limits(limits: Limits) -> Iterator[str]:
    for most, noun, more in (
        (limits.rows, "row", ""),
        (limits.size, "byte", " before compression"),
        (limits.columns, "column", ""),
    ):
        if most is not None:
            yield f"a file has at most {counted(most, noun)}{more}"
    if limits.others is not None:
        yield f"a file has at most {limits.others:,} columns beside the known ones"
    if limits.few_rows is not None:
        yield f"files of fewer than {limits.few_rows:,} rows are advised against; muster warns"
