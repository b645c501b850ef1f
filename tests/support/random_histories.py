"""Random days in the life of a small shop, for Hypothesis, and the real tool put through them.

Few people, few values, many collisions: profiles join, leave and return, ids are integers on one day and text on the
next, files are in any order, e-mails are null, empty, changed or shared, identity maps change, only change their order,
or are absent, columns are missing, feeds repeat, exit, expire and lose their files.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
from hypothesis import strategies as st
from support import model
from support.model import ID, Column, Message, Snapshot
from support.shop import Shop, quick_folder

from muster.activation.errors import RefusedError
from muster.runs import OpenWorkspace, Report, evaluate, export, open_workspace, run

MORE = int(os.environ.get("MUSTER_SOAK", "1"))  # times as many histories as the suite replays (`make soak`)
START = datetime(2026, 11, 20, tzinfo=UTC)
NUMBERED = ("2", "9", "10", "33", "100", "101")
IDS = (*NUMBERED, "010", "x9")  # the last two are in snapshots with text ids only
STRANGER = "77"  # in feeds only
FIELDS: dict[str, tuple[Any, ...]] = {
    "email": ("a@x.com", "b@x.com", "b@x.com", "c@x.com", " A@x.com", "=b", "", None),
    "contact": ("a@x.com", "b@x.com", "C@x.com", "=b", "", None),
    "city": ("Oslo", "Oslo", 'Zürich, "old"\ntown', "😀", "=1+1", "", None),
    "points": (20, 20, 3, 100, -1, None),
    "gold": (True, True, True, False, False, None),
}
HOUSEHOLDS = ("h1", "h1", "h2", "h2", "h3", "", None)  # a key that never changes
_A, _B, _C, _PHONE = ("Email", "a"), ("Email", "b"), ("Email", "C"), ("Phone", "1")
_BIG_A, _PHONE_A = ("Email", "A"), ("Phone", "a")
IDENTITY_MAPS = (
    (_A,),
    (_B,),
    (_C,),
    (_A, _B),
    (_B, _A),
    (_B, _C, _B),
    (_B, _PHONE),
    (_PHONE, _B),
    (_PHONE,),
    (),
    (_A, _BIG_A),
    (_PHONE_A,),
)
JUNK = (("Email", ""), ("Email", None), (None, "x"), ("", "x"))  # not identities (D1)


def _is_rich(person: model.Row) -> bool:
    return isinstance(person["points"], int) and person["points"] >= 10


AUDIENCES = {
    each.id: each
    for each in (
        model.Audience("everyone", rule=lambda _person, _within: True),
        model.Audience("gold", rule=lambda person, _: person["gold"] is True),
        model.Audience("rich", rule=lambda person, within: _is_rich(person) and within("gold"), refers_to=("gold",)),
        model.Audience("feed", from_feed=True),
        model.Audience("mixed", rule=lambda person, _: person["gold"] is True, from_feed=True),
        model.Audience(
            "both", rule=lambda _person, within: within("feed") or within("rich"), refers_to=("feed", "rich")
        ),
    )
}
RULES: dict[str, dict[str, str]] = {
    "everyone": {"where": "true"},
    "gold": {"where": "gold"},
    "rich": {"where": "points >= 10 AND audience.gold"},
    "feed": {"source": "memberships"},
    "mixed": {"where": "gold", "source": "memberships"},
    "both": {"where": "audience.feed OR audience.rich"},
}


def _is(person: model.Row, name: str, *values: object) -> bool | None:
    return None if person[name] is None else person[name] in values


def _not(found: bool | None) -> bool | None:  # a value of SQL
    return None if found is None else not found


# Of consent (G4), by id: what the model asks of a person, and the SQL of it.
POLICIES = {
    policy.id: policy
    for policy in (
        model.Policy("gold", lambda person: person["gold"]),  # type: ignore[arg-type, return-value]  # a Boolean column
        model.Policy("home", lambda person: _is(person, "household", "h1", "h2", "")),
        model.Policy("mail", lambda person: _not(_is(person, "contact", "b@x.com", "=b"))),
        model.Policy("any", lambda person: person["gold"] is True or person["household"] is None),
    )
}
CONSENT = {
    "gold": "gold",
    "home": "household IN ('h1', 'h2', '')",
    "mail": "contact NOT IN ('b@x.com', '=b')",
    "any": "gold OR household IS NULL",
}


@dataclass(frozen=True)
class Tick:
    """What happens at one instant, in this order."""

    at: datetime
    messages: tuple[Message, ...] = ()
    lost: bool = False  # the feed's earlier files are gone
    evaluate: tuple[str, ...] | None = None  # () is all
    run: bool = False
    request: int | None = None  # on demand, by the activation's place in the list


@dataclass(frozen=True)
class History:
    """Snapshots by date, and what was done when."""

    snapshots: tuple[Snapshot, ...]
    ticks: tuple[Tick, ...]
    keep_exited: str
    shape: str  # how identity maps are spelled: ``list`` or ``struct``
    files: int = 1  # of each snapshot


# People


@st.composite
def snapshots(draw: st.DrawFn, days: int, kinds: Sequence[str]) -> tuple[Snapshot, ...]:
    """A snapshot on the first day and on some of the others, at 00:00 or 12:00, each a few changes away from the one
    before. The column ``points`` is of one of the types of ``kinds`` in each (``NUMBERS``).
    """
    households = {profile: draw(st.sampled_from(HOUSEHOLDS)) for profile in IDS}
    people: dict[str, dict[str, Any]] = {
        profile: {"here": True, "household": households[profile], "pairs": ()} for profile in IDS
    }
    for profile in IDS:
        people[profile] |= {name: draw(st.sampled_from(values)) for name, values in FIELDS.items()}
        people[profile]["pairs"] = draw(_PAIRS)
    later = draw(st.lists(st.sampled_from(range(1, 2 * days)), unique=True, min_size=days - 1, max_size=2 * days - 1))
    numbers = draw(st.sampled_from(("always", "never", "sometimes")))
    found = []
    for half in (0, *sorted(later)):
        for profile, (name, value) in (
            draw(st.lists(st.tuples(st.sampled_from(IDS), _CHANGE), min_size=1, max_size=7)) if half else ()
        ):
            people[profile] |= {name: value}
        integers = numbers == "always" or (numbers == "sometimes" and draw(st.booleans()))
        ids = draw(_ORDER)
        absent = draw(st.sampled_from(("",) * 10 + ("identities", "city")))
        snapshot = _snapshot(START + timedelta(hours=12 * half), {each: people[each] for each in ids}, absent, integers)
        found.append(_with_points(snapshot, draw(st.sampled_from(kinds)) if len(kinds) > 1 else kinds[0]))
    return tuple(found)


# Sorted as numbers, as text, and in no order.
_ORDER = st.one_of(st.just(IDS), st.just(tuple(sorted(IDS))), st.permutations(IDS), st.permutations(IDS))
_JUNK = st.sampled_from(((), (), *((each,) for each in JUNK)))
_PAIRS = st.tuples(st.sampled_from(IDENTITY_MAPS), _JUNK).map(lambda parts: (*parts[0], *parts[1]))
_CHANGE = st.one_of(
    st.tuples(st.just("here"), st.sampled_from((False, True))),
    st.tuples(st.just("gold"), st.booleans()),
    st.tuples(st.just("pairs"), _PAIRS),
    st.tuples(st.just("pairs"), _PAIRS),
    *(st.tuples(st.just(name), st.sampled_from(values)) for name, values in FIELDS.items()),
)


def _snapshot(at: datetime, people: Mapping[str, dict[str, Any]], absent: str, integers: bool) -> Snapshot:
    """The people who are here, in the order of ``people``; one at least, as no rows are refused (X11)."""
    known = [profile for profile in people if profile in NUMBERED or not integers]
    here = [profile for profile in known if people[profile]["here"]] or known[:1]
    hidden = {"here", "pairs", absent}
    return Snapshot(
        at,
        {profile: {name: value for name, value in people[profile].items() if name not in hidden} for profile in here},
        None if absent == "identities" else {profile: people[profile]["pairs"] for profile in here},
        integers,
    )


def _with_points(snapshot: Snapshot, kind: str) -> Snapshot:
    """The snapshot with another type of ``points``; as text, whole numbers may have a zero in front."""
    _, typed = NUMBERS[kind]
    people = {
        profile: {**person, "points": None if person["points"] is None else typed(int(str(person["points"])))}
        for profile, person in snapshot.people.items()
    }
    return replace(snapshot, people=people, points=kind)


NUMBERS: dict[str, tuple[pl.DataType, Callable[[int], Any]]] = {
    "whole": (pl.Int64(), int),
    "narrow": (pl.Int8(), int),
    "float": (pl.Float64(), lambda number: number + 0.5 if number == -1 else float(number)),
    "decimal": (pl.Decimal(38, 0), Decimal),
    "scaled": (pl.Decimal(10, 2), lambda number: Decimal(f"{number}.50" if number == -1 else f"{number}.00")),
    "text": (pl.String(), lambda number: f"0{number}" if number == 3 else f"{number}.0" if number < 0 else str(number)),
}


# Days


@st.composite
def histories(
    draw: st.DrawFn, activations: int, *, min_days: int = 3, max_days: int = 5, kinds: Sequence[str] = ("whole",)
) -> History:
    """Several days; on each one to three instants at which something arrives, is evaluated, run or asked for."""
    days = draw(st.integers(min_days, max_days))
    first = Tick(START + timedelta(hours=2), draw(_messages(START + timedelta(hours=2))), evaluate=(), run=True)
    ticks = [first]
    for day in range(1, days):
        hours = sorted(draw(st.lists(st.sampled_from((2, 9, 14, 22)), min_size=1, max_size=3, unique=True)))
        ticks += [draw(_tick(START + timedelta(days=day, hours=hour), activations)) for hour in hours]
    ticks.append(Tick(START + timedelta(days=days, hours=3), evaluate=(), run=True))
    keep = draw(st.sampled_from(("30d", "1h")))
    shape, files = draw(st.sampled_from(("list", "struct"))), draw(st.sampled_from((1, 1, 2)))
    return History(draw(snapshots(days, kinds)), tuple(ticks), keep, shape, files)


@st.composite
def _tick(draw: st.DrawFn, at: datetime, activations: int) -> Tick:
    return Tick(
        at,
        draw(_messages(at)),
        lost=draw(st.sampled_from((False, False, False, True))),
        evaluate=draw(st.sampled_from(((), (), (), None, None, ("rich",), ("feed", "mixed")))),
        run=draw(st.sampled_from((True, True, True, False))),
        request=draw(st.sampled_from((None, None, *range(activations)))),
    )


@st.composite
def _messages(draw: st.DrawFn, at: datetime) -> tuple[Message, ...]:
    """Rows around an instant: some earlier, some later, some at one time, some that run out."""
    message = st.builds(
        Message,
        st.sampled_from(("feed", "mixed")),
        st.sampled_from((*IDS, STRANGER)),
        st.sampled_from(("realized", "existing", "realized", "exited")),
        st.sampled_from((-1.0, -12.0, -0.0005, 0.0, -30.0, 5.0, 30.0)).map(lambda hours: at + timedelta(hours=hours)),
        st.sampled_from((None, None, None, 20.0, 6.0, 0.0)).map(
            lambda hours: None if hours is None else at + timedelta(hours=hours)
        ),
    )
    return tuple(draw(st.lists(message, max_size=6)))


# Activations


def mapped(*fields: str) -> tuple[Column, ...]:
    """Columns from ``source`` or ``source!`` (mandatory); the target is the default one (M1)."""
    return tuple(Column(each.rstrip("!"), each.rstrip("!").replace(".", "_"), each.endswith("!")) for each in fields)


# The tool


@contextmanager
def shop(history: History, activations: Sequence[model.Activation], **options: Any) -> Iterator[Shop]:
    """A workspace with all of a history's snapshots (those to come are not seen, D2) and these activations."""
    with quick_folder() as folder:
        made = Shop(folder / "shop", evaluation={"keep_exited": history.keep_exited})
        for snapshot in history.snapshots:
            rows, day = table(snapshot, history.shape), snapshot.at.strftime("%Y-%m-%dT%H")
            for part in range(history.files):
                made.profiles(day, rows[part :: history.files], part=f"part-{part}")
        made.feed([], name="none")
        activate(made, activations, **options)
        yield made


def activate(made: Shop, activations: Sequence[model.Activation], **options: Any) -> None:
    """Write the audiences and the destinations of these activations, and the policies that apply to a destination."""
    for name in audiences(activations):
        made.audience(name, **RULES[name])
    by_destination: dict[str, list[dict[str, Any]]] = {}
    for each in activations:
        destination, name = each.key.split("/")
        by_destination.setdefault(destination, []).append({"id": name} | _activation(each))
    for destination, entries in by_destination.items():
        applying = {
            policy.id for each in activations if each.key.startswith(f"{destination}/") for policy in each.policies
        }
        actions = {"marketing_actions": [f"act-{each}" for each in sorted(applying)]} if applying else {}
        made.destination(destination, mapping=["profile_id"], activations=entries, **actions, **options)
    used = {policy.id for each in activations for policy in each.policies}
    if used:
        made.set(custom_actions={f"act-{each}": None for each in used})
    for each in used:
        made.write(f"policies/{each}.yml", {"actions": [f"act-{each}"], "consent": CONSENT[each]})


def _activation(each: model.Activation) -> dict[str, Any]:
    return {
        "audience": each.audience,
        "export": "incremental" if each.incremental else "full",
        "schedule": {"every": f"{each.hours}h"} if each.hours else "after_evaluation",
        "mapping": [
            {"source": column.source, "target": column.target, "mandatory": column.mandatory}
            | ({"transform": list(column.transform)} if column.transform or each.preset else {})
            for column in each.mapping
        ],
        "deduplicate": list(each.deduplicate),
        "changes": list(each.changes),
        "csv": {"sanitize_formulas": each.sanitizes},
        **({"preset": "braze"} if each.preset else {}),
    }


def table(snapshot: Snapshot, shape: str) -> pl.DataFrame:
    """A snapshot as a Parquet file has it."""
    rows = [
        {ID: int(profile) if snapshot.integers else profile, **person} for profile, person in snapshot.people.items()
    ]
    types: dict[str, Any] = {
        ID: pl.Int64 if snapshot.integers else pl.String,
        "email": pl.String,
        "contact": pl.String,
        "city": pl.String,
        "points": NUMBERS[snapshot.points][0],
    }
    types |= {"gold": pl.Boolean, "household": pl.String}
    if snapshot.pairs is None:
        return pl.DataFrame(rows, schema_overrides=_only(types, rows))
    column, dtype = _identity_maps(list(snapshot.pairs.values()), shape)
    return pl.DataFrame(rows, schema_overrides=_only(types, rows)).with_columns(
        pl.Series("identity_map", column, dtype=dtype)
    )


def _only(types: dict[str, Any], rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: dtype for name, dtype in types.items() if name in rows[0]}


def _identity_maps(maps: list[Sequence[tuple[str | None, str | None]]], shape: str) -> tuple[list[Any], pl.DataType]:
    """D1: a list of structs, or a struct of namespace to ids."""
    if shape == "list":
        structs = [[{"namespace": name, "id": each} for name, each in pairs] for pairs in maps]
        return structs, pl.List(pl.Struct({"namespace": pl.String, "id": pl.String}))
    names = ("Phone", "Email", "")
    lists = [{name: [each for other, each in pairs if other == name] for name in names} for pairs in maps]
    return lists, pl.Struct({name: pl.List(pl.String) for name in names})


def audiences(activations: Sequence[model.Activation]) -> dict[str, model.Audience]:
    """The audiences of these activations, and those that they refer to: no others, for each costs time."""
    wanted = [AUDIENCES[each.audience] for each in activations]
    for audience in wanted:  # grows while it is read
        wanted += [AUDIENCES[name] for name in audience.refers_to]
    return {each.id: each for each in wanted}


def live(made: Shop, tick: Tick, activations: Sequence[model.Activation], *, requests: bool = True) -> None:
    """Do what a tick says; exports that cannot be made on this day fail and are none of its business."""
    if tick.lost:
        for file in (made.root / "data/memberships").glob("feed-*.parquet"):
            file.unlink()
    if tick.messages:
        rows = [(each.audience, each.profile, each.status, each.time, each.until) for each in tick.messages]
        made.feed(rows, name=f"feed-{tick.at:%Y%m%d%H}")
    names = _evaluated(tick, activations)
    if names is not None:
        _work(made, lambda shop: evaluate(shop, names, now=tick.at, allow_empty_memberships=True))
    if tick.run:
        _work(made, lambda shop: run(shop, now=tick.at, allow_empty_memberships=True))
    if requests and tick.request is not None:
        key = activations[tick.request].key
        _work(made, lambda shop: export(shop, [key], now=tick.at))


def _work(made: Shop, work: Callable[[OpenWorkspace], Report]) -> None:
    """One command without its parsing and its tables; a request may be refused, such as an export before the first
    evaluation (X7).
    """
    with suppress(RefusedError):
        work(open_workspace(made.root))


def _evaluated(tick: Tick, activations: Sequence[model.Activation]) -> list[str] | None:
    """The audiences that a tick evaluates, of those there are: none by name is all; None is no evaluation."""
    known = [name for name in tick.evaluate or () if name in audiences(activations)]
    return None if tick.evaluate is None or (tick.evaluate and not known) else known


def think(shop: model.Shop, tick: Tick) -> None:
    """What the model makes of a tick."""
    if tick.lost:
        shop.messages.clear()
    shop.messages += [replace(each, status="realized") if each.status == "existing" else each for each in tick.messages]
    names = _evaluated(tick, shop.activations)
    if names is not None:
        shop.evaluate(tick.at, names)
    if tick.run:
        shop.run(tick.at)
    if tick.request is not None:
        shop.on_demand(shop.activations[tick.request].key, tick.at)
