"""The declaration of S3 buckets, Amazon's or those of a service that speaks S3's protocol."""

from muster.activation.stores.kind import ConnectionKey, DestinationKind
from muster.activation.stores.remote_urls import BucketUrls, endpoint

S3 = DestinationKind(
    urls=BucketUrls("s3"),
    client="muster.activation.stores.s3.store.S3Store",
    lists=True,
    keys=(
        ConnectionKey("endpoint", "endpoint"),
        ConnectionKey("region"),
        ConnectionKey("profile", excludes=("access_key_id_env",)),
        ConnectionKey("access_key_id_env", "variable", needs="secret_access_key_env"),
        ConnectionKey("secret_access_key_env", "variable"),
        ConnectionKey("session_token_env", "variable"),
        ConnectionKey("addressing", words=("auto", "path", "virtual")),
        ConnectionKey("encryption", words=("AES256", "aws:kms")),
        ConnectionKey("kms_key", needs="encryption"),
    ),
    service=endpoint,
    extra="s3",
    needs=("boto3",),
)
