"""A shop whose customers a receiver of messages is told of, with few words for days, people and destinations."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from support.shop import Shop, identities, person
from support.tellings import Teller

PROFILE: Mapping[str, Any] = {
    "kind": "http",
    "url": "https://crm.example.com/profiles",
    "payload": "profile",
    "mapping": ["profile_id", {"source": "email", "target": "mail"}],
}
LIST: Mapping[str, Any] = {
    "kind": "http",
    "url": "https://ads.example.com/{audience.alias}/users",
    "method": {"realized": "POST", "exited": "DELETE"},
    "identities": ["Email"],
    "columns": [{"target": "EMAIL", "source": "identity_map.Email", "transform": ["lower"]}],
    "request": {"data": {"each": "profiles", "as": ["=EMAIL"]}},
}


class ToldShop:
    """A shop with the audiences ``vips`` and ``locals``, and one activation of both, which a ``Teller`` tells."""

    def __init__(self, root: Path, destination: Mapping[str, Any], **more: Any) -> None:
        self.shop = Shop(root)
        self.shop.audience("vips", where="vip")
        self.shop.audience("locals", where="city = 'Oslo'")
        self.content = {**destination, **more}
        self.audiences: list[Any] = ["vips", "locals"]
        if "request" in destination:
            self.audiences = [{"audience": "vips", "alias": "v"}, {"audience": "locals", "alias": "l"}]
        self.configure()
        self.teller = Teller(self.shop)
        self.run, self.rows = self.teller.run, self.teller.rows

    def configure(self, *audiences: Any, **more: Any) -> None:
        """Write the destination anew, with other audiences or keys."""
        self.audiences = [*audiences] or self.audiences
        self.content |= more
        activation = {"id": "all", "audiences": self.audiences, "schedule": "each_run"}
        self.shop.write("destinations/out.yml", self.content | {"activations": [activation]})

    def day(self, day: int, *people: Mapping[str, Any], code: int = 0) -> None:
        """A snapshot of a day in November, evaluated at two."""
        self.shop.profiles(f"2026-11-{day}", [*people])
        done = self.shop.muster("evaluate", "--at", f"2026-11-{day}T02:00Z", "--no-exports")
        assert done.code == code, done.err


def customer(profile_id: str, *mails: str, **more: Any) -> dict[str, Any]:
    """A customer who is a VIP in Oslo and lets through everything, unless told otherwise; identities are e-mails."""
    own = {"city": "Oslo", "ok": True, "identity_map": identities(Email=mails or [f"{profile_id}@x"])}
    return person(profile_id, **(own | more))
