"""`muster verify`: what was delivered is read again, and each thing that differs is found and named (F1-F4)."""

import gzip
import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest import mock

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.shop import STATUS, Shop, at, person, quick_folder

from muster.activation.audit.readback import Reading, look
from muster.activation.export.recipe import Recipe
from muster.activation.files.csv_text import csv_checks
from muster.activation.files.formats import FORMATS
from muster.activation.model.workspace import Column, CsvOptions
from muster.activation.system.disk import checksum
from muster.activation.values.text import csv_text

PEOPLE = [
    person(name, city=city) for name, city in (("a", "Oslo"), ("b", 'Zürich, "old"\ntown'), ("c", None), ("d", ""))
]
MAPPING = ["profile_id", "email", "city", STATUS]


def shop(folder: Path, **destination: Any) -> Shop:
    """A shop that has delivered one file of four people."""
    made = Shop(folder / "shop")
    made.audience("all", where="vip")
    made.crm(**({"mapping": MAPPING} | destination))
    _day(made)
    return made


def _day(made: Shop, day: str = "2026-11-20") -> None:
    made.profiles(day, PEOPLE)
    made.evaluate(f"{day}T02:00Z")
    made.run(f"{day}T05:00Z")


def delivered(made: Shop) -> Path:
    """The only data file."""
    [name] = made.files("crm")
    return made.root / "out" / name


def manifest(made: Shop) -> Path:
    """The only manifest."""
    [path] = (made.root / "out/crm").glob("manifest-*.json")
    return path


FORMS = [
    {"format": "csv"},
    {"format": "csv", "compression": "gzip"},
    {
        "format": "csv",
        "compression": "zstd",
        "csv": {"delimiter": "\t", "line_terminator": "\r\n", "bom": True, "quote_style": "always"},
    },
    {
        "format": "csv",
        "csv": {"header": False, "quote": "'", "delimiter": ";", "null_value": "NULL", "quote_style": "non_numeric"},
    },
    {"format": "csv", "csv": {"escape": "\\", "delimiter": "|~|", "quote": "'", "null_value": "\\N"}},
    {"format": "csv", "compression": "zip", "csv": {"encoding": "latin-1", "quote_style": "always"}},
    {"format": "json"},
    {"format": "json", "compression": "gzip"},
    {"format": "json", "compression": "zstd"},
    {"format": "parquet"},
    {"format": "parquet", "compression": "zstd"},
]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: "-".join(str(value) for value in form.values())[:24])
def test_what_was_delivered_is_intact(form: dict[str, Any], tmp_path: Path) -> None:
    """Every format, as it was written: exit 0, no difference, nothing left unchecked; nothing is written, and no lock
    is taken.
    """
    made = shop(tmp_path, **form)
    before = made.tree()
    [run] = made.ok("verify", "--json").json
    assert (run["result"], run["manifest"]["result"]) == ("intact", "intact")
    assert [(file["result"], file["note"]) for file in run["files"]] == [("intact", None)]
    assert made.tree() == before


@pytest.mark.parametrize("form", FORMS, ids=lambda form: "-".join(str(value) for value in form.values())[:24])
def test_an_empty_file_is_intact(form: dict[str, Any], tmp_path: Path) -> None:
    """F5: a file of header or schema alone, or of nothing, is as it was delivered."""
    made = Shop(tmp_path / "shop")
    made.audience("all", where="false")
    made.crm(**({"mapping": MAPPING} | form))
    _day(made)
    [run] = made.ok("verify", "--json").json
    assert [(file["result"], file["note"]) for file in run["files"]] == [("intact", None)]


# Damages


def flipped(at: float) -> Callable[[Shop], None]:
    """One bit of the file is another one, at a share of its length."""

    def damage(made: Shop) -> None:
        content = bytearray(delivered(made).read_bytes())
        content[int(at * (len(content) - 1))] ^= 1
        delivered(made).write_bytes(content)

    return damage


def rewritten(change: Callable[[bytes], bytes]) -> Callable[[Shop], None]:
    """The file has other bytes."""
    return lambda made: _ignore(delivered(made).write_bytes(change(delivered(made).read_bytes())))


def _ignore(_: object) -> None:
    """Nothing."""


def a_folder(made: Shop) -> None:
    """A folder stands where the file was."""
    path = delivered(made)
    path.unlink()
    path.mkdir()


def manifested(change: Callable[[dict[str, Any]], Any]) -> Callable[[Shop], None]:
    """The manifest says something else."""

    def damage(made: Shop) -> None:
        content = json.loads(manifest(made).read_text())
        change(content)
        manifest(made).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")

    return damage


CSV_DAMAGES: dict[str, tuple[Callable[[Shop], None], set[str], str]] = {
    "header": (flipped(0), {"checksum", "header"}, "the header differs: its column 1 is not 'profile_id'"),
    "cut": (
        rewritten(lambda content: content[:-3]),
        {"size", "checksum", "unreadable"},
        "row 4 has no line end: the file is cut off",
    ),
    "row gone": (
        rewritten(lambda content: content[: content[:-1].rindex(b"\n") + 1]),
        {"size", "checksum", "rows"},
        "it has 3 rows; expected 4",
    ),
    "appended row": (
        rewritten(lambda content: content + b"e,e@x.com,,realized\n"),
        {"size", "checksum", "rows"},
        "it has 5 rows; expected 4",
    ),
    "appended junk": (
        rewritten(lambda content: content + b"\0"),
        {"size", "checksum", "unreadable"},
        "row 5 has no line end",
    ),
    "emptied": (rewritten(lambda _: b""), {"size", "checksum", "header"}, "the header is missing: the file is empty"),
    "quote never closed": (
        rewritten(lambda content: content.replace(b'town"', b"town")),
        {"size", "checksum", "unreadable"},
        "row 2 has a quote",
    ),
    "field gone": (
        rewritten(lambda content: content.replace(b"a@x.com,", b"")),
        {"size", "checksum", "unreadable"},
        "row 1 has 3 fields; expected 4",
    ),
    "not UTF-8": (
        rewritten(lambda content: content.replace(b"Oslo", b"Osl\xff")),
        {"checksum", "unreadable"},
        "row 1 is not UTF-8",
    ),
    "same length": (rewritten(lambda content: content.replace(b"Oslo", b"Rome")), {"checksum"}, "its sha256 is"),
    "byte-order mark": (
        rewritten(lambda content: b"\xef\xbb\xbf" + content),
        {"size", "checksum", "unreadable"},
        "starts with a byte-order mark",
    ),
    "gone": (lambda made: delivered(made).unlink(), {"missing"}, "the file is missing"),
    "folder": (a_folder, {"unreadable"}, "cannot be read: it is a folder"),
    "manifest gone": (lambda made: manifest(made).unlink(), {"manifest"}, "the manifest is missing"),
    "manifest cut": (
        lambda made: _ignore(manifest(made).write_bytes(manifest(made).read_bytes()[:-9])),
        {"manifest"},
        "it is not a manifest of muster",
    ),
    "manifest of others": (
        manifested(lambda content: content["exportResults"][0].update(name="other.csv")),
        {"manifest"},
        "lists other files: 1 of 1",
    ),
    "manifest counts": (
        manifested(lambda content: content["counts"].update(realized=7)),
        {"manifest"},
        "the manifest differs in counts",
    ),
    "manifest layout": (
        lambda made: _ignore(manifest(made).open("a").write(" ")),
        {"manifest"},
        "the manifest differs: in its layout",
    ),
    "destination gone": (lambda made: shutil.rmtree(made.root / "out"), {"missing", "manifest"}, "the file is missing"),
}


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("damage", CSV_DAMAGES)
def test_every_damage_is_found_and_named(damage: str, tmp_path: Path) -> None:
    """Exit 1; the place and what differs are on stderr, and no value of the file."""
    made = shop(tmp_path)
    harm, what, words = CSV_DAMAGES[damage]
    harm(made)
    result = made.muster("verify", "--json")
    assert result.code == 1
    [run] = result.json
    assert run["result"] == "differs"
    parts = [*run["files"], run["manifest"]]
    assert {one["what"] for part in parts for one in part["differences"]} == what
    assert words in result.err
    assert "out/crm/" in result.err
    assert "x.com" not in result.err + result.out
    assert "Traceback" not in result.err


@pytest.mark.parametrize("form", FORMS, ids=lambda form: "-".join(str(value) for value in form.values())[:24])
@pytest.mark.parametrize("at", [0, 0.02, 0.25, 0.5, 0.75, 0.98, 1])
def test_one_bit_in_any_region_is_found(form: dict[str, Any], at: float, tmp_path: Path) -> None:
    """A flipped bit at the start, in the middle or at the end of a file of any format."""
    made = shop(tmp_path, **form)
    flipped(at)(made)
    result = made.muster("verify")
    assert result.code == 1
    assert delivered(made).name in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    "form", [form for form in FORMS if form["format"] == "parquet" or "compression" in form], ids=str
)
def test_a_truncated_stream_is_told(form: dict[str, Any], tmp_path: Path) -> None:
    """A compressed or Parquet file that is cut off is told as such, beside its checksum."""
    made = shop(tmp_path, **form)
    delivered(made).write_bytes(delivered(made).read_bytes()[:-6])
    [run] = made.muster("verify", "--json").json
    assert {one["what"] for one in run["files"][0]["differences"]} == {"size", "checksum", "unreadable"}


def test_swapped_parts_are_named(tmp_path: Path) -> None:
    """Two files of a run that changed places: each is told to be the other one."""
    made = shop(tmp_path, max_rows_per_file=2)
    one, two = (made.root / "out" / name for name in made.files("crm"))
    one_bytes, two_bytes = one.read_bytes(), two.read_bytes()
    one.write_bytes(two_bytes)
    two.write_bytes(one_bytes)
    result = made.muster("verify")
    assert result.code == 1
    assert f"it is the file that was delivered as out/crm/{one.name}" in result.err
    assert f"it is the file that was delivered as out/crm/{two.name}" in result.err


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the system says is what is told."""
    made = shop(tmp_path)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "x")

    monkeypatch.setattr(Reading, "__init__", refuse)
    result = made.muster("verify")
    assert result.code == 1
    assert "cannot be read: permission denied" in result.err


# Which runs


def test_without_arguments_the_newest_run_of_each_activation(tmp_path: Path) -> None:
    """The newest succeeded run of each activation; RUN takes ids or their start, --all every succeeded run."""
    made = shop(tmp_path)
    made.day("2026-11-21", [*PEOPLE, person("e", city="Rome")])
    first, second = (run["run_id"] for run in made.runs("crm/all"))
    assert [run["run_id"] for run in made.ok("verify", "--json").json] == [second]
    assert [run["run_id"] for run in made.ok("verify", "--all", "--json").json] == [second, first]
    assert [run["run_id"] for run in made.ok("verify", "20261120", first, "--json").json] == [first]
    (made.root / made.runs("crm/all")[0]["files"][0]["path"]).unlink()
    assert [made.muster("verify", *arguments).code for arguments in ([], [second], [first], ["--all"])] == [0, 0, 1, 1]


def test_an_unknown_run_is_refused(tmp_path: Path) -> None:
    """Exit 2 for a run that there is not, for a start that several have, and for RUN beside --all; 0 where nothing was
    delivered.
    """
    made = shop(tmp_path)
    made.day("2026-11-21", PEOPLE)
    assert [made.muster("verify", *arguments).code for arguments in (["20250101"], ["2026112"], ["2026", "--all"])] == [
        2,
        2,
        2,
    ]
    empty = Shop(tmp_path / "empty")
    empty.audience("all", where="vip")
    empty.crm()
    assert "nothing was delivered yet" in empty.ok("verify").out
    assert not (empty.root / ".muster").exists()


def test_a_run_that_failed_was_not_delivered(tmp_path: Path) -> None:
    """A run that is not succeeded is told to be not delivered, which is no difference."""
    made = shop(tmp_path)
    made.write("out/other", "a file")
    made.crm(mapping=MAPPING, url="out/other")
    made.profiles("2026-11-21", PEOPLE)
    made.evaluate("2026-11-21T02:00Z")
    assert made.muster("run", "--at", "2026-11-21T05:00Z").code == 1
    failed = made.runs("crm/all")[-1]["run_id"]
    [run] = made.ok("verify", failed, "--json").json
    assert (run["result"], run["status"], run["files"]) == ("not_delivered", "failed", [])
    assert "not delivered: failed" in made.ok("verify", failed).out


# Constant names


def test_replaced_files_are_no_difference(tmp_path: Path) -> None:
    """F1: what a later run wrote over or removed is told to be replaced, by which run; the newest is compared."""
    made = shop(tmp_path, file_name="people", max_rows_per_file=2)
    made.day("2026-11-21", [person("e", city="Rome")])
    old, new = (run["run_id"] for run in made.runs("crm/all"))
    [first] = made.ok("verify", old, "--json").json
    assert first["result"] == "replaced"
    assert {(file["path"], file["replaced_by"]) for file in first["files"]} == {
        ("out/crm/people.csv", new),
        ("out/crm/people_2.csv", new),
    }
    assert "replaced" in made.ok("verify", old).out
    assert [run["result"] for run in made.ok("verify", "--json").json] == ["intact"]
    (made.root / "out/crm/people.csv").write_text("x")
    assert [made.muster("verify", run).code for run in (old, new)] == [0, 1]


def test_the_newest_file_is_compared_whatever_the_clock_says(tmp_path: Path) -> None:
    """E1, F1: the machine's clock goes back between two runs; the later one still holds the constant name, and damage
    to it is found.
    """
    with mock.patch("muster.cli.process.clock.now", return_value=at("2026-11-22T12:00Z")):
        made = shop(tmp_path, file_name="people")
    with mock.patch("muster.cli.process.clock.now", return_value=at("2026-11-22T11:59Z")):
        made.day("2026-11-21", [person("e", city="Rome")])
    (made.root / "out/crm/people.csv").write_text("x")
    assert [run["result"] for run in made.muster("verify", "--all", "--json").json] == ["differs", "replaced"]


def test_the_manifest_of_replaced_files_may_go_with_them(tmp_path: Path) -> None:
    """F1, F4: with all its files replaced, a manifest that was taken away is replaced too; one that says something else
    differs.
    """
    made = shop(tmp_path, file_name="people")
    first = manifest(made)
    made.day("2026-11-21", [person("e", city="Rome")])
    old = made.runs("crm/all")[0]["run_id"]
    text = first.read_text()
    first.unlink()
    assert made.ok("verify", old, "--json").json[0]["manifest"]["result"] == "replaced"
    first.write_text(text.replace("realized", "realised"))
    assert made.muster("verify", old).code == 1


# A config that has changed since


CHANGES: list[dict[str, Any]] = [
    {"csv": {"delimiter": ";"}},
    {"mapping": ["profile_id"]},
    {"format": "json"},
    {"activations": []},
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_config_does_not_make_a_delivery_differ(change: dict[str, Any], tmp_path: Path) -> None:
    """A file is read as it was written, whatever the config writes now."""
    made = shop(tmp_path)
    [run] = made.runs("crm/all")
    made.crm(**({"mapping": MAPPING} | change))
    [found] = made.ok("verify", run["run_id"], "--json").json
    assert (found["result"], found["files"][0]["note"]) == ("intact", None)
    flipped(0.5)(made)
    assert made.muster("verify", run["run_id"]).code == 1


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_not_recorded_of_an_old_run_is_not_compared(change: dict[str, Any], tmp_path: Path) -> None:
    """A run of before recipes were kept has its size and checksum compared alone when the config has changed; that is
    told.
    """
    made = shop(tmp_path)
    with closing(sqlite3.connect(made.root / ".muster/ledger.sqlite")) as ledger, ledger:
        ledger.execute("UPDATE runs SET decision = NULL, recipe = NULL, snapshot = NULL")
    [run] = made.runs("crm/all")
    made.crm(**({"mapping": MAPPING} | change))
    [found] = made.ok("verify", run["run_id"], "--json").json
    assert found["result"] == "intact"
    assert "only size and checksum were compared" in found["files"][0]["note"]
    assert "note: out/crm/" in made.ok("verify", run["run_id"]).out
    flipped(0.5)(made)
    assert made.muster("verify", run["run_id"]).code == 1


# Whatever is written can be read back


def options() -> st.SearchStrategy[CsvOptions]:
    """Any options of CSV that a config takes."""
    made = st.builds(
        CsvOptions,
        delimiter=st.sampled_from([*",;|\t x^.-", "||", "|~|", ";,", "x,x", "-0"]),
        quote=st.sampled_from("\"'`"),
        quote_style=st.sampled_from(("necessary", "always", "non_numeric", "never")),
        header=st.booleans(),
        null_value=st.sampled_from(("", "NULL", "0")),
        line_terminator=st.sampled_from(("\n", "\r\n")),
        bom=st.booleans(),
        sanitize_formulas=st.booleans(),
        escape=st.sampled_from(("", "\\", "^", "'")),
    )
    made = made.filter(lambda csv: csv.escape != csv.quote and (not csv.escape or csv.escape not in csv.delimiter))
    made = made.filter(lambda csv: not csv.meets_delimiter(csv.null_value))
    return made.filter(lambda csv: csv.quote_style != "never" or csv.delimiter not in {*" x.-", "x,x"})


FORM = st.tuples(
    st.sampled_from(("csv", "csv", "json", "parquet")), st.sampled_from(("none", "gzip", "zstd")), options()
)
TEXT = st.text(st.sampled_from("ab,;|~\\\"'`\t\r\n x^.-=é😀0"), max_size=6) | st.text(max_size=4)
ROWS = st.lists(st.tuples(st.none() | TEXT, st.none() | st.integers(-5, 5), st.none() | st.floats()), max_size=8)
NAMES = st.sampled_from((("one", "two", "three"), ("Ä, b", 'say "x"', "it's; |"), ("NULL", "0", "x y")))


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(FORM, NAMES, ROWS, st.integers(1, 3))
def test_whatever_is_written_reads_back(
    form: tuple[Any, Any, CsvOptions], names: tuple[str, ...], rows: list[Any], width: int
) -> None:
    """M7, M8: a strict reader gets through every file that may be delivered, and finds each value as the writer spelled
    it.
    """
    kind, compression, csv = form
    frame = pl.DataFrame(
        rows, schema=dict(zip(names, (pl.String, pl.Int64, pl.Float64), strict=True)), orient="row"
    ).select(names[:width])
    recipe = Recipe(kind, compression, csv, tuple(Column(name, name) for name in names[:width]), (), is_certain=True)
    with quick_folder() as folder:
        path = folder / "file"
        forbidden = csv_checks(frame.schema, csv, {}) if kind == "csv" else {}
        if forbidden and any(frame.select(**{str(i): each for i, each in enumerate(forbidden.values())}).row(0)):
            return
        pl.collect_all([FORMATS[kind](frame.lazy(), path, csv, compression)])
        found = look(path, recipe)
        assert (found.problem, found.rows) == (None, frame.height)
        assert (found.size, found.sha256) == (path.stat().st_size, checksum(path))
        if kind == "csv" and csv.sanitize_formulas:
            return
        with Reading(path) as reading:
            read = [batch for batch in reading.rows(recipe, names[:width]) if isinstance(batch, pl.DataFrame)]
        texts = frame.select(
            csv_text(pl.nth(i), dtype).alias(name) for i, (name, dtype) in enumerate(frame.schema.items())
        )
        expected = texts.fill_null("") if kind == "csv" and csv.quote_style == "never" and not csv.null_value else texts
        back = pl.concat(read) if read else expected.clear()
        assert (back.fill_null("") if expected is not texts else back).equals(expected)


@pytest.mark.parametrize("size", [1, 2, 7, 1 << 20])
def test_chunks_make_no_difference(size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row, a quote, a character, a line end or a byte-order mark may fall on the edge of two chunks."""
    csv = CsvOptions(line_terminator="\r\n", bom=True)
    recipe = Recipe("csv", "gzip", csv, (Column("a", "a"), Column("b", "b")), (), is_certain=True)
    path = tmp_path / "file"
    path.write_bytes(gzip.compress('\ufeffa,b\r\n1,"é\r\n""😀"""\r\n2,\r\n'.encode()))
    monkeypatch.setattr("muster.activation.audit.readback._CHUNK", size)
    monkeypatch.setattr(Reading.read, "__defaults__", (size,))
    with Reading(path) as reading:
        assert pl.concat(list(reading.rows(recipe, ["b", "a"]))).rows() == [('é\r\n"😀"', "1"), (None, "2")]


def test_a_file_without_an_end_does_not_fill_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line, or a quoted field, that goes on and on is refused at a length, not kept to the end."""
    monkeypatch.setattr("muster.activation.audit.csv_scan.LONGEST", 1 << 20)
    recipe = Recipe("csv", "none", CsvOptions(), (Column("a", "a"),), (), is_certain=True)
    path = tmp_path / "file"
    for content, words in (
        (b"a\n" + b"x" * (3 << 20), "has no line end"),
        (b'a\n"' + b"x\n" * (3 << 19), "does not close"),
    ):
        path.write_bytes(content)
        assert words in str(look(path, recipe).problem)
