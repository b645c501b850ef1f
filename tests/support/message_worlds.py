"""Random days of an activation that sends messages, and the real command put through them.

Few people, few values, many collisions: profiles join, leave, return, share and change identities, withdraw consent,
are forgotten; audiences are added, taken out, renamed at the receiver; the mapping changes; the receiver refuses some,
asks to wait, fails, loses answers, and the command is killed.
"""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from support import model
from support.message_model import Messenger, Setup
from support.message_model.words import Place
from support.model import ID, Column, Snapshot
from support.shop import Shop

START = datetime(2026, 11, 20, tzinfo=UTC)
IDS = tuple(f"p{number}" for number in range(1, 10))
VALUES: dict[str, tuple[Any, ...]] = {
    "email": ("a@x.com", "b@x.com", "c@x.com", "", None),
    "city": ("Oslo", "Oslo", 'Zürich, "old"\ntown', "😀 \\", None),
    "points": (20, 20, 3, 100, -1, None),
    "gold": (True, True, True, False, None),
    "ok": (True, True, True, True, True, True, False, None),
}
MAILS = ("a@x.com", "A@x.com", "b@x.com", "c@x.com", "d@x.com", "é")
AUDIENCES = {
    "gold": (model.Audience("gold", rule=lambda person, _: person["gold"] is True), {"where": "gold"}),
    "rich": (
        model.Audience("rich", rule=lambda person, _: person["points"] is not None and person["points"] >= 10),
        {"where": "points >= 10"},
    ),
    "local": (model.Audience("local", rule=lambda person, _: person["city"] == "Oslo"), {"where": "city = 'Oslo'"}),
    "feed": (model.Audience("feed", from_feed=True), {"source": "memberships"}),
}
CONSENT = model.Policy("ok", lambda person: person["ok"])  # type: ignore[arg-type, return-value]  # a Boolean column
COLUMNS = {
    "id": Column(ID, "id"),
    "mail": Column("email", "contact.email", transform=("lower",)),
    "must": Column("email", "contact.email", mandatory=True),
    "city": Column("city", "home.address.city"),
    "points": Column("points", "points"),
    "key": Column("identity_map.Email", "EMAIL", transform=("trim", "lower")),
}


@dataclass(frozen=True)
class Mood:
    """How the receiver is during a command."""

    poison: frozenset[str] = frozenset()  # profiles whose requests it refuses
    calm: bool = True
    script: tuple[str, ...] = ()  # the first answers: of 503, 429, lost, cut
    always: str | None = None  # every answer


@dataclass(frozen=True)
class Day:
    """What happens at one instant, in this order."""

    at: datetime
    setup: Setup
    snapshot: Snapshot | None = None
    said: tuple[model.Message, ...] = ()
    evaluate: bool = True
    mood: Mood = Mood()
    resync: bool = False
    forget: str | None = None
    retry: bool = False
    kill: int | None = None  # after so many answers the command is killed, while the next request is there
    resumes: bool = True  # after a kill: the next command finds all as it was; else another config


@dataclass(frozen=True)
class World:
    """Days, and which audiences there are."""

    audiences: tuple[str, ...]
    days: tuple[Day, ...]


# Chance


def world(seed: int, *, keyed: bool = False, days: int = 7, kills: bool = False) -> World:
    """A world that is the same for a seed."""
    chance = random.Random(f"{seed} {keyed} {kills}")  # noqa: S311  # a test's own choices
    has_feed = chance.random() < 0.6
    audiences = ("gold", "rich", "local", *(["feed"] if has_feed else []))
    setup = _setup(chance, keyed=keyed, has_feed=has_feed, patient=not kills)
    people = {name: _somebody(chance) for name in IDS}
    pairs = {name: _pairs(chance, name) for name in IDS}
    found = []
    for number in range(days):
        at = START + timedelta(days=number, hours=2)
        if number and chance.random() < 0.35:
            setup = _changed(chance, setup, keyed=keyed)
        snapshot = None
        if number == 0 or chance.random() < 0.8:
            _live(chance, people, pairs)
            here = [name for name in IDS if chance.random() < 0.9] or list(IDS[:1])
            snapshot = _snapshot(
                at - timedelta(hours=2), people, pairs, here, absent=not keyed and chance.random() < 0.1
            )
        is_last = number == days - 1
        setup = replace(setup, patience=0 if is_last else setup.patience)
        found.append(
            Day(
                at,
                setup,
                snapshot,
                _said(chance, at) if has_feed else (),
                evaluate=kills or number == 0 or is_last or chance.random() < 0.8,
                mood=Mood() if is_last else _mood(chance, kills=kills),
                resync=not (is_last or kills) and number > 0 and chance.random() < 0.12,
                forget=chance.choice(IDS) if 0 < number < days - 1 and chance.random() < 0.15 else None,
                retry=is_last or chance.random() < 0.1,
                kill=chance.randrange(4) if kills and not is_last and chance.random() < 0.6 else None,
                resumes=chance.random() < 0.5,
            )
        )
    return World(audiences, tuple(found))


def _setup(chance: random.Random, *, keyed: bool, has_feed: bool, patient: bool) -> Setup:
    rules = [*(["feed"] if has_feed else []), *chance.sample(("gold", "rich", "local"), chance.choice((1, 2, 2)))]
    chance.shuffle(rules)
    places: list[Place] = [(each, f"list/{each} 1" if keyed or chance.random() < 0.3 else each) for each in rules]
    triggers = frozenset({"membership", *(each for each in ("identity", "attributes") if chance.random() < 0.85)})
    policies = (CONSENT,) if chance.random() < 0.5 else ()
    limit = chance.choice((1, 2, 3, 100))
    patience = chance.choice((0, 0, 0, 24, 30, 50)) if patient else 0
    if keyed:
        return Setup(tuple(places), (COLUMNS["key"],), triggers, policies, keyed=True, limit=limit, patience=patience)
    names = ["id", *chance.sample(("mail", "city", "points"), chance.choice((1, 2, 3)))]
    if "mail" in names and chance.random() < 0.3:
        names[names.index("mail")] = "must"
    return Setup(
        tuple(places),
        tuple(COLUMNS[each] for each in names),
        triggers,
        policies,
        shows_unmapped=chance.random() < 0.7,
        names=chance.random() < 0.3,
        resends=chance.random() < 0.3,
        limit=limit,
        patience=patience,
    )


def _changed(chance: random.Random, setup: Setup, *, keyed: bool) -> Setup:
    """One change of the YAML: an audience more, less, or under another name; another mapping."""
    mapped = [audience for audience, _ in setup.places]
    free = [each for each in ("gold", "rich", "local") if each not in mapped]
    what = chance.choice(("more", "less", "name", "mapping"))
    if what == "more" and free:
        new = chance.choice(free)
        return replace(setup, places=(*setup.places, (new, f"list/{new} 1" if keyed else new)))
    outs = [place for place in setup.places if place[0] != "feed"]
    if what == "less" and len(setup.places) > 1 and outs:
        return replace(
            setup, places=tuple(each for each in setup.places if each != chance.choice(outs)) or setup.places
        )
    if what == "name":
        place = chance.choice(setup.places)
        new_name = f"list/{place[0]} {chance.randrange(1, 3)}"
        return replace(setup, places=tuple((each[0], new_name) if each == place else each for each in setup.places))
    if not keyed and not setup.mandatory:
        names = ["id", *chance.sample(("mail", "city", "points"), chance.choice((1, 2, 3)))]
        return replace(setup, mapping=tuple(COLUMNS[each] for each in names))
    return setup


def _mood(chance: random.Random, *, kills: bool) -> Mood:
    poison = frozenset(chance.sample(IDS, chance.choice((0, 0, 1, 2))))
    kind = chance.choice(("calm", "calm", "calm", "script", "always")) if not kills else "calm"
    if kind == "script":
        script = tuple(chance.choice(("200", "503", "429", "lost", "cut")) for _ in range(chance.randrange(1, 4)))
        return Mood(poison, calm=False, script=script)
    if kind == "always":
        return Mood(poison, calm=False, always=chance.choice(("503", "429", "401", "lost")))
    return Mood(poison)


def _somebody(chance: random.Random) -> dict[str, Any]:
    return {name: chance.choice(values) for name, values in VALUES.items()}


def _pairs(chance: random.Random, name: str) -> tuple[tuple[str, str], ...]:
    """Mostly an address of one's own; some have none, some share one."""
    mails = chance.sample(MAILS, chance.choice((0, 0, 0, 1, 2))) if chance.random() < 0.4 else []
    own = [f"{name}@own.com"] if chance.random() < 0.8 else []
    phones = [("Phone", f"{name}-1")] if chance.random() < 0.4 else []
    return (*(("Email", each) for each in (*own, *mails)), *phones)


def _live(chance: random.Random, people: dict[str, dict[str, Any]], pairs: dict[str, Any]) -> None:
    for name in chance.sample(IDS, 4):
        field = chance.choice(tuple(VALUES))
        people[name] = people[name] | {field: chance.choice(VALUES[field])}
    for name in chance.sample(IDS, chance.choice((0, 1, 2))):
        pairs[name] = _pairs(chance, name)


def _snapshot(
    at: datetime, people: dict[str, dict[str, Any]], pairs: dict[str, Any], here: Sequence[str], *, absent: bool
) -> Snapshot:
    """The people who are here, and somebody who is nowhere a member: namespaces and types are always known."""
    nobody = {"email": "z@x.com", "city": "Rome", "points": 1, "gold": False, "ok": True}
    rows = {name: dict(people[name]) for name in here} | {"zz": nobody}
    ids = {name: pairs[name] for name in here} | {"zz": (("Email", "z@x.com"), ("Phone", "0"))}
    return Snapshot(at, rows, None if absent else ids, integers=False)


def _said(chance: random.Random, at: datetime) -> tuple[model.Message, ...]:
    return tuple(
        model.Message(
            "feed",
            chance.choice(IDS),
            chance.choice(("realized", "realized", "exited")),
            at + timedelta(hours=chance.choice((-1, -2, 0, 5)), milliseconds=chance.choice((0, 0, 500))),
            chance.choice((None, None, None, at + timedelta(hours=30))),
        )
        for _ in range(chance.randrange(4))
    )


# The workspace


@contextmanager
def shop(folder: Path, given: World) -> Iterator[Shop]:
    """A workspace with the audiences of a world, and no day of it yet."""
    made = Shop(folder / "shop", custom_actions={"act": None})
    made.feed([], name="none")
    for name in given.audiences:
        made.write(f"audiences/{name}.yml", {"name": f"The {name}", **AUDIENCES[name][1]})
    made.write("policies/ok.yml", {"actions": ["act"], "consent": "ok"})
    yield made


def configure(made: Shop, setup: Setup, port: int, turn: int) -> None:
    """Write the destination as a day has it; requests of another turn differ in a header."""
    made.write("destinations/out.yml", destination(setup, port) | {"headers": {"X-Turn": str(turn)}})


def destination(setup: Setup, port: int) -> dict[str, Any]:
    """The YAML of a setup."""
    audiences = [name if name == alias else {"audience": name, "alias": alias} for name, alias in setup.places]
    content: dict[str, Any] = {
        "name": "Out",
        "kind": "http",
        "url": f"http://127.0.0.1:{port}/people",
        "retries": 1,
        "triggers": [each for each in ("membership", "identity", "attributes") if each in setup.triggers],
        "activations": [{"id": "a", "audiences": audiences, "schedule": "each_run"}],
        "dead_letter": {"after": setup.dead_after},
    }
    content |= {"marketing_actions": ["act"]} if setup.policies else {}
    if setup.keyed:
        entry = {"id": "=profile_id", "mail": "=EMAIL"}
        return content | {
            "url": f"http://127.0.0.1:{port}/lists/{{audience.alias}}/users",
            "method": {"realized": "POST", "exited": "DELETE"},
            "identities": ["Email"],
            "columns": [_column(each) for each in setup.mapping],
            "request": {"list": "=audience.alias", "status": "=status", "data": {"each": "profiles", "as": entry}},
            "aggregation": _grouped(setup, key=["audience", "status"]),
        }
    return content | {
        "payload": "profile",
        "mapping": [_column(each) for each in setup.mapping],
        **({} if setup.shows_unmapped else {"unmapped_audiences": "none"}),
        **({"names": True} if setup.names else {}),
        **({"on_mapping_change": "resend"} if setup.resends else {}),
        "aggregation": _grouped(setup) if setup.patience else {"best_effort": {"max_profiles": setup.limit}},
    }


def _grouped(setup: Setup, **more: Any) -> dict[str, Any]:
    age = {"max_age": f"{setup.patience}h"} if setup.patience else {}
    return {"configurable": {"max_profiles": setup.limit, **age, **more}}


def _column(column: Column) -> dict[str, Any]:
    return {
        "source": column.source,
        "target": column.target,
        **({"mandatory": True} if column.mandatory else {}),
        **({"transform": list(column.transform)} if column.transform else {}),
    }


def table(snapshot: Snapshot) -> pl.DataFrame:
    """A snapshot as a Parquet file has it."""
    types = {
        ID: pl.String,
        "email": pl.String,
        "city": pl.String,
        "points": pl.Int64,
        "gold": pl.Boolean,
        "ok": pl.Boolean,
    }
    frame = pl.DataFrame([{ID: profile, **person} for profile, person in snapshot.people.items()], schema=types)
    if snapshot.pairs is None:
        return frame
    maps = [[{"namespace": name, "id": each} for name, each in pairs] for pairs in snapshot.pairs.values()]
    dtype = pl.List(pl.Struct({"namespace": pl.String, "id": pl.String}))
    return frame.with_columns(pl.Series("identity_map", maps, dtype=dtype))


def messenger(given: World) -> Messenger:
    """The model before the first day."""
    audiences = {name: AUDIENCES[name][0] for name in given.audiences}
    return Messenger(model.Shop(audiences, (), []), given.days[0].setup)
