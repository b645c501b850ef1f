"""Receiver presets (docs/presets.md): what they set, what they refuse, what they check before anything is sent, how
they are shown.
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from support.shop import STATUS, Shop, invoke, quick_folder

from muster.activation import presets
from muster.activation.config import workspace
from muster.activation.model.workspace import Activation
from muster.activation.presets import receivers
from muster.activation.presets.shape import Header, Limits, Page, Preset
from muster.activation.values.transforms import apply, ends_hashed, read

GOLDEN = Path(__file__).parents[2] / "golden"
ACCEPT = bool(os.environ.get("MUSTER_ACCEPT"))
DAY, NEXT = "2026-11-20", "2026-11-21"
GOOGLE, META, BRAZE, ADOBE, LIVERAMP = "google_customer_match", "meta_custom_audience", "braze", "adobe", "liveramp"
KLAVIYO, SALESFORCE, TIKTOK = "klaviyo", "salesforce_marketing_cloud", "tiktok_audience"
MICROSOFT, PINTEREST, SNAP, UID2 = "microsoft_ads", "pinterest", "snap", "uid2"

HASH = hashlib.sha256(b"ann.lee@example.com").hexdigest()
PEOPLE = [
    {
        "profile_id": "a1",
        "email": " Ann.Lee@Example.com ",
        "phone": "+1 (212) 555-0142",
        "first_name": "Ann",
        "last_name": " LEE",
        "country": "US",
        "zip": "10001-1234",
        "city": "New York",
        "state": "NY",
        "address": '12 Oak Avenue, "The Barn"',
        "birth_date": None,
        "gender": "Female",
        "tier": "gold",
    },
    {
        "profile_id": "b2",
        "email": "zoe@example.org",
        "phone": "+44 20 7946 0958",
        "first_name": "Zoë",
        "last_name": "O'Neil",
        "country": "GB",
        "zip": "SW1A 1AA",
        "city": "London",
        "state": None,
        "address": None,
        "birth_date": "1985-02-28",
        "gender": "m",
        "tier": None,
    },
    {"profile_id": "c3", "email": "", "phone": "no phone", "first_name": None, "tier": ""},
]
MORE_PEOPLE = [
    {
        "profile_id": "d4",
        "email": "Cloudy.SanFrancisco+shopping@gmail.com",
        "phone": "1-800-888-8888",
        "first_name": "Jean-Luc",
        "country": "US",
        "gender": "robot",
        "tier": "gold",
    },
    {"profile_id": "e5", "email": HASH.upper(), "phone": HASH, "country": "GB"},
]
MAPPINGS: dict[str, list[Any]] = {
    GOOGLE: ["email", "phone", "first_name", "last_name", "country", "zip"],
    META: ["email", "phone", "first_name", "last_name", "country", "zip", "city", "state", "birth_date", "gender"],
    BRAZE: [
        "profile_id",
        "email",
        "phone",
        "first_name",
        "country",
        "birth_date",
        "gender",
        {"source": "tier", "target": "loyalty_tier"},
    ],
    ADOBE: [
        {"source": "profile_id", "target": "crm_id"},
        {"source": "email", "target": "Email_LC_SHA256"},
        {"source": "phone", "target": "Phone_SHA256_E164"},
        "tier",
    ],
    LIVERAMP: [
        {"source": "profile_id", "target": "CUSTOMERID"},
        *("first_name", "last_name", "address", "city", "state", "zip", "phone"),
        {"source": "email", "target": "EMAIL1_SHA-256"},
        {"source": "tier", "target": "LOYALTY_TIER"},
    ],
    KLAVIYO: [
        *("email", "phone", "first_name", "last_name", "address", "city", "country"),
        {"source": "tier", "target": "Loyalty tier"},
    ],
    SALESFORCE: ["profile_id", {"source": "first_name", "target": "FirstName"}, "tier", "email"],
    TIKTOK: ["email", "phone"],
    UID2: [{"source": "profile_id", "target": "customer_id"}, "email", "phone"],
    MICROSOFT: ["email"],
    PINTEREST: ["email"],
    SNAP: ["phone"],
}


def shop(root: Path, name: str, **content: Any) -> Shop:
    """A workspace with these people, who all go to a receiver."""
    made = Shop(root / "shop")
    made.profiles(DAY, PEOPLE)
    made.audience("all", where="true")
    mapped(made, name, **content)
    return made


def mapped(made: Shop, name: str, **content: Any) -> None:
    """Its destination."""
    activation = {"audience": "all", "export": "full", "schedule": {"at": "05:00"}}
    whole = {"url": "out/crm", "preset": name, "mapping": MAPPINGS[name], "activations": [activation]} | content
    made.write("destinations/crm.yml", whole)


def sent(made: Shop) -> bytes:
    """The file of the first day."""
    made.evaluate(f"{DAY}T02:00Z")
    made.run(f"{DAY}T05:00Z")
    return (made.root / "out" / made.files()[-1]).read_bytes()


def loaded(made: Shop) -> Activation:
    """The activation as it is after the preset."""
    return workspace.load(made.root, {}).activations[0]


def refused(made: Shop) -> str:
    """What `validate` says of a config that cannot be."""
    result = made.muster("validate")
    assert result.code == 2, result.out + result.err
    return result.err


# The tables


@pytest.mark.parametrize("name", presets.names())
def test_a_file_is_what_the_receiver_documents(name: str, tmp_path: Path) -> None:
    """A file for each receiver, byte for byte: tests/golden (accept with MUSTER_ACCEPT=1 after a look at the receiver's
    pages).
    """
    made, golden = shop(tmp_path, name), GOLDEN / f"{name}.csv"
    made.profiles(DAY, [*PEOPLE, *MORE_PEOPLE])
    found = sent(made)
    if ACCEPT:
        golden.write_bytes(found)
    assert found == golden.read_bytes()


def test_hashes_are_those_that_the_receivers_compute() -> None:
    """The golden files hold SHA-256 of e-mail addresses in lower case, and of phone numbers as Google and Meta write
    them.
    """

    def hashes(name: str, *texts: str) -> bool:
        first = (GOLDEN / f"{name}.csv").read_text().splitlines()[1]
        return first.startswith(",".join(hashlib.sha256(text.encode()).hexdigest() for text in texts))

    assert hashes(GOOGLE, "ann.lee@example.com", "+12125550142", "ann", "lee")
    assert hashes(META, "ann.lee@example.com", "12125550142", "ann", "lee", "us")


NFC, NFD = "val\u00e9ry", "vale\u0301ry"
ANSWERS: dict[tuple[str, str], dict[str, str | None]] = {  # what the receivers' own pages show, or what follows of it
    (GOOGLE, "Email"): {
        "Jefferson.Loves.hiking@gmail.com": "jeffersonloveshiking@gmail.com",
        "Cloudy.SanFrancisco+shopping@gmail.com": "cloudysanfrancisco@gmail.com",
        "cloudy.sanfrancisco+x@GoogleMail.com": "cloudysanfrancisco@googlemail.com",
        "user.name+NYC@Example.com": "user.name+nyc@example.com",
        " test @gmail.com ": "test@gmail.com",
    },
    (GOOGLE, "Phone"): {
        "1 800 555 0100": "+18005550100",
        "18005550100": "+18005550100",
        "441134960987": "+441134960987",
        "1-800-888-8888": "+18008888888",
        "1(800)888-8888": "+18008888888",
        "+1 (212) 555-0142": "+12125550142",
        "no number": None,
    },
    (GOOGLE, "First Name"): {" JOHN ": "john", "Zoë": "zoë"},
    (GOOGLE, "Last Name"): {"Pérez": "pérez", "smith": "smith"},
    (META, "email"): {
        " Your.Name@gmail.com": "your.name@gmail.com",
        "username@hotmail.co.uk": "username@hotmail.co.uk",
    },
    (META, "phone"): {
        "1-234-567-8910": "12345678910",
        "12345678910": "12345678910",
        "+44 844 412 4653": "448444124653",
    },
    (META, "fn"): {"John": "john", "F.": "f", "Émilie": "émilie", NFD: NFC, "Mary": "mary", "정": "정"},
    (META, "ln"): {"O'Neil": "oneil", "Smith-Jones": "smithjones"},
    (META, "gen"): {**dict.fromkeys(("F", "female", " Woman "), "f"), **dict.fromkeys(("m", "MALE"), "m"), "x": None},
    (META, "country"): {"US": "us", " gb ": "gb"},
    (ADOBE, "Email_LC_SHA256"): {" Ann@Example.com": "ann@example.com"},
    (ADOBE, "Phone_SHA256_E164"): {"1-800-888-8888": "+18008888888"},
    (LIVERAMP, "EMAIL1_SHA-256"): {"MyName@liveramp.com ": "myname@liveramp.com"},
    (LIVERAMP, "EMAIL1_SHA-1"): {"MyName@liveramp.com ": "myname@liveramp.com"},
    (LIVERAMP, "EMAIL1_MD5"): {"MyName@liveramp.com ": "myname@liveramp.com"},
}
PLAIN_ANSWERS: dict[tuple[str, str], dict[str, str | None]] = {
    (GOOGLE, "Country"): {"US": "US"},
    (GOOGLE, "Zip"): {"WC2H 8LG": "WC2H 8LG", "94016": "94016", " 10001-1234": "10001-1234"},
    (BRAZE, "gender"): {
        "female": "F",
        "Male": "M",
        "other": "O",
        "non-binary": "O",
        "n/a": "N",
        "Prefer not to say": "P",
        **{letter: letter for letter in "MFONP"},
        "unknown": None,
        "": None,
    },
    (BRAZE, "phone"): {"+442071838750": "+442071838750", "44 20 7183 8750": "+442071838750"},
    (BRAZE, "email"): {" Jane.Doe@braze.com": "Jane.Doe@braze.com"},
    (META, "madid"): {"AECE52E7-03EE-455A-B3C4-E57283966239": "aece52e7-03ee-455a-b3c4-e57283966239"},
    (META, "zip"): {"94124": "94124"},
    (LIVERAMP, "ZIP"): {"10001-1234": "100011234", "10001": "10001"},
    (LIVERAMP, "EMAIL1"): {" MyName@liveramp.com": "myname@liveramp.com"},
}


def _as_written(place: tuple[str, str], values: list[str]) -> list[str | None]:
    """Values as the preset's header writes them."""
    preset, name = place
    header = presets.get(preset).header(name)
    assert header
    frame = pl.DataFrame({"value": values})
    expr, _ = apply(header.transform, pl.col("value"), pl.String())
    return frame.select(expr.alias("value"))["value"].to_list()


@pytest.mark.parametrize("place", ANSWERS, ids="/".join)
def test_hashes_are_of_what_the_pages_show(place: tuple[str, str]) -> None:
    """The known answers of each receiver's own pages, by value; a value that is such a hash already stays, in lower
    case.
    """
    header = presets.get(place[0]).header(place[1])
    assert header
    known = ANSWERS[place]
    hashes = [hashlib.new(header.by, text.encode()).hexdigest() if text else None for text in known.values()]
    assert _as_written(place, list(known)) == hashes
    digests = [each for each in hashes if each]
    assert _as_written(place, [each.upper() for each in digests]) == digests


@pytest.mark.parametrize("place", PLAIN_ANSWERS, ids="/".join)
def test_plain_values_are_what_the_pages_show(place: tuple[str, str]) -> None:
    """What is not hashed is in the form of the receiver's own pages."""
    known = PLAIN_ANSWERS[place]
    assert _as_written(place, list(known)) == list(known.values())


@pytest.mark.parametrize("name", presets.names())
def test_a_table_holds_together(name: str) -> None:
    """Headers are told apart, groups name headers that are known, transforms exist, hashes are made, pages are pages of
    the day.
    """
    preset = presets.get(name)
    known = [header.name for header in preset.headers]
    assert len({each.casefold() for each in known}) == len(known)
    sources = [source for header in preset.headers for source in header.sources]
    assert len(set(sources)) == len(sources)
    for number, header in enumerate(preset.headers):  # a plain column may stand after the hashed one of its source
        assert not {other.name.casefold() for other in preset.headers[:number]} & set(header.sources)
    groups = (*preset.needs, *preset.identifies, *preset.together, *preset.apart)
    assert preset.country in {"", *known}
    assert preset.needs or preset.identifies or preset.others
    assert {header for group in groups for header in group} <= set(known)
    for header in preset.headers:
        assert [read(step).written for step in header.transform] == list(header.transform)
        assert ends_hashed(header.transform) == (header.by if header.hashed != "no" else None)
    assert {f"csv.{key}": value in preset.takes.get(f"csv.{key}", (value,)) for key, value in preset.csv.items()} == {
        f"csv.{key}": True for key in preset.csv
    }
    assert preset.pages
    assert all(page.url.startswith("https://") for page in preset.pages)


@pytest.fixture(scope="module")
def sample() -> Iterator[Path]:
    """What `muster init` makes."""
    with quick_folder() as folder:
        assert invoke("init", str(folder / "sample")).code == 0
        yield folder / "sample"


@pytest.mark.parametrize("name", presets.names())
def test_the_example_validates(name: str, sample: Path) -> None:
    """`muster presets show` ends with a destination that is right in the workspace of `muster init`."""
    example = invoke("presets", "show", name, "--json").json["example"]
    assert invoke("presets", "show", name).out.endswith(f"\n# destinations/{name}.yml\n{example}")
    place = sample / f"destinations/{name}.yml"
    place.write_text(example)
    try:
        done = invoke("-C", str(sample), "validate")
        assert (done.code, done.err) == (0, "")
        assert name in [each.preset for each in workspace.load(sample, {}).activations]
    finally:
        place.unlink()


def test_presets_are_shown(tmp_path: Path) -> None:
    """`list` has every table; `show` has headers, transforms, limits and sources; an unknown name is exit 2 with the
    nearest.
    """
    listed = invoke("presets", "list", "--json").json
    of_files = [each for each in listed if each["kind"] == "files"]
    assert [each["name"] for each in of_files] == [
        *(ADOBE, BRAZE, GOOGLE, KLAVIYO, LIVERAMP, META),
        *(MICROSOFT, PINTEREST, SALESFORCE, SNAP, TIKTOK, UID2),
    ]
    assert all(each["looked_at"] >= "2026-11-22" for each in listed)
    said = invoke("presets", "show", LIVERAMP).out
    for words in (
        "EMAIL1_SHA-256  trim, lower",
        "at most 500,000,000 rows",
        "fewer than 25 rows",
        "a profile without a value for EMAIL1 or EMAIL1_SHA-256",
        "- uncertain: PHONE1",
        "/hashing-identifiers.html",
    ):
        assert words in said
    done = invoke("presets", "show", "liverramp")
    assert (done.code, done.err) == (2, "error: there is no preset 'liverramp'; did you mean 'liveramp'?\n")
    made = shop(tmp_path, GOOGLE)
    for name, said in (
        ("brase", "did you mean 'braze'?"),
        ("Google", "did you mean 'google_customer_match'?"),
        ("facebook", "`muster presets list` shows all"),
    ):
        made.write("destinations/crm.yml", {"url": "out", "preset": name, "mapping": ["email"]})
        assert f"destinations/crm.yml:2: preset: {name!r} is not a preset; {said}" in refused(made)


def test_a_new_preset_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module beside the others is a preset: listed, shown and used."""
    folder = tmp_path / "more"
    folder.mkdir()
    (folder / "acme.py").write_text(
        "from datetime import date\n"
        "from muster.activation.presets.shape import Header, Page, Preset\n"
        "PRESET = Preset('Acme', 'People.', (Header('MAIL', 'e-mail', ('email',), ('trim', 'upper')),),\n"
        "    (Page('https://acme.example/', date(2026, 11, 22)),), '  - email\\n', csv={'delimiter': '|'})\n"
    )
    monkeypatch.setattr(receivers, "__path__", [*receivers.__path__, str(folder)])
    presets.names.cache_clear()
    presets.get.cache_clear()
    try:
        assert ["acme", "Acme"] in [
            [each["name"], each["receiver"]] for each in invoke("presets", "list", "--json").json
        ]
        made = shop(tmp_path, BRAZE, preset="acme", mapping=["email"], csv={"null_value": "-"})
        assert sent(made).decode().splitlines() == ["MAIL", "ANN.LEE@EXAMPLE.COM", "ZOE@EXAMPLE.ORG", '""']
    finally:
        monkeypatch.undo()
        presets.names.cache_clear()
        presets.get.cache_clear()


# What is written stands above the preset


def test_the_yaml_wins(tmp_path: Path) -> None:
    """Targets, transforms and options that are written stay; what is not written comes from the preset."""
    made = shop(tmp_path, LIVERAMP)
    assert loaded(made).csv.quote_style == "always"
    own = [
        {"source": "email", "target": "EMAIL1", "transform": ["trim"]},
        {"source": "phone", "target": "PHONE_WORK"},
        "tier",
    ]
    mapped(
        made,
        LIVERAMP,
        mapping=own,
        csv={"quote_style": "necessary", "delimiter": "|"},
        compression="gzip",
        max_rows_per_file=1000,
    )
    found = loaded(made)
    assert (found.csv.quote_style, found.csv.delimiter, found.format, found.compression) == (
        "necessary",
        "|",
        "csv",
        "gzip",
    )
    assert [(each.target, each.transform) for each in found.mapping] == [
        ("EMAIL1", ("trim",)),
        ("PHONE_WORK", ()),
        ("tier", ()),
    ]


def test_an_activation_may_have_another_preset(tmp_path: Path) -> None:
    """SPEC 2: an activation's own preset takes the place of its destination's, and `none` switches it off."""
    made = shop(tmp_path, GOOGLE)
    entries = [
        {"audience": "all", "id": "usual", "schedule": "on_demand"},
        {"audience": "all", "id": "braze", "schedule": "on_demand", "preset": BRAZE},
        {"audience": "all", "id": "plain", "schedule": "on_demand", "preset": "none", "format": "json"},
    ]
    mapped(made, GOOGLE, mapping=["email"], activations=entries)
    usual, braze, plain = workspace.load(made.root, {}).activations
    assert (usual.preset, [each.target for each in usual.mapping]) == (GOOGLE, ["Email"])
    assert (braze.preset, [each.target for each in braze.mapping], braze.mapping[0].transform) == (
        BRAZE,
        ["email"],
        ("trim",),
    )
    assert (plain.preset, [each.target for each in plain.mapping], plain.format, plain.mapping[0].transform) == (
        None,
        ["email"],
        "json",
        (),
    )
    entries[2].pop("format")
    mapped(made, GOOGLE, mapping=["email"], activations=entries)
    assert "destinations/crm.yml:1: format: is required: csv, parquet or json" in refused(made)


def test_names_are_taken_as_a_whole(tmp_path: Path) -> None:
    """A profile column means a header by its whole name: `loyalty.state` is no state, an identity namespace is what it
    is called.
    """
    made = shop(
        tmp_path,
        LIVERAMP,
        mapping=["identity_map.Email", "loyalty.state", {"source": "loyalty.tier", "target": "TIER"}],
    )
    assert [each.target for each in loaded(made).mapping] == ["EMAIL1", "loyalty_state", "TIER"]


# What a receiver would refuse


CONTRADICTIONS: dict[str, tuple[str, dict[str, Any], str]] = {
    "parquet": (
        GOOGLE,
        {"format": "parquet"},
        "crm.yml:15: format: 'parquet' is not accepted by google_customer_match; expected 'csv'",
    ),
    "compressed": (
        GOOGLE,
        {"compression": "gzip"},
        "crm.yml:15: compression: 'gzip' is not accepted by google_customer_match; expected 'none'",
    ),
    "utf-16": (
        GOOGLE,
        {"csv": {"encoding": "utf-16"}},
        "crm.yml:16: csv.encoding: 'utf-16' is not accepted by google_customer_match",
    ),
    "no header": (
        META,
        {"csv": {"header": False}},
        "csv.header: false is not accepted by meta_custom_audience; expected true",
    ),
    "semicolon": (BRAZE, {"csv": {"delimiter": ";"}}, "csv.delimiter: ';' is not accepted by braze; expected ','"),
    "one of a few": (
        LIVERAMP,
        {"csv": {"delimiter": ";"}},
        "csv.delimiter: ';' is not accepted by liveramp; expected ',', '|' or '\\t'",
    ),
    "unknown header": (
        GOOGLE,
        {"mapping": ["email", {"source": "phone", "target": "Fone"}]},
        "crm.yml:5: mapping[1]: 'Fone' is not a header that google_customer_match takes; did you mean 'Phone'?",
    ),
    "unknown, from its source": (
        GOOGLE,
        {"mapping": ["email", "tier"]},
        "mapping[1]: 'tier' is not a header that google_customer_match takes",
    ),
    "status": (
        GOOGLE,
        {"mapping": ["email", STATUS]},
        "mapping[1]: 'status' is not a header that google_customer_match takes; known are",
    ),
    "letter case": (
        BRAZE,
        {"mapping": ["profile_id", {"source": "first_name", "target": "First Name"}]},
        "mapping[1]: 'First Name' is not a header that braze takes; did you mean 'first_name'?",
    ),
    "a space": (
        ADOBE,
        {"mapping": [{"source": "tier", "target": "Loyalty tier"}]},
        "mapping[0]: 'Loyalty tier' is not a header that adobe takes; expected text without spaces and dashes",
    ),
    "too long": (
        LIVERAMP,
        {"mapping": [{"source": "tier", "target": "T" * 129}]},
        "is not a header that liveramp takes; expected at most 128 letters, digits and underscores",
    ),
    "nobody": (
        GOOGLE,
        {"mapping": []},
        "crm.yml:3: mapping: is empty",
    ),
    "no identifier": (
        BRAZE,
        {"mapping": ["tier"]},
        (
            "has no column by which braze identifies people; expected external_id, braze_id, user_alias_name and "
            "user_alias_label, email or phone"
        ),
    ),
    "half an address": (
        GOOGLE,
        {"mapping": ["email", "first_name", "last_name"]},
        "mapping: First Name, Last Name, Country and Zip go together; Country and Zip are missing",
    ),
    "two identifiers": (
        BRAZE,
        {"mapping": ["profile_id", {"source": "tier", "target": "braze_id"}]},
        "mapping: external_id and braze_id cannot be in one file for braze; remove one of them",
    ),
    "too many columns": (
        ADOBE,
        {"mapping": [{"source": "tier", "target": f"tier{number}"} for number in range(26)]},
        "mapping: has 26 columns; adobe takes at most 25",
    ),
    "an escape": (
        META,
        {"csv": {"escape": "\\"}},
        "csv.escape: '\\\\' is not accepted by meta_custom_audience; expected '\"'",
    ),
    "two of one header": (
        GOOGLE,
        {"mapping": ["first_name", "email", "given_name"]},
        (
            "crm.yml:6: mapping[2]: the header 'First Name' is also another column's target, on line 4; "
            "remove one of them"
        ),
    ),
    "not hashed": (
        LIVERAMP,
        {"mapping": [{"source": "email", "target": "EMAIL1_SHA-256", "transform": ["lower"]}]},
        (
            "mapping[0]: EMAIL1_SHA-256 holds hashes: its transform has to end with sha256, or to be empty for "
            "values that are hashes"
        ),
    ),
    "hashed otherwise": (
        LIVERAMP,
        {"mapping": [{"source": "email", "target": "EMAIL1_MD5", "transform": ["trim", "sha256"]}]},
        (
            "mapping[0]: EMAIL1_MD5 holds hashes: its transform has to end with md5, or to be empty for values "
            "that are hashes"
        ),
    ),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_what_a_receiver_would_refuse_is_a_mistake(case: str, tmp_path: Path) -> None:
    """SPEC 10: a contradiction between the YAML and the preset is told with file, line, key and what was expected; exit
    2.
    """
    preset, content, words = CONTRADICTIONS[case]
    made = shop(tmp_path, preset, **content)
    assert words in refused(made)
    assert made.muster("run", "--at", f"{DAY}T05:00Z").code == 2


def test_a_mistake_of_a_destination_is_told_once(tmp_path: Path) -> None:
    """SPEC 10: however many activations it has."""
    made = shop(tmp_path, GOOGLE)
    entries = [{"audience": "all", "id": name, "schedule": "on_demand"} for name in "abc"]
    mapped(made, GOOGLE, mapping=["email", {"source": "tier", "target": "x"}], activations=entries, format="json")
    assert len(refused(made).splitlines()) == 2


# What is looked at before a file is sent


def limited(monkeypatch: pytest.MonkeyPatch, name: str, **limits: int) -> None:
    """A preset with other limits."""
    changed, get = replace(presets.get(name), limits=Limits(**limits)), presets.get
    monkeypatch.setattr(presets, "get", lambda other: changed if other == name else get(other))


def failing(made: Shop) -> str:
    """The error of a run that sends nothing and stays due."""
    made.evaluate(f"{DAY}T02:00Z")
    result = made.muster("run", "--at", f"{DAY}T05:00Z")
    assert (result.code, made.files()) == (1, [])
    assert not list((made.root / "out").rglob(".*"))
    [line] = [line for line in result.err.splitlines() if line.startswith("error:")]
    assert [each["action"] for each in made.muster("plan", "--at", f"{DAY}T06:00Z", "--json").json] == ["export"]
    return line


@pytest.mark.parametrize(
    ("limits", "content", "words"),
    [
        ({"rows": 2}, {}, "has 3 rows; braze takes at most 2 a file; set a lower max_rows_per_file"),
        ({"size": 100}, {}, "bytes; braze takes at most 100 a file; set a lower max_rows_per_file"),
    ],
)
def test_a_file_that_is_too_large_is_not_sent(
    limits: dict[str, int], content: dict[str, Any], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows and bytes of each file are held against the receiver's limits: the run fails with one sentence, nothing is
    sent.
    """
    made = shop(tmp_path, BRAZE, **content)
    limited(monkeypatch, BRAZE, **limits)
    assert words in failing(made)
    mapped(made, BRAZE, max_rows_per_file=1)
    limited(monkeypatch, BRAZE, **{key: value * 4 for key, value in limits.items()})
    made.run(f"{DAY}T06:00Z")
    assert len(made.files()) == 3


def test_bytes_are_counted_before_compression(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """LiveRamp's limit is of the uncompressed file."""
    made = shop(
        tmp_path, LIVERAMP, compression="gzip", mapping=[{"source": "tier", "target": "T"}] + MAPPINGS[LIVERAMP]
    )
    made.profiles(DAY, [each | {"tier": "x" * 5000} for each in PEOPLE])
    limited(monkeypatch, LIVERAMP, size=10_000)
    assert "bytes; liveramp takes at most 10,000 a file" in failing(made)


def test_few_rows_are_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of fewer rows than the receiver advises is sent, with a warning; one without rows says nothing about
    anybody.
    """
    made = shop(tmp_path, LIVERAMP)
    made.evaluate(f"{DAY}T02:00Z")
    warned = made.run(f"{DAY}T05:00Z").err
    assert "warning: crm_all_20261120T050000Z.csv: 3 rows; liveramp advises at least 25 a file" in warned
    made.audience("all", where="false")
    made.evaluate(f"{NEXT}T02:00Z")
    assert "advises" not in made.run(f"{NEXT}T05:00Z").err
    made = shop(tmp_path / "one", LIVERAMP)
    made.profiles(DAY, PEOPLE[:1])
    limited(monkeypatch, LIVERAMP, few_rows=1000)
    made.evaluate(f"{DAY}T02:00Z")
    assert ": 1 row; liveramp advises at least 1,000 a file" in made.run(f"{DAY}T05:00Z").err


PLAIN = hashlib.sha256(b"x").hexdigest()


@pytest.mark.parametrize("style", ["necessary", "never"], ids=["rows made as text", "rows made field by field"])
@pytest.mark.parametrize("export", ["full", "incremental"])
def test_hashed_columns_hold_hashes(style: str, export: str, tmp_path: Path) -> None:
    """Values that are said to be hashed already have to look like it: 64 hex digits, or nothing; else the run fails in
    one sentence.
    """
    column = {"source": "email_hash", "target": "Email_LC_SHA256", "transform": []}
    activation = {"audience": "all", "export": export, "schedule": {"at": "05:00"}}
    made = shop(
        tmp_path, ADOBE, mapping=[column, "profile_id", STATUS], activations=[activation], csv={"quote_style": style}
    )
    rows = [{"profile_id": "a", "email_hash": PLAIN.upper()}, {"profile_id": "b", "email_hash": None}]
    made.profiles(DAY, [*rows, {"profile_id": "c", "email_hash": "ann@example.com"}])
    line = failing(made)
    assert line.endswith(
        "column 'Email_LC_SHA256' holds a value that is no SHA-256 hash (64 hex digits), which adobe asks for; leave "
        "its transform out to hash plain values"
    )
    assert "ann@" not in line
    made.profiles(DAY, rows)
    made.evaluate(f"{DAY}T02:00Z", "--replace")
    made.run(f"{DAY}T06:00Z")
    assert PLAIN.upper() in (made.root / "out" / made.files()[0]).read_text()


def test_each_kind_of_hash_has_its_length(tmp_path: Path) -> None:
    """A column of MD5 hashes takes those alone, as one of SHA-256 does."""
    column = {"source": "email_hash", "target": "EMAIL1_MD5", "transform": []}
    made = shop(tmp_path, LIVERAMP, mapping=["profile_id", column])
    made.profiles(DAY, [{"profile_id": "a", "email_hash": PLAIN}])
    assert "no MD5 hash (32 hex digits), which liveramp asks for" in failing(made)
    made.profiles(DAY, [{"profile_id": "a", "email_hash": PLAIN[:32]}])
    made.evaluate(f"{DAY}T02:00Z", "--replace")
    made.run(f"{DAY}T06:00Z")


def test_plain_values_go_where_they_are_asked_for(tmp_path: Path) -> None:
    """Google hashes what is not hashed: a transform that does not end in a hash sends plain values, as written."""
    made = shop(
        tmp_path, GOOGLE, mapping=[{"source": "email", "transform": ["trim", "lower"]}], csv={"quote_style": "always"}
    )
    assert sent(made).decode().splitlines() == ['"Email"', '"ann.lee@example.com"', '"zoe@example.org"']


def test_a_run_is_made_again_without_its_preset(tmp_path: Path) -> None:
    """Replay and verify go by what was written: a preset that changed, or was taken out since, changes nothing."""
    made = shop(tmp_path, GOOGLE)
    content = sent(made)
    made.crm(mapping=["profile_id"])
    [run] = made.runs()
    made.ok("verify", run["run_id"])
    made.ok("replay", run["run_id"], "--to", str(tmp_path / "again"))
    assert (tmp_path / "again" / Path(run["files"][0]["path"]).name).read_bytes() == content


def test_nouns() -> None:
    """A header is admitted by its exact name; what is nearly one is meant to be one, also where any other name goes."""
    preset = Preset(
        "x", "y", (Header("E-Mail", "", ("mail",)),), (Page("https://x", presets.get(BRAZE).pages[0].looked_at),), ""
    )
    assert (preset.admits("E-Mail"), preset.admits("email"), preset.nearly("e_mail"), preset.meant_by("Mail")) == (
        *(True, False, "E-Mail"),
        preset.headers[0],
    )


def test_a_receiver_knows_people_by_whole_groups() -> None:
    """X2: a group counts if all of its columns are mapped; a column of one's own only if it holds ids, and the receiver
    takes those.
    """
    google, adobe = presets.get(GOOGLE), presets.get(ADOBE)
    address = ("First Name", "Last Name", "Country", "Zip")
    assert google.identifying(["Email", "Zip", "Country"], {"Zip"}) == (("Email",),)
    assert google.identifying(["Phone", *address], ()) == (("Phone",), address)
    assert adobe.identifying(["crm_id", "tier", "Phone_E164"], {"crm_id"}) == (("Phone_E164",), ("crm_id",))
    assert adobe.identifying(["tier"], ()) == ()
    assert presets.get(BRAZE).identifying(["loyalty"], {"loyalty"}) == ()


def test_the_yaml_of_an_example_is_plain(sample: Path) -> None:
    """The example names what it is for, and no more keys than it needs."""
    _ = sample
    for name in presets.names():
        made = yaml.safe_load(invoke("presets", "show", name, "--json").json["example"])
        assert list(made) == ["url", "preset", "mapping", "activations"]
