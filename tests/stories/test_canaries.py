"""Nothing of a profile leaves but by the files: unmistakable values in every column, id, identity, event and feed row
are looked for in all that commands say, log and record, while they succeed and while they fail (SPEC 9: logs never hold
profile data).
"""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import polars as pl
import pytest
from support.random_histories import MORE
from support.shop import STATUS, Shop, person, process

from muster.activation.frames import engine

VALUE, ID = "Qx7value", "Qx7id"  # how every canary begins
NUMBER = 770077007700
TODAY, AT = "2026-11-21", "2026-11-21T06:00Z"
Spoil = Callable[[Shop], object]
COMMANDS = (
    ("validate", "--at", AT),
    ("plan", "--at", AT),
    ("plan", "--at", AT, "--json"),
    ("evaluate", "--at", AT),
    ("run", "--at", "2026-11-21T07:00Z"),
    ("export", "crm/adhoc", "--at", "2026-11-21T08:00Z"),
    *(("runs", "list"), ("runs", "list", "--json"), ("audiences", "list", "--json"), ("audiences", "show", "all")),
    *(
        ("evaluations", "list"),
        ("baseline", "show", "--json"),
        ("schedule", "next"),
        ("run", "--at", AT, "--audience", "all"),
    ),
)
WORKING = COMMANDS[:5]
LOUDNESS = (
    ((), ("-v",), ("-vv",), ("-vv", "--log-format", "json")) if MORE > 1 else ((), ("-vv", "--log-format", "json"))
)
ADHOC = {"audience": "all", "id": "adhoc", "schedule": "on_demand"}
DAILY = {"audience": "all", "export": "incremental", "schedule": {"at": "05:00"}}
MAPPING = [
    "profile_id",
    {"source": "email", "target": "email", "mandatory": True},
    "person.name.first",
    "balance",
    "tags",
    STATUS,
]


def somebody(number: int, **more: Any) -> dict[str, Any]:
    """A person of canaries alone."""
    return {
        "profile_id": f"{ID}{number}",
        "email": f"{VALUE}-email-{number}",
        "country": f"{VALUE}-country",
        "balance": NUMBER + number,
        "person": {"name": {"first": f"{VALUE}-first-{number}"}},
        "tags": [f"{VALUE}-tag"],
        "identity_map": [{"namespace": "Email", "id": f"{VALUE}-identity-{number}"}],
    } | more


def people(*changed: dict[str, Any]) -> list[dict[str, Any]]:
    """Five people, and some that are not as they should be."""
    return [*(somebody(number) for number in range(5)), *changed]


def event(number: int, **more: Any) -> dict[str, Any]:
    """Something that one of them did."""
    times = {"timestamp": pl.Series(["2026-11-19T12:00"]).str.to_datetime(time_zone="UTC")[0]}
    return {"profile_id": f"{ID}{number}", **times, "product": f"{VALUE}-product", "amount": NUMBER + number} | more


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A workspace that has evaluated and delivered on the first day, with rows that were left out."""
    shop = Shop(tmp_path / "shop")
    shop.profiles("2026-11-20", people(somebody(7, email=None), somebody(8, email=f"{VALUE}-email-1")))
    shop.events([event(number) for number in range(5)])
    shop.feed([("vip", f"{ID}{number}", "realized", "2026-11-19T12:00Z") for number in range(4)])
    shop.audience("all", where="true")
    shop.audience("vip", source="memberships")
    shop.destination(
        "crm", mapping=MAPPING, deduplicate=["email"], activations=[DAILY, ADHOC, {**DAILY, "audience": "vip"}]
    )
    shop.day("2026-11-20")
    return shop


def profiles(*rows: dict[str, Any]) -> Spoil:
    """A second day with these people more."""
    return lambda shop: shop.profiles(TODAY, people(*rows))


def rule(where: str, **more: Any) -> Spoil:
    """An audience with a rule that fails on what the rows hold, and its export."""

    def spoil(shop: Shop) -> None:
        shop.profiles(TODAY, people())
        shop.audience("bad", where=where, **more)
        activations = [DAILY, ADHOC, {"audience": "bad", "export": "full", "schedule": "after_evaluation"}]
        shop.destination("crm", mapping=MAPPING, activations=activations)

    return spoil


def measured(measure: str, where: str = "true") -> Spoil:
    """The same with a measure."""
    return rule("m > 1", events={"m": {"measure": measure, "where": where}})


def delivered(**content: Any) -> Spoil:
    """A second day on which fewer people are there, and another destination."""

    def spoil(shop: Shop) -> None:
        shop.profiles(TODAY, people()[1:])
        shop.destination("crm", **({"mapping": MAPPING, "activations": [DAILY, ADHOC]} | content))

    return spoil


def feed(*row: Any) -> Spoil:
    """A feed with one more row."""

    def spoil(shop: Shop) -> None:
        profiles()(shop)
        shop.feed([("vip", f"{ID}1", "realized", "2026-11-19T12:00Z"), row])

    return spoil


def flipped(name: str) -> Spoil:
    """A data page in which a byte is another."""

    def spoil(shop: Shop) -> None:
        profiles()(shop)
        path = shop.root / name
        content = bytearray(path.read_bytes())
        content[20:60] = bytes(40)
        path.write_bytes(content)

    return spoil


def said(error: BaseException) -> Spoil:
    """A library that puts values into its words."""

    def spoil(shop: Shop) -> None:
        profiles()(shop)
        patch = mock.patch.object(engine.pl, "collect_all", side_effect=error)
        patch.start()

    return spoil


def unexpected() -> ValueError:
    """A fault of muster's, from one of a library's, both with values in their words."""
    error = ValueError(f"not a number: {VALUE}")
    error.__cause__ = KeyError(f"{ID}1")
    return error


SITUATIONS: dict[str, Spoil] = {
    "all is well": profiles(),
    "ids twice": profiles(somebody(1), somebody(2)),
    "ids null": profiles(somebody(1, profile_id=None)),
    "cast in a rule": rule("CAST(country AS INTEGER) = 1"),
    "cast to a small number": rule("CAST(balance AS TINYINT) = 1"),
    "time in a rule": rule("STRPTIME(email, '%Y-%m-%d') > now()"),
    "power": rule("POW(balance, balance) > 1"),
    "pattern in a row": rule("STRPOS(country, email) = 1"),
    "types": rule("country = 1 AND balance = 'x'"),
    "unknown names": rule("contry = 'x' AND identity_map.Emial = 'x'"),
    "cast in a measure": measured("sum(amount)", "CAST(product AS INTEGER) = 1"),
    "measure of text": measured("sum(product)"),
    "guards": delivered(guards={"max_exited": 0}),
    "nobody fits": delivered(mapping=["profile_id", {"source": "missing", "target": "m"}]),
    "text that cannot be written": delivered(csv={"quote_style": "never", "delimiter": "-"}),
    "another type": lambda shop: (
        shop.profiles(TODAY, people()),
        shop.profiles(TODAY, [{"profile_id": 7, "email": 7, "country": True}], part="part-1"),
    ),
    "another identity map": lambda shop: shop.profiles(
        TODAY, [{"profile_id": f"{ID}1", "email": "x", "identity_map": f"{VALUE}"}]
    ),
    "bytes that are no text": lambda shop: shop.profiles(
        TODAY, [{"profile_id": f"{VALUE}".encode(), "email": f"{VALUE}"}]
    ),
    "a feed's status": feed("vip", f"{ID}2", f"{VALUE}-status", "2026-11-19T12:00Z"),
    "a feed's time": feed("vip", f"{ID}2", "realized", None),
    "a feed's id": feed("vip", None, "realized", "2026-11-19T12:00Z"),
    "damaged profiles": flipped(f"data/profiles/{TODAY}/part-0.parquet"),
    "damaged events": lambda shop: (measured("sum(amount)")(shop), flipped("data/events/events.parquet")(shop)),
    "damaged feed": flipped("data/memberships/feed.parquet"),
    "Polars on a value": said(pl.exceptions.ComputeError(f"could not parse `{VALUE}` as {ID}1")),
    "Polars on a damaged page": said(pl.exceptions.ComputeError(f"parquet: invalid page: '{VALUE}'")),
    "a panic": said(pl.exceptions.PanicException(f"called `unwrap()` on {VALUE}")),
    "a fault": said(unexpected()),
}


@pytest.fixture(autouse=True)
def unpatched() -> Iterator[None]:
    """What a situation has put in Polars' place goes."""
    yield
    mock.patch.stopall()


def records(shop: Shop) -> Iterator[tuple[str, str]]:
    """What is kept and published beside the rows themselves: the ledger, notes, manifests, and the names of
    all files.
    """
    yield "names", "\n".join(str(path) for path in shop.root.rglob("*"))
    ledger = sqlite3.connect(f"file:{shop.root}/.muster/ledger.sqlite?mode=ro", uri=True)
    yield "ledger", "\n".join(ledger.iterdump())
    ledger.close()
    for path in (*(shop.root / ".muster").glob("*.checked"), *(shop.root / "out").rglob("manifest-*")):
        yield path.name, path.read_text()


@pytest.mark.parametrize("situation", SITUATIONS)
def test_no_value_and_no_id_is_said(shop: Shop, situation: str) -> None:
    """SPEC 9, 10: no message, log line, crash report, record or manifest holds a value of a profile, an event or a
    feed; repeated ids
    are shown with -v and nowhere else."""
    SITUATIONS[situation](shop)
    codes = set()
    for loudness in LOUDNESS:
        for command in COMMANDS:
            result = shop.muster(*command, *loudness)
            if not loudness and command in WORKING:
                codes.add(result.code)
            text = result.out + result.err
            assert VALUE not in text, text
            assert str(NUMBER)[:8] not in text.replace(",", "").replace("_", ""), text
            if ID in text:
                assert situation == "ids twice", text
                assert loudness, text
                assert all(line.startswith("  repeated ids: ") for line in text.splitlines() if ID in line), text
    assert (codes == {0}) == (situation == "all is well"), "what is tried fails"
    mock.patch.stopall()
    for name, content in records(shop):
        assert VALUE not in content, name
        assert ID not in content, name
        assert str(NUMBER)[:8] not in content, name


def test_rejects_are_ids_and_reasons_alone(shop: Shop) -> None:
    """X10: `runs rejects` lists ids, which is what it is asked for, and beside them nothing of the profile."""
    run = shop.runs("crm/all")[-1]["run_id"]
    listed = shop.ok("runs", "rejects", run, "--json").json
    assert sorted(line["profile_id"] for line in listed) == [f"{ID}7", f"{ID}8"]
    assert {key for line in listed for key in line} == {"profile_id", "reason"}
    shown = shop.ok("runs", "rejects", run).out
    assert VALUE not in shown
    assert f"{ID}7" in shown


def test_the_canaries_are_in_what_is_delivered(shop: Shop) -> None:
    """The files hold all of it: what the other tests look for is there to be found."""
    content = "".join(path.read_text() for path in (shop.root / "out/crm").glob("*.csv"))
    for canary in (f"{ID}1", f"{VALUE}-email-2", f"{VALUE}-first-3", f"{VALUE}-tag", str(NUMBER + 4)):
        assert canary in content


@pytest.mark.parametrize("loudness", LOUDNESS[1:], ids=" ".join)
def test_a_crash_report_has_places_and_no_words(shop: Shop, loudness: tuple[str, ...]) -> None:
    """SPEC 9: with -v a fault of muster's is reported with its kind, its cause's kind, and the modules and lines they
    came through.
    """
    said(unexpected())(shop)
    result = shop.muster("evaluate", "--at", AT, *loudness)
    assert result.code == 1
    assert "unexpected: ValueError; this is a bug in muster" in result.err
    for word in ("KeyError, raised in:", "ValueError, raised in:", "engine.py:", ": collect_all"):
        assert word in result.err
    assert "not a number" not in result.err


def test_what_native_code_prints_is_not_shown(shop: Shop) -> None:
    """SPEC 9: a library that writes to stderr by itself, as a panic of Polars does, is not heard, with -vv neither."""
    profiles()(shop)
    code = (
        "import os, sys; from unittest import mock; from muster.activation.frames import engine; from "
        "muster.cli.main import main\n"
        f"def loud(frames): os.write(2, b'{VALUE}'); raise engine.pl.exceptions.PanicException('{VALUE}')\n"
        "with mock.patch.object(engine.pl, 'collect_all', loud): main()"
    )
    command = [sys.executable, "-c", code, "-C", str(shop.root), "evaluate", "--at", AT, "-vv"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)
    assert done.returncode == 2
    assert "cannot be read as Parquet: it is damaged" in done.stderr
    assert VALUE not in done.stdout + done.stderr


def test_text_of_data_does_not_act_on_the_terminal(tmp_path: Path) -> None:
    """An id or a name that holds an escape sequence, a line end or a change of direction is shown with it
    spelled out.
    """
    shop = Shop(tmp_path / "shop")
    shop.profiles(
        "2026-11-20", [person("a\x1b]0;title\x07", email=""), person("b\u202ec\nd", vip=None), person("e\x9b31m")]
    )
    shop.audience("all", where="true")
    shop.audience("named", where="true", name="x\x1b[31m\u202ey \U0001f469\u200d\U0001f52c")
    shop.crm(mapping=["profile_id", {"source": "vip", "target": "vip", "mandatory": True}])
    shop.set(profiles={"path": "data/profiles"})
    shop.day("2026-11-20")
    shown = shop.ok("runs", "rejects", shop.runs("crm/all")[-1]["run_id"]).out + shop.ok("audiences", "list").out
    assert "b\\u202ec\\nd" in shown
    assert "x\\x1b[31m\\u202ey \U0001f469\u200d\U0001f52c" in shown
    assert not any(mark in shown for mark in ("\x1b", "\x07", "\x9b", "\u202e"))
    told = shop.muster("runs", "show", "\x1b[2J")
    assert (told.code, "\x1b" in told.err, "\\x1b[2J" in told.err) == (2, False, True)
    assert process("-C", str(shop.root), "run", "--at", "2026-11-21T05:00Z", "\x1b[2J").err.count("\x1b") == 0
