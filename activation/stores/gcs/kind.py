"""The declaration of buckets of Google Cloud Storage."""

from muster.activation.stores.kind import ConnectionKey, DestinationKind
from muster.activation.stores.remote_urls import BucketUrls, endpoint

GCS = DestinationKind(
    urls=BucketUrls("gs"),
    client="muster.activation.stores.gcs.store.GcsStore",
    lists=True,
    keys=(
        ConnectionKey("project"),
        ConnectionKey("credentials_file"),
        ConnectionKey("endpoint", "endpoint"),
    ),
    service=endpoint,
    extra="gcs",
    needs=("google.cloud.storage",),
)
