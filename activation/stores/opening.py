"""Opens the store of a destination or an input, once something is asked of it."""

from importlib import import_module
from pathlib import Path
from urllib.parse import urlsplit

from muster.activation.errors import ExportError
from muster.activation.model.workspace import Destination
from muster.activation.stores.kinds import PLACE_KINDS
from muster.activation.stores.protocol import Store


def open_store(destination: Destination, root: Path) -> Store:
    """Connects to a destination when it is used; ``ExportError`` when what it needs is not installed."""
    kind = PLACE_KINDS[urlsplit(destination.url).scheme.lower()]
    module, name = kind.store
    try:
        made: Store = getattr(import_module(module), name)(destination, root)
    except ModuleNotFoundError as error:
        raise ExportError(
            f'{destination.id}: {error.name} is not installed; pip install "muster-activation[{kind.extra}]"'
        ) from error
    return made
