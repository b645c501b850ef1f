"""A shop whose CRM is told by messages: two days of people, and what a receiver must hold after each."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from support.receiver import Received, Receiver
from support.shop import Shop, identities, person

PEOPLE = 24
FIRST, SECOND = "2026-11-20", "2026-11-21"
Held = dict[str, dict[str, str]]  # by profile id, by audience: status


def people(day: str) -> list[dict[str, Any]]:
    """The snapshot of a day: on the second somebody left, somebody new came, some changed audience or e-mail."""
    rows = []
    for number in range(PEOPLE):
        if day == SECOND and number % 8 == 7:
            continue
        moved = day == SECOND and number % 4 == 1
        email = f"p{number}@{'new' if day == SECOND and number % 3 == 2 else 'x'}.com"
        rows.append(
            person(f"p{number}", email, gold=(number % 2 == 0) != moved, identity_map=identities(Email=[email]))
        )
    return rows + (
        [person("new", "new@x.com", gold=True, identity_map=identities(Email=["new@x.com"]))] * (day == SECOND)
    )


def expected(day: str) -> Held:
    """What the receiver must hold after a day."""
    held: Held = {}
    for each in (FIRST, SECOND):
        for audiences in held.values():
            audiences.update(dict.fromkeys(audiences, "exited"))
        for row in people(each):
            mine = held.setdefault(row["profile_id"], {})
            mine["all"] = "realized"
            if row["gold"]:
                mine["gold"] = "realized"
        if each == day:
            break
    return held


def message_shop(root: Path, receiver: Receiver, **content: Any) -> Shop:
    """The shop, with the snapshot of the first day."""
    shop = Shop(root, evaluation={"schedule": {"at": "02:00"}})
    shop.audience("all", where=True)
    shop.audience("gold", where="gold")
    crm(shop, receiver, **content)
    shop.profiles(FIRST, people(FIRST))
    return shop


def crm(shop: Shop, receiver: Receiver, **content: Any) -> None:
    """The destination: requests of two profiles."""
    shop.destination(
        "crm",
        **{
            "kind": "http",
            "url": receiver.url("/profiles"),
            "payload": "profile",
            "mapping": [{"source": "profile_id", "target": "id"}, {"source": "email", "target": "email"}],
            "aggregation": {"best_effort": {"max_profiles": 2}},
            "activations": [{"id": "a", "audiences": ["all", "gold"], "in_flight": 4}],
        }
        | content,
    )


def held(requests: Iterable[Received]) -> Held:
    """What a receiver holds that keeps the last message about each profile."""
    found: Held = {}
    for request in requests:
        if request.accepted:
            for each in request.json:
                told = {name: ups["status"] for name, ups in each.get("segmentMembership", {}).get("ups", {}).items()}
                found.setdefault(each["id"], {}).update(told)
    return found


def keys(requests: Iterable[Received]) -> dict[str, set[bytes]]:
    """The bodies under each Idempotency-Key."""
    found = defaultdict[str, set[bytes]](set)
    for request in requests:
        found[request.key].add(request.body)
    return found


def leftovers(shop: Shop) -> list[str]:
    """Files of the state that nobody needs once all runs ended."""
    state = shop.root / ".muster"
    return [
        path.relative_to(state).as_posix()
        for folder in ("outbox", "tmp")
        for path in (state / folder).rglob("*")
        if path.is_file()
    ]
