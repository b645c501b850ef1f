"""The table of all kinds of destinations.

To add a kind, write its folder beside those here, add it to the table, and document it. The folder has ``kind.py`` with
its ``DestinationKind``, and a client, which may need an extra of pyproject.toml.
"""

from muster.activation.stores.azure.kind import AZURE
from muster.activation.stores.folder.kind import FOLDER
from muster.activation.stores.gcs.kind import GCS
from muster.activation.stores.kind import DestinationKind
from muster.activation.stores.s3.kind import S3
from muster.activation.stores.sftp.kind import SFTP

KINDS: dict[str, DestinationKind] = {kind.scheme: kind for kind in (FOLDER, S3, AZURE, GCS, SFTP)}


def kind_of(normalised: str) -> DestinationKind:
    """The kind of a destination by its normalised url, which has a scheme only if it is on another machine."""
    scheme, has_scheme, _ = normalised.partition("://")
    return KINDS.get(scheme, FOLDER) if has_scheme else FOLDER


def source_schemes() -> tuple[str, ...]:
    """The schemes of the remote kinds that inputs are read from."""
    return tuple(scheme for scheme, kind in KINDS.items() if kind.is_remote and kind.lists)
