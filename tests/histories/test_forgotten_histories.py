"""Random weeks in which people come, go, change their identities, and are forgotten: what receivers hold, what the
state has.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from support.erased import holding
from support.random_histories import MORE
from support.shop import STATUS, Shop, identities, quick_folder

PROFILES = [f"profile-{name}" for name in ("anna", "bert", "cora", "dora", "emil", "fred")]
PHONES = [f"phone-{number}" for number in range(1, 7)]
DAILY = {"export": "incremental", "schedule": {"at": "05:00"}}


@dataclass
class Week:
    """A shop, and what must be so by the words of G8 alone."""

    shop: Shop
    random: random.Random
    people: dict[str, tuple[frozenset[str], bool]] = field(default_factory=dict)  # newest snapshot: phones, VIP or not
    ever: dict[str, frozenset[str]] = field(default_factory=dict)  # all phones of each person so far
    members: set[str] = field(default_factory=set)  # as last evaluated
    listed: set[str] = field(default_factory=set)
    ids: set[str] = field(default_factory=set)  # forgotten
    phones: set[str] = field(default_factory=set)  # forgotten
    held: dict[str, set[str]] = field(default_factory=dict)  # by activation: ids or phones, as received
    done: set[str] = field(default_factory=set)  # runs that the receivers have read

    def is_forgotten(self, name: str) -> bool:
        phones = self.people.get(name, (frozenset(), False))[0]
        return name in self.ids or (bool(phones) and phones <= self.phones)

    def snapshot(self, day: str) -> None:
        for name in self.random.sample(PROFILES, 4):
            phones = frozenset(self.random.sample(PHONES, self.random.choice((0, 1, 1, 2))))
            self.people[name] = phones, self.random.random() < 0.8
            self.ever[name] = self.ever.get(name, frozenset()) | phones
        self.people.pop(self.random.choice(PROFILES), None)
        self.people.setdefault("profile-last", (frozenset({"phone-0"}), False))
        rows = [
            {"profile_id": name, "vip": vip, "identity_map": identities(Phone=sorted(phones))}
            for name, (phones, vip) in sorted(self.people.items())
        ]
        self.shop.profiles(day, rows)

    def feed(self, day: str) -> None:
        name = self.random.choice(PROFILES)
        status = self.random.choice(("realized", "realized", "exited"))
        self.shop.feed([("listed", name, status, f"{day}T01:00Z")], name=day)
        self.listed = self.listed | {name} if status == "realized" else self.listed - {name}

    def forget(self) -> None:
        name = self.random.choice(PROFILES)
        result = self.shop.muster("profiles", "forget", name, "--even-unknown")
        assert result.code == 0, result.err
        self.ids.add(name)
        self.phones |= self.people.get(name, (frozenset(), False))[0]
        self.ids |= {each for each in self.people if self.is_forgotten(each)}
        self.members -= self.ids

    def evaluate(self, day: str) -> None:
        self.shop.evaluate(f"{day}T02:00Z")
        self.members = {name for name, (_, vip) in self.people.items() if vip and not self.is_forgotten(name)}

    def export(self, day: str) -> None:
        self.shop.run(f"{day}T05:00Z")
        for run in self.shop.runs():
            if run["run_id"] not in self.done:
                assert run["status"] == "succeeded"
                self._receive(run["activation"], [row for file in run["files"] for row in self._rows(file)])
                self.done.add(run["run_id"])

    def _rows(self, file: Mapping[str, str]) -> list[dict[str, str]]:
        return self.shop.rows(file["path"].removeprefix("out/"))

    def _receive(self, activation: str, rows: list[dict[str, str]]) -> None:
        keys = self.held.setdefault(activation, set())
        for row in sorted(rows, key=lambda row: row["status"] != "exited"):
            key = row.get("phone", row["profile_id"])  # a receiver of identities knows people by these (M5)
            if row["status"] == "exited":
                keys.discard(key)
            else:
                keys.add(key)

    def check(self) -> None:
        going = {name for name in self.people if not self.is_forgotten(name)}
        assert self.held["all"] == self.members & going
        assert self.held["listed"] == self.listed & going
        phones = [self.people[name][0] for name in self.members & going]
        assert self.held["phones"] <= frozenset().union(*phones)  # of those who share a phone one is sent
        gone = sorted(self.ids)
        assert holding(self.shop, *gone) == [] if gone else True
        alive = frozenset().union(*(phones for name, phones in self.ever.items() if name not in self.ids))
        erased = sorted(self.phones - alive)
        assert holding(self.shop, *erased) == [] if erased else True
        assert self.shop.ok("state", "check").out == ""


@pytest.mark.parametrize("seed", range(MORE))
def test_random_weeks(seed: int) -> None:
    """G8: after each night receivers hold exactly the members who are not forgotten, whatever came between, and the
    state has neither the id of anybody forgotten nor an identity that nobody else ever had.
    """
    with quick_folder() as folder:
        shop = Shop(folder / "shop")
        shop.audience("all", where="vip")
        shop.audience("listed", source="memberships")
        mapping = ["profile_id", STATUS]
        shop.destination(
            "crm", mapping=mapping, activations=[{"audience": each, **DAILY} for each in ("all", "listed")]
        )
        phones = [{"source": "identity_map.Phone", "target": "phone"}]
        shop.destination("sms", mapping=[*mapping, *phones], activations=[{"audience": "all", "id": "phones", **DAILY}])
        week = Week(shop, random.Random(seed))  # noqa: S311  # no secret
        for number in range(20, 27):
            day = f"2026-11-{number}"
            week.snapshot(day)
            week.feed(day)
            if number == 20 or week.random.random() < 0.7:
                week.evaluate(day)
            week.export(day)
            week.check()
            if week.random.random() < 0.4:
                week.forget()
