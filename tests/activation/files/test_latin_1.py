"""``csv.encoding: latin-1`` (M7): one byte a character, and nothing that it cannot write."""

import gzip
from pathlib import Path
from typing import Any

import pytest
from support.shop import STATUS, Shop, person

DAY, NEXT = "2026-11-20", "2026-11-21"
EVERY = "".join(map(chr, range(1, 256)))


def shop(root: Path, people: list[dict[str, Any]], **content: Any) -> Shop:
    """A workspace with an evaluated audience, whose files are Latin-1."""
    made = Shop(root / "shop")
    made.profiles(DAY, people)
    made.audience("all", where="true")
    csv = {"encoding": "latin-1"} | content.pop("csv", {})
    made.crm(**({"mapping": ["profile_id", "name", STATUS], "csv": csv} | content))
    made.evaluate(f"{DAY}T02:00Z")
    return made


def test_a_byte_is_a_character(tmp_path: Path) -> None:
    """M7: every character of Latin-1 is written as one byte, headers too; nothing stands before the text."""
    mapping = ["profile_id", {"source": "name", "target": "Größe"}]
    made = shop(tmp_path, [person("a", name=EVERY), person("b", name="Zoë")], mapping=mapping, compression="gzip")
    made.run(f"{DAY}T05:00Z")
    [name] = made.files("crm")
    content = gzip.decompress((made.root / "out" / name).read_bytes())
    quoted = EVERY.replace('"', '""')
    assert content == f'profile_id,Größe\na,"{quoted}"\nb,Zoë\n'.encode("latin-1")


@pytest.mark.parametrize(
    ("csv", "mapping"),
    [
        ({}, ["profile_id", "name", STATUS]),
        ({"delimiter": "||", "quote_style": "always"}, ["profile_id", "name", STATUS]),
        ({}, ["profile_id", {"expression": "upper(name)", "target": "name"}]),
        ({"quote_style": "never"}, [STATUS, "profile_id", "name"]),
    ],
)
def test_a_character_that_it_lacks_fails_the_run(csv: dict[str, Any], mapping: list[Any], tmp_path: Path) -> None:
    """M7: the run fails with file, column and character, without the value; nothing is delivered."""
    made = shop(tmp_path, [person("a", name="Zoë"), person("b", name="price 5 €")], csv=csv, mapping=mapping)
    failed = made.muster("run", "--at", f"{DAY}T05:00Z")
    assert failed.code == 1
    assert (
        "crm_all_20261120T050000Z.csv: column 'name' holds U+20AC (EURO SIGN), which csv.encoding: latin-1 cannot "
        "write; use utf-8"
    ) in failed.err
    assert "price" not in failed.err
    assert not made.files()
    made.profiles(NEXT, [person("a", name="Zoë"), person("b", name="price 5 EUR")])
    made.evaluate(f"{NEXT}T02:00Z")
    made.run(f"{NEXT}T05:00Z")
    assert len(made.files()) == 1


def test_what_is_nested_is_text_too(tmp_path: Path) -> None:
    """M7: a list is JSON text in CSV, and its characters count."""
    made = shop(tmp_path, [person("a", name=["x", "\u0142"])])
    failed = made.muster("run", "--at", f"{DAY}T05:00Z")
    assert failed.code == 1
    assert "column 'name' holds U+0142 (LATIN SMALL LETTER L WITH STROKE)" in failed.err


def test_a_header_that_it_lacks_is_a_config_error(tmp_path: Path) -> None:
    """M7: headers are known before a run; without a header line, or in other formats, they do not matter."""
    mapping = ["profile_id", {"source": "name", "target": "Preis in €"}]
    made = shop(tmp_path, [person("a", name="Zoë")])
    for csv, code in (({}, 2), ({"header": False}, 0), ({"encoding": "utf-8"}, 0)):
        made.crm(mapping=mapping, csv={"encoding": "latin-1"} | csv)
        assert made.muster("validate").code == code
    made.crm(mapping=mapping, csv={"encoding": "latin-1"})
    assert "mapping[1]: the header has U+20AC (EURO SIGN), which latin-1 cannot write" in made.muster("validate").err


def test_files_are_read_back(tmp_path: Path) -> None:
    """`verify` and `reconcile` read Latin-1, and an exit carries what was sent in it."""
    made = shop(tmp_path, [person("Zoë", name="x"), person("b", name='é\n"')], csv={"line_terminator": "\\r\\n"})
    made.run(f"{DAY}T05:00Z")
    made.profiles(NEXT, [person("b", name='é\n"')])
    made.evaluate(f"{NEXT}T02:00Z")
    made.run(f"{NEXT}T05:00Z")
    assert [run["result"] for run in made.ok("verify", "--all", "--json").json] == ["intact", "intact"]
    made.ok("reconcile", "crm/all", "--at", f"{NEXT}T06:00Z")
    path = made.root / "out" / made.files("crm")[-1]
    assert path.read_bytes() == "profile_id,name,status\r\nZoë,,exited\r\n".encode("latin-1")
    path.write_bytes("profile_id,name,status\r\n".encode("latin-1"))
    assert made.muster("reconcile", "crm/all", "--at", f"{NEXT}T06:00Z").code == 1
