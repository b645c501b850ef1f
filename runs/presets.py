"""Receiver presets: the files of well-known receivers, and the requests of well-known APIs. They need no workspace."""

from muster.activation import presets
from muster.activation.errors import RefusedError, did_you_mean
from muster.activation.presets.message_presets import MessagePreset, get_message_preset, message_preset_names
from muster.activation.presets.shape import Preset


def list_presets() -> tuple[Preset | MessagePreset, ...]:
    """Every preset, of files and of requests, by name."""
    names = sorted((*presets.names(), *message_preset_names()))
    return tuple(show_preset(name) for name in names)


def show_preset(name: str) -> Preset | MessagePreset:
    """One preset; ``RefusedError`` for an unknown name."""
    if name in message_preset_names():
        return get_message_preset(name)
    if name not in presets.names():
        raise RefusedError(f"there is no preset {name!r}{_hint(name)}")
    return presets.get(name)


def _hint(name: str) -> str:
    """Presets with this word, else near names, else how to list them."""
    every = (*presets.names(), *message_preset_names())
    having = [each for each in every if name.casefold() in each.split("_")]
    if having:
        return f"; did you mean {' or '.join(map(repr, having))}?"
    return did_you_mean(name, every) or "; `muster presets list` shows all"
