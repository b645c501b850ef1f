"""Random worlds whose profiles come from sources, for Hypothesis (P1 to P12).

A handful of people with identities that collide and move: a CRM in dated snapshots, a loyalty programme of changes with
deletions, a newsletter that knows people by e-mail address, web events with cookies; identities that are blocked,
spelled in several ways, or shared by many; small limits in some worlds; several policies.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import strategies as st
from support import model
from support.model import ID, STATUS, TIME, Column
from support.source_model.ids import digest
from support.source_model.shop import Audience, Consent, Said
from support.source_model.words import File, Limits, MergePolicy, Namespace, Row, Setup, Source

START = datetime(2026, 11, 20, tzinfo=UTC)
TIMES = pl.Datetime("us", "UTC")
MAP = "map"  # of text to text, which Parquet has and Polars has not
NAMESPACES = {
    each.id: each
    for each in (
        Namespace("CRMID", "person", 1, unique=True),
        Namespace(
            *("Email", "email", 2),
            normalize=("trim", "lower"),
            blocked=("none@none.com",),
            blocked_like=("%@till.example",),
        ),
        Namespace("Phone", "phone", 3, normalize=("trim",)),
        Namespace("Member", "person", 2, unique=True, pattern="M[0-9]+"),
        Namespace("GAID", "device", 4),
        Namespace("Cookie", "cookie", 6),
    )
}
CRM = Source("crm", (("crm_id", "CRMID"), ("email", "Email"), ("phones", "Phone")), updated_at="updated_at")
LOYALTY = Source(
    *("loyalty", (("member", "Member"), ("mail", "Email"), ("crm", "CRMID"))),
    mode="changes",
    updated_at="changed_at",
    deleted="is_gone",
    columns={"email": "mail"},
)
NEWS = Source("news", (("email", "Email"), ("cookie", "Cookie")))
WEB = Source("web", (("cookie", "Cookie"), ("email", "Email"), ("phone", "Phone")), kind="events", timestamp="at")
APP = Source("app", (("device", "GAID"), ("ids", "")), updated_at="seen")  # an identity map
SOURCES = {each.id: each for each in (APP, CRM, LOYALTY, NEWS, WEB)}
PAIRS = pl.List(pl.Struct({"namespace": pl.String, "id": pl.String}))
SCHEMAS: dict[str, dict[str, Any]] = {
    "app": {"device": pl.String, "ids": PAIRS, "wants": MAP, "points": pl.Int16, "seen": TIMES},
    "crm": {
        "crm_id": pl.Int64,
        "email": pl.String,
        "phones": pl.List(pl.String),
        "city": pl.String,
        "points": pl.Int64,
        "gold": pl.Boolean,
        "consent": pl.String,
        "name": pl.Struct({"first": pl.String, "last": pl.String}),
        "updated_at": TIMES,
    },
    "loyalty": {
        "member": pl.String,
        "mail": pl.String,
        "crm": pl.String,
        "city": pl.String,
        "points": pl.Int32,
        "gold": pl.Boolean,
        "consent": pl.String,
        "changed_at": TIMES,
        "is_gone": pl.Boolean,
    },
    "news": {"email": pl.String, "cookie": pl.String, "city": pl.String, "consent": pl.String},
    "web": {"cookie": pl.String, "email": pl.String, "phone": pl.String, "at": TIMES, "type": pl.String},
}
POLICIES = {
    each.id: each
    for each in (
        MergePolicy("default"),
        MergePolicy("careful", precedence=("loyalty", "crm")),
        MergePolicy("reversed", sources=("news", "web", "loyalty", "crm")),
        MergePolicy("offline", sources=("crm", "loyalty")),
        MergePolicy("plain", graph="none"),
        MergePolicy("members", graph="none", sources=("loyalty",)),
    )
}
EMAILS = (
    *("a@x.com", "b@x.com", "c@x.com", "b@x.com", " A@x.com", "c@x.com", "B@X.com", "a@x.com", "d@x.com"),
    *("none@none.com", "5@till.example", "null", None),
)
MAILS = ("a@x.com", "b@x.com", "c@x.com", "d@x.com", "all@x.com")
PHONES: tuple[Any, ...] = (["1"], ["2"], ["1", " 2"], ["3", None, "N/A"], [], None)
COOKIES = ("k1", "k2", "k3", "k1", "K1", "k2", None)
CRM_IDS = (1, 2, 3, 4, 0)  # the last is no identity (P2)
MEMBERS = ("M1", "M2", "M3", "X9")  # nor is the last, by pattern
CITIES = ("Oslo", "Bern", None)
CONSENTS = ("y", "y", "n", None)
NAMES = (None, {"first": "Ann", "last": None}, {"first": None, "last": "Lee"}, {"first": "Bo", "last": "Ray"})


@dataclass(frozen=True)
class Tick:
    """What happens at one instant, in this order."""

    at: datetime
    said: tuple[Said, ...] = ()
    evaluate: bool = True
    run: tuple[int, ...] | None = None  # activations by place; None is all
    request: int | None = None  # on demand


@dataclass(frozen=True)
class World:
    """Sources, policies, activations, and what was done when."""

    setup: Setup
    files: dict[str, tuple[File, ...]]
    activations: tuple[model.Activation, ...]
    ticks: tuple[Tick, ...]
    guards: dict[str, tuple[float | None, int | None]] = field(default_factory=dict)


# Audiences and consent


def _rich(person: model.Row) -> bool:
    points = person["points"]
    return isinstance(points, int) and points >= 10


def _viewed(person: model.Row) -> bool:
    at, events = person["#at"], person["#events"]
    since = at - timedelta(days=2)  # type: ignore[operator]  # an instant
    return any(since <= each["at"] <= at and each["type"] == "view" for each in events)  # type: ignore[union-attr, operator, index]  # events


RULES: dict[str, Any] = {
    "everyone": lambda _person, _within: True,
    "gold": lambda person, _within: person["gold"] is True,
    "rich": lambda person, _within: _rich(person),
    "viewers": lambda person, _within: _viewed(person),
    "mixed": lambda person, _within: person["gold"] is True,
    "feed": None,
}
CONTENTS: dict[str, dict[str, Any]] = {
    "everyone": {"where": "true"},
    "gold": {"where": "gold"},
    "rich": {"where": "points >= 10"},
    "viewers": {
        "events": {"views": {"measure": "count", "where": "type = 'view'", "within": "2d"}},
        "where": "views >= 1",
    },
    "mixed": {"where": "gold", "source": "memberships"},
    "feed": {"source": "memberships"},
}
CONSENT = {
    "agreed": (Consent("agreed", ("consent",), lambda row: _is(row, "y")), {"consent": "consent = 'y'"}),
    "unrefused": (
        Consent("unrefused", ("consent",), lambda row: row["consent"] != "n"),
        {"consent": "consent IS NULL OR consent <> 'n'"},
    ),
    "crm-says": (
        Consent("crm-says", ("consent",), lambda row: _is(row, "y"), ("crm",)),
        {"consent": "consent = 'y'", "consent_from": ["crm"]},
    ),
}


def _is(row: Row, value: str) -> bool | None:
    return None if row["consent"] is None else row["consent"] == value


def audience(activation: model.Activation) -> Audience:
    """The audience of an activation: ``gold-careful`` is the rule and the merge policy."""
    rule, policy = activation.audience.split("-", 1)
    return Audience(activation.audience, policy, RULES[rule], from_feed=rule in {"feed", "mixed"})


# Days


@st.composite
def worlds(draw: st.DrawFn, *, max_days: int = 4) -> World:
    """A world of several days."""
    days = draw(st.integers(2, max_days))
    limits = draw(st.sampled_from((Limits(), Limits(), Limits(50, 3), Limits(4, 100), Limits(4, 3))))
    chosen = draw(st.lists(st.sampled_from(tuple(POLICIES)), min_size=2, max_size=3, unique=True))
    setup = Setup(NAMESPACES, SOURCES, {each: POLICIES[each] for each in chosen}, limits, draw(_KEYS))
    files = {
        "app": draw(_app()),
        "crm": draw(_snapshots(_crm(), "crm_id", CRM_IDS, days)),
        "loyalty": draw(_changes(days)),
        "news": draw(_snapshots(_NEWS, "email", MAILS, days)),
        "web": draw(_web(days)),
    }
    activations = draw(st.lists(_activation(chosen), min_size=1, max_size=3))
    named = tuple(replace(each, key=f"d{place}/a") for place, each in enumerate(activations))
    guards = {each.key: draw(_GUARDS) for each in named}
    ticks = [draw(_tick(START + timedelta(days=day, hours=2), chosen, len(named), day)) for day in range(days)]
    ticks.append(Tick(START + timedelta(days=days - 1, hours=13), evaluate=draw(st.booleans())))
    return World(setup, files, named, tuple(ticks), guards)


_KEYS = st.sampled_from(("", "", "secret"))
_GUARDS = st.sampled_from(((None, None),) * 4 + ((0.5, None), (None, 1)))
_NEWS = st.fixed_dictionaries(
    {"cookie": st.sampled_from(COOKIES), "city": st.sampled_from(CITIES), "consent": st.sampled_from(CONSENTS)}
)


def _crm() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "email": st.sampled_from(EMAILS),
            "phones": st.sampled_from(PHONES),
            "city": st.sampled_from(CITIES),
            "points": st.sampled_from((5, 50, None)),
            "gold": st.sampled_from((True, False, None)),
            "consent": st.sampled_from(CONSENTS),
            "name": st.sampled_from(NAMES),
            "updated_at": st.sampled_from((None, None, -5, -1, 0)).map(
                lambda days: None if days is None else START + timedelta(days=days)
            ),
        }
    )


@st.composite
def _snapshots(
    draw: st.DrawFn, rows: st.SearchStrategy[dict[str, Any]], key: str, names: Sequence[Any], days: int
) -> tuple[File, ...]:
    """A dated snapshot a day, but for days left out; the first person is always there."""
    today = {name: draw(st.one_of(rows, rows, st.none())) for name in names[1:]} | {names[0]: draw(rows)}
    found = [_dated(0, key, today)]
    for day in range(1, days):
        for name in draw(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True)):
            today[name] = draw(rows if name == names[0] else st.one_of(rows, rows, st.none()))
        if draw(st.sampled_from((True, True, True, False))):
            found.append(_dated(day, key, today))
    return tuple(found)


def _dated(day: int, key: str, people: dict[Any, dict[str, Any] | None]) -> File:
    at = START + timedelta(days=day)
    return File(f"{at:%Y-%m-%d}", at, tuple({key: name, **row} for name, row in people.items() if row is not None))


@st.composite
def moving_worlds(draw: st.DrawFn) -> World:
    """A few days on which three customers and two members of a club meet and part by their e-mail addresses, and an
    activation of each kind of key that is told of them in increments, each with days left out (P11).
    """
    setup = Setup(NAMESPACES, {each.id: each for each in (CRM, LOYALTY)}, {"default": POLICIES["default"]})
    mails, days = ("a@x.com", "b@x.com", "c@x.com", None), draw(st.integers(3, 5))
    client = st.fixed_dictionaries({"email": st.sampled_from(mails), "gold": st.sampled_from((True, True, False))})
    member = st.fixed_dictionaries({"mail": st.sampled_from(mails), "is_gone": st.sampled_from((False, False, True))})
    clients: dict[int, dict[str, Any]] = {}
    files: dict[str, list[File]] = {"crm": [], "loyalty": []}
    for day in range(days):
        at = START + timedelta(days=day)
        again = draw(st.lists(st.sampled_from((1, 2, 3)), min_size=1, max_size=2, unique=True)) if day else (1, 2, 3)
        clients |= {each: dict.fromkeys(SCHEMAS["crm"]) | {"crm_id": each} | draw(client) for each in again}
        files["crm"].append(File(f"{at:%Y-%m-%d}", at, tuple(clients.values())))
        moved = draw(st.lists(st.sampled_from(("M1", "M2")), max_size=1)) if day else ("M1", "M2")
        rows = [
            dict.fromkeys(SCHEMAS["loyalty"]) | {"member": each, "changed_at": at, "gold": True} | draw(member)
            for each in moved
        ]
        files["loyalty"].append(File(f"{at:%Y-%m-%d}", at, tuple(rows)))
    activations = [
        replace(draw(_activation(("default",), by)), key=f"d{place}/a", incremental=True, policies=())
        for place, by in enumerate(("identity", "email", "id", "none"))
    ]
    activations = [replace(each, audience=draw(_AUDIENCES)) for each in activations]
    ticks = [
        replace(draw(_tick(START + timedelta(days=day, hours=2), ("default",), 4, day)), said=(), request=None)
        for day in range(days)
    ]
    guards = {each.key: (None, None) for each in activations}
    return World(setup, {name: tuple(held) for name, held in files.items()}, tuple(activations), tuple(ticks), guards)


_AUDIENCES = st.sampled_from(("gold-default", "everyone-default"))


@st.composite
def _app(draw: st.DrawFn) -> tuple[File, ...]:
    """An undated snapshot: who has no time is older than any; one record has too many identities to link."""
    pairs = [
        ("Email", "a@x.com"),
        ("Email", "B@x.com"),
        ("Cookie", "k1"),
        ("GAID", "g2"),
        ("Loose", "1"),
        ("Phone", "3"),
    ]
    few = st.lists(st.sampled_from([*pairs, ("", "x"), ("Email", None)]), max_size=3)
    many = [*(("Loose", f"{number}") for number in range(20)), ("Email", "a@x.com")]
    row = st.fixed_dictionaries(
        {
            "ids": st.one_of(*[few] * 5, st.just(many)).map(
                lambda found: [{"namespace": name, "id": each} for name, each in found]
            ),
            "wants": st.sampled_from(
                (None, (), (("mail", "y"),), (("mail", None), ("sms", "n")), (("sms", "y"), ("mail", "n")))
            ),
            "points": st.sampled_from((None, 7)),
            "seen": st.sampled_from((None, START - timedelta(days=9), START)),
        }
    )
    devices = draw(st.lists(st.sampled_from(("g1", "g2", "g3")), min_size=1, max_size=3, unique=True))
    return (File("app", None, tuple({"device": each, **draw(row)} for each in devices)),)


@st.composite
def _changes(draw: st.DrawFn, days: int) -> tuple[File, ...]:
    """A dated file of changes a day: a few rows, some of them of one member and instant, some later, some deletions."""
    files = []
    for day in range(days):
        at = START + timedelta(days=day)
        row = st.fixed_dictionaries(
            {
                "member": st.sampled_from(MEMBERS),
                "mail": st.sampled_from(EMAILS),
                "crm": st.sampled_from((None, "1", "2", None)),
                "city": st.sampled_from((None, "Rome")),
                "points": st.sampled_from((3, 30, None)),
                "gold": st.sampled_from((True, None)),
                "consent": st.sampled_from(CONSENTS),
                "changed_at": st.sampled_from((-30, 0, 0, 1, 12)).map(lambda hours, at=at: at + timedelta(hours=hours)),
                "is_gone": st.sampled_from((False, False, None, True)),
            }
        )
        rows = draw(st.lists(row, min_size=1, max_size=3))
        if day == 0:
            rows = [{**draw(row), "member": "M7", "is_gone": False, "changed_at": at}, *rows]
        if rows:
            files.append(File(f"{at:%Y-%m-%d}", at, tuple(rows)))
    return tuple(files)


@st.composite
def _web(draw: st.DrawFn, days: int) -> tuple[File, ...]:
    """One file of events of all days."""
    event = st.fixed_dictionaries(
        {
            "cookie": st.sampled_from(COOKIES),
            "email": st.sampled_from((None, *EMAILS, None)),
            "phone": st.sampled_from((None, None, "1", "2")),
            "at": st.integers(-24, 24 * days).map(lambda hours: START + timedelta(hours=hours)),
            "type": st.sampled_from(("view", "buy")),
        }
    )
    first = {"cookie": "k9", "email": None, "phone": None, "at": START, "type": "view"}
    return (File("events", None, (first, *draw(st.lists(event, max_size=6)))),)


@st.composite
def _tick(draw: st.DrawFn, at: datetime, policies: Sequence[str], activations: int, day: int) -> Tick:
    places = tuple(range(activations))
    left_out = draw(st.sampled_from((None, None, *places))) if day else None
    return Tick(
        at,
        tuple(draw(st.lists(_said(at, policies), max_size=3))),
        evaluate=not day or draw(st.sampled_from((True, True, False))),
        run=None if left_out is None else tuple(each for each in places if each != left_out),
        request=draw(st.sampled_from((None, None, None, *places))),
    )


def _said(at: datetime, policies: Sequence[str]) -> st.SearchStrategy[Said]:
    """Rows of a feed that name people by identity, or by the id that is made of one."""
    identities = (
        *(("Email", each) for each in (*MAILS, " B@x.com", "null")),
        *(("CRMID", each) for each in ("1", "2", "3")),
        ("Member", "M7"),
        ("Cookie", "k1"),
        ("Phone", "1"),
    )
    made_of = (("CRMID", "1"), ("CRMID", "2"), ("Email", "a@x.com"), ("Member", "M7"))
    names = st.one_of(st.sampled_from(identities), st.sampled_from([("", digest("", each)) for each in made_of]))
    return st.builds(
        lambda audience, name, status, hours, until: Said(
            audience,
            name[1],
            status,
            at + timedelta(hours=hours),
            until and at + timedelta(hours=until),
            name[0],
        ),
        st.sampled_from([f"{rule}-{policy}" for policy in policies for rule in ("feed", "mixed")]),
        names,
        st.sampled_from(("realized", "realized", "exited")),
        st.sampled_from((-1, -12, 0, 5)),
        st.sampled_from((None, None, 6, 20)),
    )


@st.composite
def _activation(draw: st.DrawFn, policies: Sequence[str], by: str | None = None) -> model.Activation:
    """Keys: one of M5, one or two columns, a profile id, or none (P11)."""
    fields = [f"{each}!" if each == "email" and draw(st.booleans()) else each for each in draw(_FIELDS)]
    by = by or draw(st.sampled_from(("identity", "email", "email", "id", "none")))
    deduplicate: tuple[str, ...] = ()
    if by == "identity":
        fields = ["identity_map.Email", *fields, *draw(_MAYBE_ID)]
    elif by == "email":
        deduplicate = draw(st.sampled_from((("email",), ("email", "city"))))
        fields += [
            *(each for each in deduplicate if each not in {name.rstrip("!") for name in fields}),
            *draw(_MAYBE_ID),
        ]
    elif by == "id":
        fields = [ID, *fields]
    status = draw(st.sampled_from(((STATUS,), (STATUS,), (STATUS, TIME), ())))
    policy = draw(st.sampled_from(policies))
    rules = [each for each in RULES if each != "viewers" or policy not in {"offline", "members"}]  # they read no events
    return model.Activation(
        "",
        f"{draw(st.sampled_from(rules))}-{policy}",
        incremental=draw(st.sampled_from((True, True, True, False))),
        hours=draw(st.sampled_from((0, 1, 12))),
        mapping=mapped(*fields, *status),
        deduplicate=deduplicate,
        changes=draw(
            st.sampled_from((*((("membership", "identity"),) * 2), ("membership",), *((("membership", "keys"),) * 2)))
        ),
        policies=tuple(
            model.Policy(each, lambda _: None) for each in draw(_CONSENTS) if each != "crm-says" or policy != "members"
        ),
    )


_FIELDS = st.lists(st.sampled_from(("email", "city", "points", "gold")), min_size=2, max_size=3, unique=True)
_MAYBE_ID = st.sampled_from(((ID,), ()))
_CONSENTS = st.sampled_from(((),) * 5 + (("agreed",), ("unrefused",), ("crm-says",), ("agreed", "unrefused")))


def mapped(*fields: str) -> tuple[Column, ...]:
    """Columns from ``source`` or ``source!`` (mandatory); the target is the default one (M1)."""
    return tuple(Column(each.rstrip("!"), each.rstrip("!").replace(".", "_"), each.endswith("!")) for each in fields)
