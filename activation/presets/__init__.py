"""Receiver presets: what files for a well-known receiver are like, and what is checked before anything is sent there.

In: the name of a preset.
Out: its ``Preset``, and checks of an activation's columns and values.
"""

import pkgutil
from dataclasses import replace
from functools import cache
from importlib import import_module

from muster.activation.presets import receivers
from muster.activation.presets.shape import Preset


@cache
def names() -> tuple[str, ...]:
    """Every preset there is, in the order of the alphabet."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(receivers.__path__)))


@cache
def get(name: str) -> Preset:
    """The preset of that name; ``KeyError`` when there is none."""
    if name not in names():
        raise KeyError(name)
    preset: Preset = import_module(f"{receivers.__name__}.{name}").PRESET
    return replace(preset, name=name)
