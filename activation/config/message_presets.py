"""``preset`` of an event destination: the keys that it sets, read as a destination's file is (V1)."""

from dataclasses import dataclass
from functools import cache

from muster.activation import presets
from muster.activation.config.message_models import HttpModel
from muster.activation.config.parse import parse
from muster.activation.config.yaml_reader import read_document
from muster.activation.presets.message_presets import get_message_preset, message_preset_hint, message_preset_names


@dataclass(frozen=True)
class ReadPreset:
    """What a preset sets."""

    name: str
    model: HttpModel


@cache
def message_preset(name: str) -> ReadPreset | None:
    """The preset called ``name``; None when there is none."""
    if name not in message_preset_names():
        return None
    document = read_document(f"preset {name}", get_message_preset(name).destination.encode(), {})
    model = parse(HttpModel, document)
    if model is None or document.problems:
        raise ValueError("; ".join(map(str, document.problems)))
    return ReadPreset(name, model)


def unknown_message_preset(name: str) -> str:
    """The message for a preset that event destinations do not have."""
    if name in presets.names():
        return f"{name!r} is a preset of files{message_preset_hint(name)}; destinations of kind http send requests"
    return f"{name!r} is not a preset of requests{message_preset_hint(name)}"
