"""The keys of ``connection`` that each kind of event destination takes (V1): checked as those of destinations of files.

Credentials are those of the place where muster runs, unless keys name the variables that hold others.
"""

from muster.activation.model.messages import MessageKind
from muster.activation.stores.kind import ConnectionKey

CONNECTION_KEYS: dict[MessageKind, tuple[ConnectionKey, ...]] = {
    "http": (),
    "kinesis": (
        ConnectionKey("endpoint", "endpoint"),
        ConnectionKey("region"),
        ConnectionKey("profile", excludes=("access_key_id_env",)),
        ConnectionKey("access_key_id_env", "variable", needs="secret_access_key_env"),
        ConnectionKey("secret_access_key_env", "variable"),
        ConnectionKey("session_token_env", "variable"),
    ),
    "event_hubs": (
        ConnectionKey("endpoint", "endpoint", excludes=("connection_string_env",)),
        ConnectionKey("connection_string_env", "variable"),
    ),
}
