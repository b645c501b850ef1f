"""Files to Azurite on this machine: by muster's delivery, and by ``BlobClient.upload_blob`` of Azure's library."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from azure.storage.blob import ContainerClient

from benchmarks import uploads_cloud
from muster.activation.stores.azure.store import AzureStore


def _plain(settings: dict[str, Any]) -> Callable[[Path], object]:
    connection = settings["connection"]
    key = {"account_name": connection["account"], "account_key": os.environ[connection["account_key_env"]]}
    client = ContainerClient(connection["endpoint"], settings["container"], key)

    def put(path: Path) -> None:
        with path.open("rb") as file:
            client.upload_blob(f"plain{path.name}", file)

    return put


if __name__ == "__main__":
    uploads_cloud.run(AzureStore, _plain)
