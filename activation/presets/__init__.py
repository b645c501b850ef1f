"""Receiver presets: one module each, named as the preset is, which holds a ``PRESET``. Adding one is adding a file here.

Everything in a table comes from the receiver's public documentation, on the pages that it names.
"""

import pkgutil
from dataclasses import replace
from functools import cache
from importlib import import_module

from activation.preset_shape import Preset


@cache
def names() -> tuple[str, ...]:
    """Every preset there is, in the order of the alphabet."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


@cache
def get(name: str) -> Preset:
    """The preset of that name; ``KeyError`` when there is none."""
    if name not in names():
        raise KeyError(name)
    preset: Preset = import_module(f"{__name__}.{name}").PRESET
    return replace(preset, name=name)
