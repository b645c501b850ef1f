"""The declaration of a kind of destination: urls, keys of ``connection``, capabilities, client.

A declaration loads nothing of what the kind needs. Each kind declares itself in ``kind.py`` of its folder here;
``muster.activation.stores.kinds`` has the table of all of them.
"""

import os
from collections import ChainMap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from muster.activation.model.messages import MessageDestination
from muster.activation.model.workspace import Destination

Connection: TypeAlias = Mapping[str, str]  # the keys of ``connection`` that were written, and their values
Environ: TypeAlias = Mapping[str, str]
FindService: TypeAlias = Callable[[str, Connection, Environ], str]


@dataclass(frozen=True)
class ConnectionKey:
    """One key of ``connection``, and what is checked of it when the config is read (SPEC 2)."""

    name: str
    holds: Literal["text", "endpoint", "variable"] = "text"  # "variable": the name of an environment variable
    words: tuple[str, ...] = ()  # the allowed values, where only these are
    needs: str = ""  # the key that has to be written beside this one
    excludes: tuple[str, ...] = ()  # the keys that must not be written beside this one


class Urls(Protocol):
    """How the urls of a kind are checked and spelled."""

    @property
    def scheme(self) -> str:
        """The scheme of the urls, in lower case."""

    @property
    def form(self) -> str:
        """How a url should look, for messages."""

    def mistake(self, url: str) -> str:
        """Why files cannot be written to ``url``, or nothing; the sentence follows the url and never repeats it."""

    def normalise(self, url: str, root: Path) -> str:
        """One spelling for all urls of a destination, without credentials (X9); ``root`` is the workspace's folder."""


def variables_of(destination: Destination | MessageDestination) -> Environ:
    """The environment variables for a destination: those of its workspace, for all others those of the process."""
    return ChainMap(dict(destination.variables), dict(os.environ))


def no_service(_url: str, _connection: Connection, _environ: Environ) -> str:
    """The service of a kind whose url alone identifies the destination: none."""
    return ""


@dataclass(frozen=True)
class DestinationKind:
    """A kind of destination. Everything that treats kinds differently asks the fields of this declaration."""

    urls: Urls
    client: str
    """Dotted name of the class that reaches the destination, imported when a destination of the kind is used.

    Of a remote kind a ``Store`` (``muster.activation.stores.protocol``), made with the destination and the workspace's
    folder. Of another kind a ``DeliveryTarget`` (``muster.activation.destinations.target``), made with the folder, the
    normalised url and the mode of files.
    """
    is_remote: bool = True
    """Whether the destination is on another machine: files are staged in the state folder and uploaded, and the config
    has ``connection``, ``retries`` and ``timeout``. Otherwise files are staged in place and renamed.
    """
    lists: bool = False
    """Whether the client is a ``ListingStore``, so that inputs are read from this kind, too."""
    keys: tuple[ConnectionKey, ...] = ()
    """What ``connection`` may say."""
    password_key: str = ""
    """The key of ``connection`` that names a password, for a kind whose urls may hold one."""
    service: FindService = no_service
    """Endpoint, account or user that the url does not contain; with it the url identifies one destination (X9)."""
    extra: str = ""
    """The extra of the distribution that installs ``needs``."""
    needs: tuple[str, ...] = ()
    """Modules of other distributions that the client imports."""

    @property
    def scheme(self) -> str:
        """The scheme of the urls, in lower case: the kind's name in the table."""
        return self.urls.scheme
