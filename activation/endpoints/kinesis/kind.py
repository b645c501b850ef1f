"""The declaration of Amazon Kinesis: the keys of its destinations, and the limits of PutRecords (V1, V7).

It loads nothing of what the client needs.
"""

from muster.activation.endpoints.protocol import Limits
from muster.activation.stores.kind import ConnectionKey

CONNECTION_KEYS = (
    ConnectionKey("endpoint", "endpoint"),
    ConnectionKey("region"),
    ConnectionKey("profile", excludes=("access_key_id_env",)),
    ConnectionKey("access_key_id_env", "variable", needs="secret_access_key_env"),
    ConnectionKey("secret_access_key_env", "variable"),
    ConnectionKey("session_token_env", "variable"),
)
KEYS = ("stream", "partition_key")  # of the destination itself
PARTITION_KEYS = ("profile_id",)  # what ``partition_key`` may say
LIMITS = Limits(entries=500, bytes=5_000_000, entry_bytes=1_000_000, counts_profile_id=True)
LONGEST_KEY = 256  # characters of a partition key
EXTRA, NEEDS = "kinesis", ("boto3",)
CLIENT = "muster.activation.endpoints.kinesis.client.KinesisEndpoint"
