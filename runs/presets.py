"""Receiver presets: the form of files for well-known receivers. They need no workspace."""

from muster.activation import presets
from muster.activation.errors import RefusedError
from muster.activation.presets.shape import Preset


def list_presets() -> tuple[Preset, ...]:
    """Every preset, by name."""
    return tuple(presets.get(name) for name in presets.names())


def show_preset(name: str) -> Preset:
    """One preset; ``RefusedError`` for an unknown name."""
    if name not in presets.names():
        raise RefusedError(f"there is no preset {name!r}{presets.hint(name)}")
    return presets.get(name)
