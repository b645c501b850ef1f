"""The declaration of folders of this machine."""

from muster.activation.stores.folder.urls import FolderUrls
from muster.activation.stores.kind import DestinationKind

FOLDER = DestinationKind(
    urls=FolderUrls(),
    client="muster.activation.stores.folder.target.LocalTarget",
    is_remote=False,
)
