"""No message, log line or record holds the value of an environment variable, however it is spelled (SPEC 2, 10)."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from unittest import mock
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.shop import Shop, person, quick_folder

DAILY = {"audience": "all", "export": "full", "schedule": {"at": "05:00"}}
WORDS = st.text("abcXYZ0189", min_size=4, max_size=8)
BETWEEN = st.text(" \t\n'\"\\`$%&<>+;=?.,-äß€\x1b\u200b", max_size=4)
VALUES = st.builds("{}{}{}{}{}".format, BETWEEN, WORDS, BETWEEN, WORDS, BETWEEN)
COMMANDS = (
    ("-v", "validate", "--at", "2026-11-20T06:00Z"),
    ("-vv", "run", "--at", "2026-11-20T06:00Z"),
    ("-vv", "--log-format", "json", "run", "--at", "2026-11-20T06:10Z"),
    ("runs", "list", "--json"),
    ("destinations", "check"),
)


def broken(root: Path) -> Shop:
    """A workspace in which the variable S is in everything that goes wrong."""
    shop = Shop(root)
    shop.profiles("2026-11-20", [person("a")])
    shop.audience("all", where="vip")
    shop.audience("bad", where="country = '${S}' AND nothing = 1")
    shop.audience("worse", where="'${S}' = vip")
    shop.destination("column", mapping=["profile_id", "${S}"], activations=[DAILY])
    shop.destination("key", mapping=["profile_id"], deduplicate=["${S}"], activations=[DAILY])
    shop.destination(
        "password",
        url="sftp://me@127.0.0.1:1/x",
        connection={"password_env": "S", "key_file": "${S}", "known_hosts": "${S}"},
        retries=0,
        mapping=["profile_id"],
        activations=[DAILY],
    )
    return shop


def spellings(value: str) -> Iterator[str]:
    """What a value must not appear as."""
    yield from (value, value.strip(), " ".join(value.split()), repr(value)[1:-1], json.dumps(value)[1:-1], quote(value))
    yield from (line.strip() for line in value.splitlines() if len(line.strip()) >= 6)


@given(VALUES)
@example("hunter-one\nhunter-two\n")
@example("tab\there  and  two  blanks")
@example('it\'s "quoted" twice')
@example("long-" * 60)
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_value_is_told(value: str) -> None:
    """SPEC 2: whatever a variable holds, neither stdout nor stderr nor the ledger has it."""
    with quick_folder() as folder, mock.patch.dict("os.environ", {"S": value}):
        shop = broken(folder / "shop")
        results = [shop.muster(*command) for command in COMMANDS]
        said = "".join(result.out + result.err for result in results)
        assert "is a bug in muster" not in said, said
        if (shop.root / ".muster/ledger.sqlite").exists():
            ledger = sqlite3.connect(f"file:{shop.root}/.muster/ledger.sqlite?mode=ro", uri=True)
            said += "\n".join(ledger.iterdump())
            ledger.close()
    assert results[0].code == 2
    for spelling in spellings(value):
        assert spelling not in said, said


def test_a_value_stands_as_its_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SPEC 2: in its place the message names the variable."""
    monkeypatch.setenv("S", "two  blanks and ''quotes''")
    result = broken(tmp_path / "shop").muster("validate", "--at", "2026-11-20T06:00Z")
    assert "error: column/all: destinations/column.yml:6: mapping[1]: " in result.err
    assert result.err.count("${S}") >= 3
    assert "AND nothing = 1" in result.err


def test_libraries_warnings_are_not_printed(tmp_path: Path) -> None:
    """SPEC 9: a library's own log line may quote anything, so nothing of it reaches the terminal."""
    import logging  # noqa: PLC0415  # for this test alone

    shop = Shop(tmp_path / "shop")
    shop.audience("all", where="true")
    shop.ok("-vv", "runs", "list")
    assert any(isinstance(handler, logging.NullHandler) for handler in logging.getLogger().handlers)
