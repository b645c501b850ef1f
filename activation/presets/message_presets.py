"""Presets of event destinations: YAML over ``kind: http``, a file for each receiver in ``messages/`` (V1).

Written settings override a preset key by key; ``config.message_presets`` reads what a preset sets.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from muster.activation.errors import did_you_mean
from muster.activation.presets.shape import Page

_FOLDER = Path(__file__).parent / "messages"


@dataclass(frozen=True)
class MessagePreset:
    """The requests that a receiver's API documents. ``destination`` has the keys that the preset sets, as YAML."""

    name: str
    receiver: str
    about: str
    destination: str
    pages: tuple[Page, ...]
    limits: tuple[str, ...]
    attribution: str  # how the receiver says which entries it refused
    notes: tuple[str, ...] = ()
    uncertain: tuple[str, ...] = ()  # what the pages leave open, and what muster does there
    example: str = ""  # what a destination needs beside ``preset``, as YAML


@cache
def message_preset_names() -> tuple[str, ...]:
    """The names of all presets of event destinations, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yml")))


@cache
def get_message_preset(name: str) -> MessagePreset:
    """The preset called ``name``; ``KeyError`` when there is none."""
    if name not in message_preset_names():
        raise KeyError(name)
    read = yaml.safe_load((_FOLDER / f"{name}.yml").read_text(encoding="utf-8"))
    pages = tuple(Page(each["url"], each["looked_at"], each.get("dated", "")) for each in read["pages"])
    return MessagePreset(
        name,
        read["receiver"],
        read["about"],
        read["destination"],
        pages,
        tuple(read["limits"]),
        read["attribution"],
        tuple(read.get("notes", ())),
        tuple(read.get("uncertain", ())),
        read.get("example", ""),
    )


def message_preset_hint(name: str) -> str:
    """The end of a message for an unknown preset of event destinations."""
    word = name.casefold()
    having = [each for each in message_preset_names() if word in each.split("_")]
    if having:
        return f"; did you mean {' or '.join(map(repr, having))}?"
    return did_you_mean(name, message_preset_names()) or "; `muster presets list` shows all"
