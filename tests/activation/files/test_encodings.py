"""``csv.encoding`` (M7, docs/csv.md): what a file's bytes are, that they are counted, checked, followed and
made again.
"""

import codecs
import gzip
import io
import json
import re
import sqlite3
import tracemalloc
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from support.doc_pages import ROOT
from support.shop import STATUS, Shop, person

from muster.activation.files.encodings import Recoder
from muster.activation.files.formats import FORMATS
from muster.activation.model.workspace import Compression, CsvOptions

DAY, NEXT = "2026-11-20", "2026-11-21"
NAMES = ["Zoë, 李", 'two\nlines "quoted"', "😀", "", None]
PEOPLE = [person(str(number), name=name) for number, name in enumerate(NAMES)]
MAPPING = ["profile_id", "name", STATUS]


def shop(root: Path, compression: Compression = "none", **csv: Any) -> Shop:
    """One day's delivery, in UTF-16."""
    made = Shop(root / "shop")
    made.profiles(DAY, PEOPLE)
    made.audience("all", where="true")
    made.crm(mapping=MAPPING, compression=compression, csv={"encoding": "utf-16"} | csv)
    made.evaluate(f"{DAY}T02:00Z")
    made.run(f"{DAY}T05:00Z")
    return made


def delivered(made: Shop) -> Path:
    """The newest file."""
    return made.root / "out" / made.files()[-1]


def plain(path: Path) -> bytes:
    """The bytes of a file before compression, as other programs than muster take them out."""
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes())
    if path.suffix == ".zst":
        return bytes(pa.input_stream(str(path), compression="zstd").read())
    return path.read_bytes()


# What is in the file


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_utf_16_is_the_same_text(tmp_path: Path, compression: Compression) -> None:
    """M7: `encoding: utf-16` is little endian, starts with a byte order mark, and is compressed after it is encoded."""
    found = plain(delivered(shop(tmp_path, compression)))
    assert found.startswith(codecs.BOM_UTF16_LE)
    made = Shop(tmp_path / "other")
    made.profiles(DAY, PEOPLE)
    made.audience("all", where="true")
    made.crm(mapping=MAPPING)
    made.evaluate(f"{DAY}T02:00Z")
    made.run(f"{DAY}T05:00Z")
    assert found.decode("utf-16") == delivered(made).read_bytes().decode()


@pytest.mark.parametrize(
    ("csv", "start"),
    [
        pytest.param({}, b"\xff\xfep\0", id="by itself"),
        pytest.param({"bom": True}, b"\xff\xfep\0", id="asked for"),
        pytest.param({"bom": False}, b"p\0r\0", id="not wanted"),
        pytest.param({"encoding": "utf-8"}, b"prof", id="utf-8"),
        pytest.param({"encoding": "utf-8", "bom": True}, b"\xef\xbb\xbfp", id="utf-8 with a mark"),
    ],
)
def test_the_mark_is_there_unless_it_is_not_wanted(tmp_path: Path, csv: dict[str, Any], start: bytes) -> None:
    """M7: UTF-16 has a byte order mark unless `bom: false` is written, UTF-8 only with `bom: true`."""
    assert delivered(shop(tmp_path, **csv)).read_bytes().startswith(start)


def test_an_activation_may_have_an_encoding_of_its_own(tmp_path: Path) -> None:
    """SPEC 2: `csv` merges key by key: the encoding of an activation, the mark of its destination."""
    made = shop(tmp_path, bom=False)
    own = {"audience": "all", "id": "own", "schedule": "on_demand", "csv": {"encoding": "utf-8"}}
    made.crm(mapping=MAPPING, csv={"encoding": "utf-16"}, activations=[own])
    made.ok("export", "crm/own", "--at", f"{DAY}T06:00Z")
    assert delivered(made).read_bytes().startswith(b"profile_id")


def test_a_file_without_rows_is_a_header(tmp_path: Path) -> None:
    """F5: in UTF-16 too, with its mark."""
    made = shop(tmp_path)
    made.audience("all", where="false")
    made.crm(mapping=MAPPING, export="full", csv={"encoding": "utf-16"})
    made.evaluate(f"{NEXT}T02:00Z")
    made.run(f"{NEXT}T05:00Z")
    assert delivered(made).read_bytes().decode("utf-16") == "profile_id,name,status\n"


def test_text_that_utf_16_lacks_is_no_text(tmp_path: Path) -> None:
    """M7, D6: half of a surrogate pair is no UTF-8 either: who maps the column is told, and nothing is written."""
    made = shop(tmp_path)
    half = pa.array([b"x\xed\xa0\xbdy"], pa.binary()).view(pa.string())
    path = made.root / f"data/profiles/{NEXT}/part-0.parquet"
    path.parent.mkdir()
    pq.write_table(pa.table({"profile_id": ["a"], "name": half}), path)
    before = made.files()
    made.muster("evaluate", "--at", f"{NEXT}T02:00Z")
    result = made.muster("run", "--at", f"{NEXT}T05:00Z")
    assert result.code == 1
    told = f"data/profiles/{NEXT}/part-0.parquet: column 'name' cannot be read: it holds text that is not UTF-8"
    assert told in result.err
    assert made.files() == before


def test_only_known_encodings(tmp_path: Path) -> None:
    """SPEC 10: another encoding is a mistake of the config, with its place."""
    made = Shop(tmp_path)
    made.audience("all", where="true")
    made.crm(csv={"encoding": "utf-32"})
    result = made.muster("validate")
    assert result.code == 2
    assert (
        "destinations/crm.yml:15: csv.encoding: 'utf-32' is not allowed; expected utf-8, utf-16 or latin-1"
        in result.err
    )


# However the text comes


TEXT = "".join(f'{number},"Zoë 😀 {number * 7919 % 10_007}"\n' for number in range(60_000))


def recoded(size: int, compression: Compression) -> bytes:
    """The text in UTF-16, given in pieces of so many bytes."""
    out: list[bytes] = []
    recoder, text = Recoder("utf-16", compression, out.append, "file.csv"), TEXT.encode()
    for start in range(0, len(text), size):
        recoder.add(text[start : start + size])
    recoder.end()
    return b"".join(out)


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_pieces_do_not_show(compression: Compression) -> None:
    """E1: the same rows give the same bytes, whatever the batches that Polars' threads make of them."""
    once = recoded(1 << 30, compression)
    assert recoded(777, compression) == recoded(1_000_003, compression) == once
    whole = {
        "none": bytes,
        "gzip": gzip.decompress,
        "zstd": lambda made: pa.input_stream(io.BytesIO(made), compression="zstd").read(),
    }[compression]
    assert whole(once).decode("utf-16-le") == TEXT


def test_memory_does_not_grow_with_the_file() -> None:
    """A file is brought into its encoding as it is written: a few mebibytes, however long it is."""
    block = TEXT.encode()[: 1 << 20].rpartition(b"\n")[0] + b"\n"
    recoder = Recoder("utf-16", "gzip", lambda _: None)
    tracemalloc.start()
    try:
        for _ in range(12):
            recoder.add(block)
        recoder.end()
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


# Counted, checked, followed, made again


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_rows_are_counted_in_what_was_written(
    tmp_path: Path, compression: Compression, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X10: a row that is lost on the way into the encoding fails the run, and nothing is delivered."""
    made = shop(tmp_path, compression)
    add = Recoder.add
    monkeypatch.setattr(
        Recoder, "add", lambda recoder, text: add(recoder, text.replace(b"fresh@x.com,realized\n", b""))
    )
    made.profiles(NEXT, [*PEOPLE, person("9", name="fresh@x.com")])
    made.evaluate(f"{NEXT}T02:00Z")
    result = made.muster("run", "--at", f"{NEXT}T05:00Z")
    assert result.code == 1
    assert "1 row was counted but the file holds 0; nothing was delivered" in result.err
    assert len(made.files()) == 1


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_a_file_is_read_back(tmp_path: Path, compression: Compression) -> None:
    """`verify` finds it whole, `reconcile` finds the people in it, `replay` writes its bytes again."""
    made = shop(tmp_path, compression, line_terminator="\r\n", quote_style="always", null_value="NULL")
    made.profiles(NEXT, [PEOPLE[0], *PEOPLE[2:], person("new", name="x")])
    made.evaluate(f"{NEXT}T02:00Z")
    made.run(f"{NEXT}T05:00Z")
    assert [run["result"] for run in made.ok("verify", "--all", "--json").json] == ["intact", "intact"]
    made.ok("reconcile", "crm/all", "--at", f"{NEXT}T06:00Z")
    run = made.runs()[-1]
    assert (run["realized"], run["exited"], run["files"][0]["rows"]) == (1, 1, 2)
    made.ok("replay", run["run_id"], "--to", str(tmp_path / "again"))
    assert (tmp_path / "again" / delivered(made).name).read_bytes() == delivered(made).read_bytes()


def test_reconcile_knows_who_is_missing(tmp_path: Path) -> None:
    """X3: the values of a file in UTF-16 are those of the delivered set, and a row that was taken out is missed."""
    made = shop(tmp_path)
    made.ok("reconcile", "crm/all", "--at", f"{DAY}T06:00Z")
    path = delivered(made)
    path.write_bytes(path.read_bytes().replace("2,😀,realized\n".encode("utf-16-le"), b""))
    result = made.muster("reconcile", "crm/all", "--at", f"{DAY}T06:00Z", "--json")
    assert result.code == 1
    assert "'2'" in str(result.json)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        pytest.param(
            lambda content: content[:-1], "it is not UTF-16, or cut off within a character", id="half a character"
        ),
        pytest.param(lambda content: content[:-2], "has no line end: the file is cut off", id="no line end"),
        pytest.param(lambda content: content[2:], "the byte-order mark at its start is missing", id="no mark"),
        pytest.param(
            lambda content: content.decode("utf-16").encode(), "the byte-order mark at its start is missing", id="utf-8"
        ),
        pytest.param(
            lambda content: content.decode("utf-16").encode("utf-16-be"), "the byte-order mark", id="big endian"
        ),
        pytest.param(lambda content: content.replace(b"\x3d\xd8", b"\x3d\x00"), "it is not UTF-16", id="half a pair"),
        pytest.param(
            lambda content: content.replace(b"2\0,\0", b"2\0;\0"), "row 3 has 2 fields; expected 3", id="fields"
        ),
    ],
)
def test_damage_is_told(tmp_path: Path, spoil: Any, words: str) -> None:
    """`verify` says what is wrong with the text of a file in UTF-16."""
    made = shop(tmp_path)
    path = delivered(made)
    path.write_bytes(spoil(path.read_bytes()))
    result = made.muster("verify")
    assert result.code == 1
    assert words in result.err


def test_recipes_of_before_are_utf_8(tmp_path: Path) -> None:
    """A run whose recipe was recorded before there were encodings is checked and written again as the UTF-8
    that it is.
    """
    made = shop(tmp_path, encoding="utf-8")
    with closing(sqlite3.connect(made.root / ".muster/ledger.sqlite")) as ledger, ledger:
        [(digest, content)] = ledger.execute(
            "SELECT digest, content FROM inputs JOIN runs ON digest = recipe"
        ).fetchall()
        recipe = json.loads(content)
        assert recipe["csv"].pop("encoding") == "utf-8"
        ledger.execute("UPDATE inputs SET content = ? WHERE digest = ?", (json.dumps(recipe), digest))
    made.crm(mapping=MAPPING, csv={"encoding": "utf-16"})
    [run] = made.ok("verify", "--json").json
    assert run["result"] == "intact"
    made.ok("replay", run["run_id"], "--to", str(tmp_path / "again"))
    assert (tmp_path / "again" / delivered(made).name).read_bytes() == delivered(made).read_bytes()


# docs/csv.md


def rows_of_the_page() -> list[tuple[str, str, str]]:
    """Of the page's table, each option that changes how null and empty text are written, with both lines."""
    table = (ROOT / "docs/csv.md").read_text().partition("| option |")[2].partition("\n\n")[0]
    found = [[re.findall(r"`([^`]+)`", cell) for cell in line.split("|")[1:4]] for line in table.splitlines()[2:]]
    return [("; ".join(options), null[0], empty[0]) for options, null, empty in found if null]


@pytest.mark.parametrize(("options", "null", "empty"), rows_of_the_page(), ids=str)
def test_null_and_empty_are_as_the_page_says(options: str, null: str, empty: str, tmp_path: Path) -> None:
    """M7: what docs/csv.md says of each option is what stands in the file."""
    csv = CsvOptions(
        **{key: value for option in filter(None, options.split("; ")) for key, value in yaml.safe_load(option).items()}
    )
    frame = pl.LazyFrame({"x": ["a", "a"], "y": [None, ""], "z": ["b", "b"]})
    pl.collect_all([FORMATS["csv"](frame, tmp_path / "file", csv, "none")])
    assert (tmp_path / "file").read_text().splitlines()[1:] == [null, empty]
