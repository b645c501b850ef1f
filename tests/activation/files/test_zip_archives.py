"""``compression: zip`` (F2): one file inside, the same bytes each time, read by other programs."""

import io
import subprocess
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest
from support.shop import STATUS, Shop, person

from muster.activation.files.zip_archive import Archive

DAY, NEXT = "2026-11-20", "2026-11-21"
PEOPLE = [person(name, city=city) for name, city in (("a", "Oslo"), ("b", 'Zürich, "old"\ntown'), ("c", None))]


def shop(root: Path, **content: Any) -> Shop:
    """A workspace that sends its members in zip archives."""
    made = Shop(root / "shop")
    made.audience("all", where="vip")
    made.crm(**({"compression": "zip", "mapping": ["profile_id", "city", STATUS]} | content))
    return made


def day(made: Shop, date: str, people: list[dict[str, Any]]) -> None:
    made.profiles(date, people)
    made.evaluate(f"{date}T02:00Z")
    made.run(f"{date}T05:00Z")


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("csv", 'profile_id,city,status\na,Oslo,realized\nb,"Zürich, ""old""\ntown",realized\nc,,realized\n'),
        (
            "json",
            (
                '{"profile_id":"a","city":"Oslo","status":"realized"}\n'
                '{"profile_id":"b","city":"Zürich, \\"old\\"\\ntown","status":"realized"}\n'
                '{"profile_id":"c","city":null,"status":"realized"}\n'
            ),
        ),
    ],
)
def test_an_archive_holds_one_file_of_its_name(kind: str, text: str, tmp_path: Path) -> None:
    """F2: `name.csv.zip` holds `name.csv`, dated 1980, and `unzip -t` finds nothing wrong."""
    made = shop(tmp_path, format=kind, file_name="people/{datetime}")
    day(made, DAY, PEOPLE)
    [name] = made.files("crm")
    assert name == f"crm/people/20261120T050000Z.{kind}.zip"
    path = made.root / "out" / name
    with zipfile.ZipFile(path) as archive:
        [member] = archive.infolist()
        assert (member.filename, member.date_time) == (f"20261120T050000Z.{kind}", (1980, 1, 1, 0, 0, 0))
        assert archive.read(member).decode() == text
    subprocess.run(["unzip", "-tqq", str(path)], check=True)
    assert made.runs("crm/all")[0]["files"][0]["size"] == path.stat().st_size


def test_archives_are_read_back_and_made_again(tmp_path: Path) -> None:
    """F2, X10: each part is an archive; `verify` and `reconcile` read them, `replay` makes them again byte by byte."""
    made = shop(tmp_path, max_rows_per_file=2, csv={"encoding": "latin-1", "escape": "\\", "delimiter": "||"})
    day(made, DAY, PEOPLE)
    day(made, NEXT, [PEOPLE[0], person("new", city="Genève")])
    assert [name.partition("Z")[2] for name in made.files("crm")] == [
        ".csv.zip",
        "_2.csv.zip",
        ".csv.zip",
        "_2.csv.zip",
    ]
    assert [run["result"] for run in made.ok("verify", "--all", "--json").json] == ["intact", "intact"]
    made.ok("reconcile", "crm/all", "--at", f"{NEXT}T06:00Z")
    run = made.runs("crm/all")[-1]
    made.ok("replay", run["run_id"], "--to", str(tmp_path / "again"))
    for name in made.files("crm")[2:]:
        path = made.root / "out" / name
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()
        path.unlink()
    made.ok("redeliver", run["run_id"])
    assert made.ok("verify", run["run_id"], "--json").json[0]["result"] == "intact"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda content: content[:-1], "it is no whole zip archive: cut off or damaged"),
        (lambda content: content[:60] + b"\0" + content[61:], "it is no whole zip archive: cut off or damaged"),
        (lambda _: b"PK\5\6" + bytes(18), "the zip archive holds 0 files; expected one"),
    ],
)
def test_damage_is_told(spoil: Any, words: str, tmp_path: Path) -> None:
    """`verify` says what is wrong with an archive."""
    made = shop(tmp_path)
    day(made, DAY, PEOPLE)
    path = made.root / "out" / made.files("crm")[0]
    path.write_bytes(spoil(path.read_bytes()))
    found = made.muster("verify")
    assert found.code == 1
    assert words in found.err


def test_zip_is_no_codec_of_parquet(tmp_path: Path) -> None:
    """F2: `zip` with parquet is a config error, wherever the two are written."""
    activation = {"audience": "all", "export": "full", "schedule": {"at": "05:00"}}
    made = shop(tmp_path, activations=[activation | {"format": "parquet"}])
    refused = made.muster("validate")
    assert refused.code == 2
    assert (
        "crm.yml:15: compression: 'zip' is not a codec inside Parquet files; expected none, gzip or zstd" in refused.err
    )


def test_an_archive_is_a_stream_of_little_memory() -> None:
    """A block goes out before the next comes in, and pieces of other sizes make the same bytes."""
    block = bytes(range(256)) * 4096

    def made(size: int) -> bytes:
        out = io.BytesIO()
        archive = Archive(out.write, "f.csv", 4)
        for start in range(0, len(block), size):
            archive.add(block[start : start + size])
        archive.end()
        return out.getvalue()

    assert made(1 << 20) == made(4096)
    archive = Archive(lambda _: None, "f.csv", 4)
    tracemalloc.start()
    try:
        for _ in range(16):
            archive.add(block)
        archive.end()
        assert tracemalloc.get_traced_memory()[1] < 3 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("packed", [0, 5 << 30])
def test_large_archives_have_zip64_fields(packed: int) -> None:
    """A file, or an archive, past 4 GiB has the fields of Zip64; a smaller one has none, as older readers know none."""
    out = io.BytesIO()
    archive = Archive(out.write, "f.csv", 4)
    archive.add(b"x\n")
    archive._size += 5 << 30  # noqa: SLF001  # as if so much had been written
    archive._packed += packed  # noqa: SLF001
    archive.end()
    content = out.getvalue()
    directory = content[content.index(b"PK\1\2") :]
    assert directory[24:28] == b"\xff" * 4
    assert (b"PK\6\6" in directory) == (packed > 0)
    small = io.BytesIO()
    archive = Archive(small.write, "f.csv", 4)
    archive.add(b"x\n")
    archive.end()
    assert b"\xff\xff\xff\xff" not in small.getvalue()
    with zipfile.ZipFile(small) as read:
        assert read.read("f.csv") == b"x\n"
