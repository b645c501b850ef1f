"""The declaration of HTTP APIs."""

from muster.activation.endpoints.kind import EndpointKind
from muster.activation.endpoints.protocol import Limits

HTTP = EndpointKind(
    name="http",
    client="muster.activation.endpoints.http.client.HttpEndpoint",
    usual=Limits(entries=100, bytes=1_000_000),
    needs=("urllib3",),
)
