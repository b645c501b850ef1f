"""A workspace whose destinations are prefixes of a bucket."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from support import servers
from support.shop import STATUS, Shop, person

FIRST, SECOND, THIRD = "2026-11-20T05:00Z", "2026-11-21T05:00Z", "2026-11-22T05:00Z"  # slots
SECRETS = {"SHOP_KEY_ID": "AKIDOFTHESHOP7", "SHOP_SECRET": "invented/secret+of+the+shop"}


class BucketShop(Shop):
    """Each destination sends everyone at 05:00, incrementally, to ``s3://drop/<prefix>/<destination>``."""

    def __init__(self, root: Path, prefix: str, endpoint: str) -> None:
        super().__init__(root, evaluation={"schedule": {"at": "02:00"}})
        self.prefix, self.endpoint = prefix, endpoint
        self.audience("all", where="true")
        self.profiles("2026-11-20", [person("a"), person("b")])
        self.profiles("2026-11-21", [person("a"), person("c")])

    def connection(self, port: int | None = None) -> dict[str, str]:
        """How the bucket is reached: through the usual port of this machine, or another one."""
        endpoint = f"http://127.0.0.1:{port}" if port else self.endpoint
        return {"access_key_id_env": "SHOP_KEY_ID", "secret_access_key_env": "SHOP_SECRET", "endpoint": endpoint}

    def bucket(
        self,
        name: str,
        *,
        activations: Sequence[str] = ("all",),
        connection: dict[str, str] | None = None,
        **content: Any,
    ) -> None:
        """A destination; ``activations`` by their ids, all of the same audience."""
        schedule = {"at": "05:00"}
        made = [{"audience": "all", "id": each, "export": "incremental", "schedule": schedule} for each in activations]
        content = {"mapping": ["profile_id", STATUS], "activations": made, "timeout": "5s"} | content
        self.destination(
            name,
            url=f"s3://drop/{self.prefix}/{name}",
            connection=self.connection() if connection is None else connection,
            **content,
        )

    def lying(self, server: servers.S3, name: str = "") -> dict[str, str]:
        """What lies at a destination, or below the prefix: names to text, manifests aside."""
        found = server.objects(f"{self.prefix}/{name}/" if name else f"{self.prefix}/")
        return {
            key: content.decode()
            for key, content in found.items()
            if not key.rpartition("/")[2].startswith("manifest-")
        }

    def statuses(self) -> dict[str, list[str]]:
        """The status of each run by its activation, oldest first."""
        found: dict[str, list[str]] = {}
        for run in self.runs():
            found.setdefault(f"{run['destination']}/{run['activation']}", []).append(run["status"])
        return found

    @property
    def staged(self) -> list[str]:
        """What waits in the state to be uploaded."""
        return sorted(path.name for path in (self.root / ".muster/staging").glob("*"))
