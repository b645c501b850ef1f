"""Files to an emulator of Cloud Storage on this machine: by muster's delivery, and by Google's library."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Client

from benchmarks import uploads_cloud
from muster.activation.stores.gcs.store import GcsStore


def _plain(settings: dict[str, Any]) -> Callable[[Path], object]:
    options = {"api_endpoint": settings["connection"]["endpoint"]}
    nobody = AnonymousCredentials()  # type: ignore[no-untyped-call]
    bucket = Client(project="plain", credentials=nobody, client_options=options).bucket(settings["container"])
    return lambda path: bucket.blob(f"plain{path.name}").upload_from_filename(str(path))


if __name__ == "__main__":
    uploads_cloud.run(GcsStore, _plain)
