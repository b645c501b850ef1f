"""The table of all kinds of endpoints.

To add a kind, write its folder beside those here, add it to the table, and document it. The folder has ``kind.py`` with
its ``EndpointKind``, and a client, which may need an extra of pyproject.toml.
"""

from muster.activation.endpoints.event_hubs.kind import EVENT_HUBS
from muster.activation.endpoints.http.kind import HTTP
from muster.activation.endpoints.kind import EndpointKind
from muster.activation.endpoints.kinesis.kind import KINESIS

KINDS: dict[str, EndpointKind] = {kind.name: kind for kind in (HTTP, KINESIS, EVENT_HUBS)}
