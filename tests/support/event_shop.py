"""A small workspace that sends messages to a recording receiver, for the stories of event destinations.

shop = EventShop(tmp_path, receiver); shop.people("a", "b"); shop.crm(); shop.told("2026-11-20") == {"a": {...}, ...}
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from support.receiver import Received, Receiver
from support.shop import Result, Shop, identities

KEY = "crm/a"
ID = {"source": "profile_id", "target": "id"}
EMAIL = {"source": "email", "target": "contact.email"}
DAYS = ("2026-11-20", "2026-11-21", "2026-11-22", "2026-11-23", "2026-11-24", "2026-11-25")
Rows = Sequence[Mapping[str, Any]]


def somebody(name: str, *emails: str, **more: Any) -> dict[str, Any]:
    """A row of a snapshot: in the audiences `all` and `vips`, with one e-mail address as identity, unless told so."""
    ids = identities(Email=list(emails or (f"{name}@x.com",)))
    return {"profile_id": name, "email": f"{name}@mail", "vip": True, "ok": True, "identity_map": ids} | more


class EventShop(Shop):
    """A workspace with the audiences `all` (true) and `vips` (vip)."""

    def __init__(self, root: Path, receiver: Receiver, **settings: Any) -> None:
        super().__init__(root, **settings)
        self.receiver = receiver
        self.audience("all", where="true")
        self.audience("vips", where="vip")
        self._seen = 0

    def crm(
        self, audiences: Sequence[Any] = ("all",), *, activation: Mapping[str, Any] | None = None, **content: Any
    ) -> None:
        """A destination of profiles: ids and e-mails, to the receiver's `/people`, unless told otherwise."""
        entry = {"id": "a", "audiences": list(audiences), "schedule": "each_run"} | dict(activation or {})
        self.raw("crm", **({"payload": "profile", "mapping": [ID, EMAIL], "activations": [entry]} | content))

    def ads(
        self, audiences: Sequence[Any] = (("all", "23"),), *, limit: int = 100, activation: Any = None, **content: Any
    ) -> None:
        """A destination of lists, one an audience, in which people are known by their e-mail address (V6)."""
        mapped = [{"audience": each[0], "alias": each[1]} if isinstance(each, tuple) else each for each in audiences]
        entry = {"id": "a", "audiences": mapped, "schedule": "each_run"} | (activation or {})
        column = {"target": "EMAIL", "source": "identity_map.Email", "transform": ["trim", "lower"]}
        settings = {
            "url": self.receiver.url("/lists/{audience.alias}/users"),
            "method": {"realized": "POST", "exited": "DELETE"},
            "identities": ["Email"],
            "columns": [column],
            "request": {"users": {"each": "profiles", "as": "=EMAIL"}},
            "aggregation": {"configurable": {"max_profiles": limit, "key": ["audience", "status"]}},
            "activations": [entry],
        }
        self.raw("ads", **(settings | content))

    def raw(self, name: str, /, **content: Any) -> None:
        """Write a destination of kind http as it is given; a key that is None is left out."""
        settings = {"name": name, "kind": "http", "url": self.receiver.url("/people"), "retries": 0} | content
        self.write(f"destinations/{name}.yml", {key: each for key, each in settings.items() if each is not None})

    def people(self, *rows: Mapping[str, Any] | str, day: str = DAYS[0]) -> None:
        """A snapshot."""
        self.profiles(day, [somebody(each) if isinstance(each, str) else each for each in rows])

    def new(self) -> list[Received]:
        """The requests that came since the last call."""
        found = self.receiver.requests[self._seen :]
        self._seen = len(self.receiver.requests)
        return found

    def send(self, day: str, *rows: Mapping[str, Any] | str, code: int = 0) -> list[Received]:
        """A day: a snapshot, if rows are given; the evaluation at 02:00, `muster run` at 05:00; what was sent then."""
        if rows:
            self.people(*rows, day=day)
        self.new()
        evaluated = self.muster("evaluate", "--at", f"{day}T02:00Z", "--no-exports")
        assert evaluated.code in {0, code}, evaluated.err
        self.last = self.muster("run", "--at", f"{day}T05:00Z", "--json")
        assert self.last.code == code, self.last
        return self.new()

    def again(self, moment: str, *arguments: str, code: int = 0, command: Sequence[str] = ("run",)) -> list[Received]:
        """Another command that sends; what was sent."""
        self.new()
        self.last = self.muster(*command, "--at", moment, "--json", *arguments)
        assert self.last.code == code, self.last
        return self.new()

    last: Result

    @property
    def done(self) -> dict[str, Any]:
        """The one run that the last command told of."""
        [run] = self.last.json["runs"]
        assert isinstance(run, dict)
        return run


def objects(requests: Sequence[Received]) -> dict[str, Any]:
    """What each profile was told, by its id, where the payload is the profile."""
    found: dict[str, Any] = {}
    for request in requests:
        for each in request.json:
            assert each["id"] not in found, f"{each['id']} was told twice"
            found[each["id"]] = each
    return found


def names(requests: Sequence[Received]) -> list[str]:
    """Who was told, in order."""
    return [each["id"] for request in requests for each in request.json]


def statuses(told: Mapping[str, Any]) -> dict[str, str]:
    """The status in each audience that an object tells."""
    return {name: each["status"] for name, each in told["segmentMembership"]["ups"].items()}


def lists(requests: Sequence[Received]) -> list[tuple[str, str, list[str]]]:
    """Method, list and entries of the requests of ``ads``."""
    return [(each.method, each.path.split("/")[2], each.json["users"]) for each in requests]
