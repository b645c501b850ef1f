"""Loads the client of a kind, and opens the store of a destination or an input."""

from importlib import import_module
from pathlib import Path
from typing import Any, cast

from muster.activation.errors import ExportError
from muster.activation.model.workspace import Destination
from muster.activation.stores.kind import DestinationKind
from muster.activation.stores.kinds import kind_of
from muster.activation.stores.protocol import ListingStore, Store
from muster.activation.stores.urls import normalise


def load_client(kind: DestinationKind) -> Any:
    """The class that reaches destinations of this kind."""
    module, _, name = kind.client.rpartition(".")
    return getattr(import_module(module), name)


def open_store(destination: Destination, root: Path) -> Store:
    """A store for a remote destination; ``ExportError`` when what its kind needs is not installed.

    Nothing is asked of the destination before the store is used.
    """
    kind = kind_of(normalise(destination.url, root))
    try:
        store: Store = load_client(kind)(destination, root)
    except ModuleNotFoundError as error:
        raise ExportError(
            f'{destination.id}: {error.name} is not installed; pip install "muster-activation[{kind.extra}]"'
        ) from error
    return store


def open_listing_store(source: Destination, root: Path) -> ListingStore:
    """A store that inputs are read from, whose kind says that it ``lists``; ``ExportError`` as for ``open_store``."""
    if not kind_of(normalise(source.url, root)).lists:
        raise TypeError(source.id)
    return cast("ListingStore", open_store(source, root))
