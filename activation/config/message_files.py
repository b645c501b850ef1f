"""A file of an event destination: the destination with its activations, over what its preset sets (V1)."""

from dataclasses import dataclass
from typing import cast

from muster.activation.config.governance import Vocabulary, actions_of
from muster.activation.config.message_access import build_receiver
from muster.activation.config.message_activations import build_message_activations
from muster.activation.config.message_layers import Layers, Surroundings
from muster.activation.config.message_models import HttpModel, MessageDestinationModel
from muster.activation.config.message_presets import message_preset, unknown_message_preset
from muster.activation.config.yaml_reader import Document
from muster.activation.model.messages import MessageActivation, MessageDestination, MessageKind


@dataclass(frozen=True)
class Receiver:
    """An event destination and its activations."""

    destination: MessageDestination
    activations: tuple[MessageActivation, ...]


def build_message_file(
    document: Document, model: MessageDestinationModel, destination_id: str, words: Vocabulary, around: Surroundings
) -> Receiver:
    """The destination and the activations of one file; mistakes are reported in the document."""
    preset = None
    if isinstance(model, HttpModel) and model.preset is not None:
        preset = message_preset(model.preset)
        if preset is None:
            document.report(("preset",), unknown_message_preset(model.preset))
    layers = Layers(document, model, preset.model if preset else None)
    kind = cast("MessageKind", model.kind)
    actions = actions_of(document, ("marketing_actions",), model.marketing_actions, words.actions)
    receiver = build_receiver(layers, destination_id, kind, around.environ, actions)
    return Receiver(receiver, tuple(build_message_activations(layers, receiver, around)))
