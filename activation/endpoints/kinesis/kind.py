"""The declaration of Amazon Kinesis, and the limits of PutRecords (V1, V7)."""

from muster.activation.endpoints.kind import EndpointKind
from muster.activation.endpoints.protocol import Limits
from muster.activation.stores.kind import ConnectionKey

KINESIS = EndpointKind(
    name="kinesis",
    client="muster.activation.endpoints.kinesis.client.KinesisEndpoint",
    limits=Limits(entries=500, bytes=5_000_000, entry_bytes=1_000_000),
    keys=(
        ConnectionKey("endpoint", "endpoint"),
        ConnectionKey("region"),
        ConnectionKey("profile", excludes=("access_key_id_env",)),
        ConnectionKey("access_key_id_env", "variable", needs="secret_access_key_env"),
        ConnectionKey("secret_access_key_env", "variable"),
        ConnectionKey("session_token_env", "variable"),
    ),
    extra="kinesis",
    needs=("boto3",),
)
LONGEST_KEY = 256  # characters of a partition key


def region_in(stream: str) -> str:
    """The region that the ARN of a stream names; empty of a name."""
    return stream.split(":")[3] if stream.startswith("arn:") else ""
