"""Receiver presets: what well-known receivers of files document, as defaults and checks.

In: the name of a preset; an activation's columns and values.
Out: its `Preset`, and what the receiver would refuse.

    shape        the parts of a preset
    receivers/   one module per receiver, each with a table named PRESET
    checks       checks of a file's values and size before delivery
"""

import pkgutil
from dataclasses import replace
from functools import cache
from importlib import import_module

from muster.activation.errors import did_you_mean
from muster.activation.presets import receivers
from muster.activation.presets.shape import Preset


@cache
def names() -> tuple[str, ...]:
    """The names of all presets, sorted."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(receivers.__path__)))


@cache
def get(name: str) -> Preset:
    """The preset called ``name``; ``KeyError`` when there is none."""
    if name not in names():
        raise KeyError(name)
    preset: Preset = import_module(f"{receivers.__name__}.{name}").PRESET
    return replace(preset, name=name)


def hint(name: str, *others: str) -> str:
    """The end of a message for an unknown preset: presets with this word, else near names, else how to list them.

    ``others`` are names that are accepted beside those of presets.
    """
    word = name.casefold()
    having = [each for each in names() if word in each.split("_")]
    if having:
        return f"; did you mean {' or '.join(map(repr, having))}?"
    return did_you_mean(name, (*names(), *others)) or "; `muster presets list` shows all"
