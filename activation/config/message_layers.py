"""The settings of an event destination's activation: its own, over its destination's, over the preset's (V1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from muster.activation.config.message_models import MessageActivationModel, MessageDestinationModel
from muster.activation.config.models import AllGuardsModel, GuardsModel
from muster.activation.config.yaml_reader import Document, KeyPath
from muster.activation.model.workspace import Guards, SourceLocation

PRESET: KeyPath = ("preset",)


@dataclass(frozen=True)
class Surroundings:
    """The parts of a workspace that an event destination is checked against."""

    zone: ZoneInfo
    audiences: Mapping[str, str]  # the name of every audience, by id
    merge_policies: Mapping[str, str]  # that of every audience, by id
    root: Path
    environ: Mapping[str, str]
    settings: Document  # muster.yml
    guards: AllGuardsModel | None = None  # of muster.yml: the default of every activation


@dataclass(frozen=True)
class Layers:
    """An activation's settings over its destination's and those of the preset; without an activation the others."""

    document: Document
    destination: MessageDestinationModel
    preset: MessageDestinationModel | None = None
    activation: MessageActivationModel | None = None
    path: KeyPath = ()

    def level(self, key: str) -> int:
        """How near the setting is written: 3 in the activation, 2 in the destination, 1 in the preset, or 0."""
        layers = (self.preset, self.destination, self.activation)
        return max(
            (number for number, each in enumerate(layers, 1) if each and key in each.model_fields_set), default=0
        )

    def origin(self, key: str) -> KeyPath | None:
        """Where the setting in force is written; None when it is written nowhere."""
        return (None, PRESET, (key,), (*self.path, key))[self.level(key)]

    def get(self, key: str) -> Any:
        """The setting in force; None when it is not written, or wrong."""
        layer = (None, self.preset, self.destination, self.activation)[self.level(key)]
        return getattr(layer, key) if layer else None

    def is_written(self, key: str) -> bool:
        """Whether the destination's file has the setting in force."""
        return self.level(key) > 1

    def report(self, key: str, message: str, *below: str | int) -> None:
        """Report a mistake in the setting ``key``, or below it, where it is written."""
        path = self.origin(key) or self.path
        self.document.report(path if path == PRESET else (*path, *below), message)

    def guards(self, around: Surroundings) -> Guards:
        """The guards in force: those of muster.yml, destination and activation, merged key by key (X11, V11)."""
        found: dict[str, tuple[Any, SourceLocation]] = {}
        default = around.guards or AllGuardsModel()
        for key in AllGuardsModel.model_fields:
            found[key] = getattr(default, key), around.settings.location(("guards", key))
        for layer, path in ((self.destination, ()), (self.activation, self.path)):
            written: GuardsModel | None = layer.guards if layer else None
            for key in written.model_fields_set if written else ():
                found[key] = getattr(written, key), self.document.location((*path, "guards", key))
        (shrink, of_shrink), (exited, of_exited) = found["max_shrink"], found["max_exited"]
        messages, of_messages = found["max_messages"]
        return Guards(shrink, exited, of_shrink, of_exited, messages, of_messages)
