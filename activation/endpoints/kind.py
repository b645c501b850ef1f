"""The declaration of a kind of endpoint: keys of ``connection``, limits of the service, client (V1, V7).

A declaration loads nothing of what the kind needs. Each kind declares itself in ``kind.py`` of its folder here;
``muster.activation.endpoints.kinds`` has the table of all of them.
"""

import os
from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass

from muster.activation.endpoints.protocol import NO_LIMITS, Limits
from muster.activation.model.messages import MessageDestination, MessageKind
from muster.activation.stores.kind import ConnectionKey


@dataclass(frozen=True)
class EndpointKind:
    """A kind of destination that takes messages. Whatever treats kinds differently asks the fields here."""

    name: MessageKind
    client: str
    """Dotted name of the class that is an ``Endpoint``, imported when a destination of the kind is used.

    It is made with the destination, the activation and the workspace's folder; ``ExportError`` when that cannot work.
    """
    limits: Limits = NO_LIMITS
    """What the service takes in one request, whatever is configured."""
    usual: Limits = NO_LIMITS
    """What one request holds where ``aggregation`` says nothing."""
    keys: tuple[ConnectionKey, ...] = ()
    """What ``connection`` may say."""
    extra: str = ""
    """The extra of the distribution that installs ``needs``."""
    needs: tuple[str, ...] = ()
    """Modules of other distributions that the client imports."""

    @property
    def key_names(self) -> tuple[str, ...]:
        """The names of the keys that ``connection`` may have."""
        return tuple(key.name for key in self.keys)


def variables_of(destination: MessageDestination) -> Mapping[str, str]:
    """The environment variables for a destination: those of its workspace, for all others those of the process."""
    return ChainMap(dict(destination.variables), dict(os.environ))
