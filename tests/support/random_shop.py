"""A random shop whose rules are simple enough to be told in Python: audiences, destinations, schedules, formats, names,
splits.

All of it comes from one seed. ``Shop`` writes it down; ``expected`` says what must have been sent, from the people
alone.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from support.reader_audit import Delivery
from support.shop import STATUS, Shop

START = datetime(2026, 11, 20, tzinfo=UTC)
Person = Mapping[str, Any]
RULES: dict[str, tuple[str, Callable[[Person], bool]]] = {
    "everyone": ("true", lambda _: True),
    "gold": ("gold", lambda person: bool(person["gold"])),
    "rich": ("points >= 50", lambda person: person["points"] >= 50),
    "both": ("audience.gold AND points < 80", lambda person: bool(person["gold"]) and person["points"] < 80),
    "nobody": ("points > 1000", lambda _: False),
}
NAMES = (
    "{destination}_{activation}_{datetime}",
    "{activation}/{timestamp}",
    "{export}/{run_id}",
    "daily/{activation}-{audience_id}",
)
FORMATS = (
    ("csv", "none"),
    ("csv", "gzip"),
    ("csv", "zstd"),
    ("json", "none"),
    ("json", "gzip"),
    ("parquet", "none"),
    ("parquet", "zstd"),
)


@dataclass(frozen=True)
class Sent:
    """One activation."""

    destination: str
    name: str
    audience: str
    incremental: bool
    hours: int  # every N hours; 0: after evaluation
    file_name: str
    mandatory: bool  # an e-mail is needed

    @property
    def key(self) -> str:
        return f"{self.destination}/{self.name}"


AFTER_EVALUATION = Sent("", "", "", incremental=False, hours=0, file_name="", mandatory=False)


@dataclass
class RandomShop:
    """What a seed makes: people by day, activations, and the instants at which `muster run` is called."""

    chance: random.Random
    days: int
    people: list[dict[str, Person]] = field(default_factory=list)
    activations: list[Sent] = field(default_factory=list)
    evaluation_hours: int = 12

    @classmethod
    def of(cls, seed: int, days: int) -> "RandomShop":
        """The shop of a seed."""
        made = cls(random.Random(seed), days)  # noqa: S311  # a test's own choices
        made.evaluation_hours = made.chance.choice((6, 12, 24))
        made._grow()
        made._activate()
        return made

    def _grow(self) -> None:
        """People who come, go, return, and change, day by day."""
        names = [f"p{number:03}" for number in range(self.chance.choice((12, 60, 300)))]
        for _ in range(self.days):
            before = self.people[-1] if self.people else {}
            today = {name: before.get(name) or self._person(name) for name in names if self.chance.random() < 0.9}
            changed = [name for name in today if self.chance.random() < 0.3]
            self.people.append(today | {name: self._person(name) for name in changed})

    def _person(self, name: str) -> Person:
        email = self.chance.choice((f"{name}@x.com", f"{name}@x.com", f'{name},"ü"\n@x.com', "", None))
        return {
            "profile_id": name,
            "email": email,
            "gold": self.chance.random() < 0.5,
            "points": self.chance.randrange(100),
        }

    def _activate(self) -> None:
        for destination in ("crm", "ads", "mail")[: self.chance.randint(2, 3)]:
            for number in range(self.chance.randint(2, 3)):
                incremental = self.chance.random() < 0.6
                self.activations.append(
                    Sent(
                        destination,
                        f"a{number}",
                        self.chance.choice(tuple(RULES)),
                        incremental,
                        self.chance.choice((1, 3, 8, 24, 0)),
                        self.chance.choice(NAMES[:3] if incremental else NAMES),
                        mandatory=self.chance.random() < 0.5,
                    )
                )

    def write(self, root: Path) -> Shop:
        """The workspace."""
        shop = Shop(root, evaluation={"schedule": {"every": f"{self.evaluation_hours}h"}})
        for day, people in enumerate(self.people):
            rows = self.chance.sample(list(people.values()), len(people))  # in no order
            shop.profiles((START + timedelta(days=day)).strftime("%Y-%m-%d"), rows)
        for name, (where, _) in RULES.items():
            shop.audience(name, where=where)
        for destination in dict.fromkeys(each.destination for each in self.activations):
            form, compression = self.chance.choice(FORMATS)
            shop.destination(
                destination,
                format=form,
                compression=compression,
                max_rows_per_file=self.chance.choice((5, 40, 5_000_000)),
                mapping=["profile_id"],
                activations=[_written(each) for each in self.activations if each.destination == destination],
            )
        return shop

    def ticks(self) -> list[datetime]:
        """When `muster run` is called: a few times a day, between the hours, so that minutes later nothing new
        is due.
        """
        return [
            START + timedelta(days=day, hours=hour, minutes=self.chance.randint(1, 40))
            for day in range(self.days)
            for hour in sorted(self.chance.sample(range(24), self.chance.randint(2, 4)))
        ]

    def places(self, root: Path) -> list[Path]:
        """The folders of the destinations."""
        return [root / "out" / name for name in dict.fromkeys(each.destination for each in self.activations)]


def _written(sent: Sent) -> dict[str, Any]:
    """An activation as YAML has it."""
    email = {"source": "email", "mandatory": True} if sent.mandatory else "email"
    return {
        "audience": sent.audience,
        "id": sent.name,
        "export": "incremental" if sent.incremental else "full",
        "schedule": {"every": f"{sent.hours}h"} if sent.hours else "after_evaluation",
        "file_name": sent.file_name,
        "mapping": ["profile_id", email, STATUS],
    }


# What must have been sent


def newest_slot(moment: datetime, hours: int) -> datetime:
    """The newest slot of ``every: Nh`` at or before a moment (S1)."""
    return moment.replace(hour=moment.hour // hours * hours, minute=0, second=0)


def check(
    shop: RandomShop, ticks: Sequence[datetime], found: Sequence[Delivery], evaluations: Sequence[datetime]
) -> int:
    """S2, S4, X2, X3, M2: every slot until the last tick was delivered, once, with exactly the rows that it must have;
    how many.
    """
    _check_evaluations(shop, ticks, evaluations)
    for sent in shop.activations:
        mine = [each for each in found if each.key == sent.key]
        wanted = _slots(shop, sent, ticks)
        assert len(mine) == len(wanted), f"{sent.key}: slots were lost or doubled"
        held: dict[str, datetime] = {}
        for (slot, tick), delivery in zip(wanted, mine, strict=True):
            assert sent.hours == 0 or _moment(delivery.slot) == slot, f"{sent.key}: another slot than {slot}"
            desired = _desired(shop, sent, _moment(delivery.manifest["evaluatedAt"]), tick, evaluations)
            if delivery.rows is not None:
                _check_rows(sent, delivery, desired, held)
            held = desired
    return len(found)


def _check_rows(sent: Sent, delivery: Delivery, desired: Mapping[str, datetime], held: Mapping[str, datetime]) -> None:
    """X3: who is new, who came back in between, who left; or all of them; each once."""
    rows = delivery.rows or []
    came = {name for name in desired if not sent.incremental or held.get(name) != desired[name]}
    left = held.keys() - desired.keys() if sent.incremental else set()
    told = sorted((row["profile_id"], row["status"]) for row in rows)
    assert told == sorted([(name, "realized") for name in came] + [(name, "exited") for name in left]), (
        f"{sent.key} at {delivery.slot}"
    )


def _slots(shop: RandomShop, sent: Sent, ticks: Sequence[datetime]) -> list[tuple[datetime, datetime]]:
    """Each slot that had to be delivered, with the tick that had to do it; for one after evaluation the tick stands for
    it.
    """
    hours = sent.hours or shop.evaluation_hours
    found: list[tuple[datetime, datetime]] = []
    for tick in ticks:
        slot = newest_slot(tick, hours)
        if not found or slot > found[-1][0]:
            found.append((slot, tick))
    return found


def _check_evaluations(shop: RandomShop, ticks: Sequence[datetime], evaluations: Sequence[datetime]) -> None:
    """S7: each tick that owed an evaluation made exactly one, within minutes."""
    owed = [tick for _, tick in _slots(shop, AFTER_EVALUATION, ticks)]
    assert len(owed) == len(evaluations), "an evaluation was lost or doubled"
    for tick, moment in zip(owed, evaluations, strict=True):
        assert tick <= moment < tick + timedelta(minutes=15), f"nothing asked for an evaluation at {moment}"


def _desired(
    shop: RandomShop, sent: Sent, evaluated: datetime, tick: datetime, evaluations: Sequence[datetime]
) -> dict[str, datetime]:
    """X2: who is wanted, and since when."""
    people = shop.people[(tick - START).days]
    since = {name: _since(shop, sent.audience, name, evaluated, evaluations) for name in people}
    return {name: moment for name, moment in since.items() if moment and (people[name]["email"] or not sent.mandatory)}


def _since(
    shop: RandomShop, audience: str, name: str, evaluated: datetime, evaluations: Sequence[datetime]
) -> datetime | None:
    """E5: the first of the unbroken evaluations up to this one that found somebody in an audience."""
    found = None
    for moment in reversed([each for each in evaluations if each <= evaluated]):
        person = shop.people[(moment - START).days].get(name)
        if person is None or not RULES[audience][1](person):
            break
        found = moment
    return found


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


class Attacker(Protocol):
    """Somebody who kills commands."""

    chance: random.Random
    kills: int

    def attack(self, shop: Shop, moment: str) -> None:
        """Start `muster run` and kill it; a kill that came too late does not count."""


def assassinated(shop: Shop, ticks: Iterable[datetime], assassin: Attacker, kills: int) -> Iterator[None]:
    """At each of these instants some runs that are killed, until there were so many, and then one, minutes later, that
    is not.
    """
    for tick in ticks:
        attacks = assassin.chance.randint(1, 3) if assassin.kills < kills else 0
        later = [(tick + timedelta(minutes=minutes)).isoformat() for minutes in range(attacks + 1)]
        for moment in later[:-1]:
            assassin.attack(shop, moment)
        shop.ok("-q", "run", "--at", later[-1])
        yield
