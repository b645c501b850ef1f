"""The files of event destinations among those of all destinations: which kind a file is of, and what it holds (V1)."""

from dataclasses import dataclass
from typing import cast

from muster.activation.config.governance import Vocabulary, actions_of
from muster.activation.config.message_access import build_receiver
from muster.activation.config.message_activations import build_message_activations
from muster.activation.config.message_layers import Layers, Surroundings
from muster.activation.config.message_models import MODELS, HttpModel, MessageDestinationModel
from muster.activation.config.message_presets import message_preset, unknown_message_preset
from muster.activation.config.yaml_reader import Document, Scalar
from muster.activation.errors import did_you_mean
from muster.activation.model.messages import MessageActivation, MessageDestination, MessageKind

FILES = "files"


@dataclass(frozen=True)
class Receiver:
    """An event destination and its activations."""

    destination: MessageDestination
    activations: tuple[MessageActivation, ...]


def kind_of_file(document: Document) -> str | None:
    """The kind of destination that a file says it is; None after reporting a wrong one."""
    written = document.at(("kind",))
    if document.data is None or "kind" not in document.data:
        return FILES
    if isinstance(written, Scalar) and (written.text in MODELS or written.text == FILES):
        return written.text
    if isinstance(written, Scalar) and written.text:
        known = (FILES, *MODELS)
        message = f"{written.shown} is not a kind of destination; expected {', '.join(known)}"
        document.report(("kind",), message + (did_you_mean(written.text, known) if len(known) > 8 else ""))
    elif written is not None:
        document.report(("kind",), f"expected a kind of destination: {', '.join((FILES, *MODELS))}")
    return None


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
