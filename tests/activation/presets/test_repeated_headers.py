"""Headers that a receiver takes several times (M1): outside files a column is known by target and occurrence."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.shop import STATUS, Shop

from muster.activation import presets
from muster.activation.presets import receivers

DAY, NEXT = "2026-11-20", "2026-11-21"
GOOGLE, META, ACME = "google_customer_match", "meta_custom_audience", "acme_mail"
TWO_MAILS = [
    {"source": "profile_id", "target": "ID"},
    {"source": "home", "target": "MAIL"},
    STATUS,
    {"source": "work", "target": "MAIL", "mandatory": True},
]
ACME_PRESET = """
from datetime import date
from muster.activation.presets.shape import Header, Others, Page, Preset
PRESET = Preset('Acme', 'People.', (Header('MAIL', 'e-mail', at_most=2),),
    (Page('https://acme.example/', date(2026, 11, 22)),), '  - email', others=Others('ID|status|MAIL#2', 'others', 'x'))
"""


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A receiver that takes two columns MAIL, and a membership's status."""
    (tmp_path / "receivers").mkdir()
    (tmp_path / "receivers" / f"{ACME}.py").write_text(ACME_PRESET)
    monkeypatch.setattr(receivers, "__path__", [*receivers.__path__, str(tmp_path / "receivers")])
    for cached in (presets.names, presets.get):
        cached.cache_clear()
    yield
    monkeypatch.undo()
    for cached in (presets.names, presets.get):
        cached.cache_clear()


def person(name: str, home: str | None, work: str | None, **more: Any) -> dict[str, Any]:
    """A profile with two e-mail addresses."""
    return {"profile_id": name, "home": home, "work": work} | more


def shop(root: Path, preset: str, mapping: list[Any], **content: Any) -> Shop:
    """A workspace that sends everybody to one receiver."""
    made = Shop(root / "shop")
    made.audience("all", where="true")
    mapped(made, preset, mapping, **content)
    return made


def mapped(made: Shop, preset: str, mapping: list[Any], export: str = "full", **content: Any) -> None:
    """Its destination."""
    activation = {"audience": "all", "export": export, "schedule": {"at": "05:00"}}
    whole = {"url": "out/crm", "preset": preset, "mapping": mapping, "activations": [activation]}
    made.write("destinations/crm.yml", whole | content)


def table(made: Shop) -> list[list[str]]:
    """The newest file, header included."""
    text = (made.root / "out" / made.files()[-1]).read_text()
    return list(csv.reader(io.StringIO(text), strict=True))


def day(made: Shop, date: str, people: list[dict[str, Any]]) -> list[list[str]]:
    """A snapshot, its evaluation and its export."""
    made.profiles(date, people)
    made.evaluate(f"{date}T02:00Z")
    made.run(f"{date}T05:00Z")
    return table(made)


def test_the_file_has_the_header_as_often_as_it_is_mapped(tmp_path: Path) -> None:
    """M1: Google takes any number of columns Email; the file repeats the header, and so does the manifest; a source
    whose name means a header that another column has already is one more column of it.
    """
    mapping = ["email", {"source": "work", "target": "Email"}, "phone", "mobile"]
    made = shop(tmp_path, GOOGLE, mapping)
    phones = {"phone": "+12125550142", "mobile": "+12125550143", "email": "a@x.com", "work": "b@x.com"}
    found = day(made, DAY, [{"profile_id": "a"} | phones])
    assert found[0] == ["Email", "Email", "Phone", "Phone"]
    assert len(set(found[1])) == 4
    manifest = json.loads(next((made.root / "out/crm").glob("manifest-*")).read_text())
    assert manifest["columns"] == ["Email", "Email", "Phone", "Phone"]


@pytest.mark.usefixtures("acme")
def test_columns_of_one_header_are_known_by_target_and_occurrence(tmp_path: Path) -> None:
    """M1, M2: reasons, rejects and previews call the second column MAIL#2, the first MAIL."""
    made = shop(tmp_path, ACME, TWO_MAILS)
    day(made, DAY, [person("a", "a@x.com", "a@work.com"), person("b", "b@x.com", None)])
    (run,) = made.runs("crm/all")
    assert run["excluded_by"] == {"mandatory:MAIL#2": 1}
    assert [each["reason"] for each in made.ok("runs", "rejects", "crm/all", "--json").json] == ["mandatory:MAIL#2"]
    preview = made.ok("preview", "crm/all", "--at", f"{DAY}T06:00Z", "--json").json
    assert preview["columns"] == ["ID", "MAIL", "status", "MAIL#2"]
    assert preview["rows"] == [{"ID": "a", "MAIL": "a@x.com", "status": "realized", "MAIL#2": "a@work.com"}]


@pytest.mark.usefixtures("acme")
def test_an_exit_carries_what_was_sent_in_each_column_of_a_header(tmp_path: Path) -> None:
    """X12: what was sent belongs to target and occurrence; so an exit has in the second column what that held."""
    made = shop(tmp_path, ACME, TWO_MAILS, export="incremental", deduplicate=["home", "work"])
    day(made, DAY, [person("a", "a@x.com", "a@work.com"), person("b", "b@x.com", "b@work.com")])
    found = day(made, NEXT, [person("a", "a@x.com", "a@work.com")])
    assert found == [["ID", "MAIL", "status", "MAIL"], ["b", "b@x.com", "exited", "b@work.com"]]


@pytest.mark.usefixtures("acme")
def test_a_changed_source_behind_the_second_column_sends_its_members_anew(tmp_path: Path) -> None:
    """X12: when the source behind an occurrence changes, members are sent anew, with an exit of what was sent."""
    people = [person("a", "a@x.com", "a@work.com", other="a@other.com")]
    made = shop(tmp_path, ACME, TWO_MAILS, export="incremental", deduplicate=["work"])
    day(made, DAY, people)
    changed = [*TWO_MAILS[:3], {"source": "other", "target": "MAIL", "mandatory": True}]
    mapped(made, ACME, changed, export="incremental", deduplicate=["other"])
    found = day(made, NEXT, people)
    assert found[1:] == [["a", "a@x.com", "exited", "a@work.com"], ["a", "a@x.com", "realized", "a@other.com"]]


@pytest.mark.usefixtures("acme")
def test_an_old_delivered_set_goes_on_where_a_header_is_repeated_from_now_on(tmp_path: Path) -> None:
    """X12: the first column keeps the bare target, so what was sent under it before a second column came is known."""
    people = [person("a", "a@x.com", "a@work.com"), person("b", "b@x.com", "b@work.com")]
    one = [TWO_MAILS[0], TWO_MAILS[1] | {"mandatory": True}, STATUS]
    made = shop(tmp_path, ACME, one, export="incremental")
    day(made, DAY, people)
    mapped(made, ACME, [*one, {"source": "work", "target": "MAIL"}], export="incremental")
    assert day(made, NEXT, people[:1]) == [["ID", "MAIL", "status", "MAIL"], ["b", "b@x.com", "exited", ""]]


@pytest.mark.usefixtures("acme")
def test_what_reads_delivered_files_back_knows_both_columns(tmp_path: Path) -> None:
    """F3: `verify`, `reconcile`, `replay` and `redeliver` take a file with a repeated header as it is."""
    made = shop(tmp_path, ACME, TWO_MAILS[1:], export="incremental", deduplicate=["work"])
    day(made, DAY, [person("a", "same@x.com", "a@work.com"), person("b", "same@x.com", "b@work.com")])
    assert made.ok("verify", "--json").json
    reconciled = made.ok("reconcile", "crm/all", "--json").json
    assert not reconciled["missing"], reconciled
    path = made.root / "out" / made.files()[-1]
    before = path.read_bytes()
    (run,) = made.runs("crm/all")
    made.ok("replay", run["run_id"], "--to", str(tmp_path / "again"))
    assert next((tmp_path / "again").rglob("*.csv")).read_bytes() == before
    path.unlink()
    made.ok("redeliver", run["run_id"])
    assert path.read_bytes() == before


MISTAKES: dict[str, tuple[str, list[Any], str]] = {
    "four e-mail addresses for Meta": (
        META,
        [{"source": f"e{number}", "target": "email"} for number in range(4)],
        "mapping[3].target: 'email' is the header of 4 columns; meta_custom_audience takes at most 3",
    ),
    "two first names": (
        GOOGLE,
        ["email", "first_name", "given_name", "last_name", "country", "zip"],
        "mapping[2]: the header 'First Name' is also another column's target, on line 5",
    ),
    "a target like a name": (
        ACME,
        [{"source": "a", "target": "MAIL#2"}, {"source": "b", "target": "MAIL"}, {"source": "c", "target": "MAIL"}],
        "mapping[0].target: 'MAIL#2' is the name that muster gives the column on line 8; choose another target",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
@pytest.mark.usefixtures("acme")
def test_a_header_too_often_is_a_config_error(case: str, tmp_path: Path) -> None:
    """M1: a header stands in a file as often as the receiver takes it; the message says how often that is."""
    preset, mapping, words = MISTAKES[case]
    made = shop(tmp_path, preset, mapping)
    refused = made.muster("validate", "--offline")
    assert refused.code == 2
    assert words in refused.err


def test_a_repeated_header_needs_a_preset(tmp_path: Path) -> None:
    """M1: without a preset targets are unique, also in a mapping that another activation uses with a preset."""
    made = shop(tmp_path, GOOGLE, [{"source": "home", "target": "Email"}, {"source": "work", "target": "Email"}])
    mapped(
        made,
        GOOGLE,
        [{"source": "home", "target": "Email"}, {"source": "work", "target": "Email"}],
        activations=[
            {"audience": "all", "export": "full", "schedule": {"at": "05:00"}},
            {"audience": "all", "id": "own", "preset": "none", "format": "csv", "schedule": "on_demand"},
        ],
    )
    refused = made.muster("validate", "--offline")
    assert refused.code == 2
    assert refused.err.count("'Email' is also another column's target") == 1
