"""One audience goes to TikTok, UID2, Klaviyo, Salesforce, Microsoft, Snap and Pinterest: people as the world has them.

What each file must hold is computed here, from the rules that the receivers publish (docs/presets.md).
"""

import base64
import csv
import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.shop import Shop, identities, quick_folder

DAY = "2026-11-20"
HASH = hashlib.sha256(b"ann@example.com").hexdigest()
OWN = base64.b64encode(bytes.fromhex(HASH)).decode()
COMPOSED, DECOMPOSED = "Zo\u00eb", "Zoe\u0308"
PEOPLE = {
    "a": {"email": " Ann.Lee+Club@Gmail.com\t", "phone": "+1 (212) 555-0142", "name": COMPOSED, "country": "US"},
    "b": {"email": HASH.upper(), "phone": None, "name": "Ann", "country": None},  # hashed by somebody before
    "c": {"email": None, "phone": "(650) 555-1212", "name": "李雷", "country": None},  # no country code
    "d": {"email": "", "phone": "no phone", "name": "", "country": ""},  # nobody
    "e": {"email": "Jane.Doe@googlemail.com", "phone": "44 20 7946 0958", "name": DECOMPOSED, "country": "GB"},
    "f": {"email": 'o\'neil,"jo"@example.org', "phone": "020 7946 0958", "name": 'O\'Neil, "Jo"', "country": "GB"},
}
MAPPINGS = {
    "tiktok_audience": ["email", "phone"],
    "uid2": ["email", "phone"],
    "microsoft_ads": ["email"],
    "snap": ["phone"],
    "pinterest": ["email"],
    "klaviyo": ["email", "phone", {"source": "name", "target": "First Name"}, "country"],
    "salesforce_marketing_cloud": ["profile_id", {"source": "name", "target": "FirstName"}, "email"],
}
PHONES = {"a": "+12125550142", "e": "+442079460958"}  # with a country code; Klaviyo reads the country beside a number
EMAILS = {"a": "ann.lee+club@gmail.com", "e": "jane.doe@googlemail.com", "f": 'o\'neil,"jo"@example.org'}


def sha256(text: str | None) -> str:
    """The hash as hex digits; nothing of nothing."""
    return hashlib.sha256(text.encode()).hexdigest() if text else ""


def in_base64(text: str | None) -> str:
    """The hash as UID2 writes it."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() if text else ""


EXPECTED = {
    "tiktok_audience": [
        ["Email_SHA256", "Phone_SHA256"],
        [sha256(EMAILS["a"]), sha256(PHONES["a"][1:])],
        [HASH, ""],
        [sha256(EMAILS["e"]), sha256(PHONES["e"][1:])],
        [sha256(EMAILS["f"]), ""],
    ],
    "uid2": [
        ["email_hash", "phone_hash"],
        [in_base64("annlee@gmail.com"), in_base64(PHONES["a"])],
        [OWN, ""],
        [in_base64(EMAILS["e"]), in_base64(PHONES["e"])],
        [in_base64(EMAILS["f"]), ""],
    ],
    "microsoft_ads": [["Email"], [sha256(EMAILS["a"])], [HASH], [sha256(EMAILS["e"])], [sha256(EMAILS["f"])]],
    "snap": [["PHONE_SHA256"], [sha256(PHONES["a"][1:])], [sha256(PHONES["e"][1:])]],
    "pinterest": [["email"], [sha256(EMAILS["a"])], [HASH], [sha256(EMAILS["e"])], [sha256(EMAILS["f"])]],
    "klaviyo": [
        ["Email", "Phone Number", "First Name", "Country"],
        ["Ann.Lee+Club@Gmail.com", PHONES["a"], COMPOSED, "US"],
        [HASH.upper(), "", "Ann", ""],
        ["Jane.Doe@googlemail.com", PHONES["e"], DECOMPOSED, "GB"],
        ['o\'neil,"jo"@example.org', "+442079460958", 'O\'Neil, "Jo"', "GB"],
    ],
    "salesforce_marketing_cloud": [
        ["SubscriberKey", "FirstName", "EmailAddress"],
        ["a", COMPOSED, "Ann.Lee+Club@Gmail.com"],
        ["b", "Ann", HASH.upper()],
        ["c", "李雷", ""],
        ["d", "", ""],
        ["e", DECOMPOSED, "Jane.Doe@googlemail.com"],
        ["f", 'O\'Neil, "Jo"', 'o\'neil,"jo"@example.org'],
    ],
}


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    """A workspace whose audience went to all seven."""
    with quick_folder() as folder:
        made = Shop(folder / "shop")
        made.audience("all", where="true")
        entry = {"audience": "all", "export": "full", "schedule": {"at": "05:00"}, "file_name": "people"}
        for name, mapping in MAPPINGS.items():
            made.write(
                f"destinations/{name}.yml",
                {"url": f"out/{name}", "preset": name, "mapping": mapping, "activations": [entry]},
            )
        made.profiles(DAY, [{"profile_id": profile} | row for profile, row in PEOPLE.items()])
        assert made.muster("validate", "--at", f"{DAY}T05:00Z").code == 0
        made.evaluate(f"{DAY}T02:00Z")
        made.run(f"{DAY}T05:00Z")
        yield made


@pytest.mark.parametrize("name", EXPECTED)
def test_a_file_holds_what_its_receiver_asks_for(name: str, shop: Shop) -> None:
    """Hashes of each receiver's own form of a value; a hash is not hashed again; a number without a country code is
    lost where nothing says its country; whoever has no identifier is left out (X2).
    """
    text = (shop.root / "out" / name / "people.csv").read_bytes().decode("utf-8")
    assert list(csv.reader(io.StringIO(text, newline=""), strict=True)) == EXPECTED[name]


@pytest.mark.parametrize("name", EXPECTED)
def test_everybody_is_counted(name: str, shop: Shop) -> None:
    """X10: who has no identifier at the receiver is excluded as `unidentified`."""
    [run] = shop.muster("runs", "list", "--activation", f"{name}/all", "--json").json
    written = len(EXPECTED[name]) - 1
    lacking = {"unidentified": len(PEOPLE) - written} if written < len(PEOPLE) else {}
    assert (run["received"], run["exported"], run["excluded_by"]) == (len(PEOPLE), written, lacking)


def test_a_person_with_several_identities_is_several_rows(tmp_path: Path) -> None:
    """M5: an identity namespace fills a file of one column, a row for each identity, each in the receiver's form."""
    made = Shop(tmp_path)
    made.audience("all", where="true")
    ids = identities(Email=[" Ann@X.com", "ann.lee@gmail.com"], Phone=["(650) 555-1212", "+44 20 7946 0958"])
    made.profiles(DAY, [{"profile_id": "a", "identity_map": ids}])
    entry = {"audience": "all", "schedule": "on_demand", "file_name": "people"}
    made.destination("pinterest", preset="pinterest", mapping=["identity_map.Email"], activations=[entry])
    made.destination("snap", preset="snap", region="US", mapping=["identity_map.Phone"], activations=[entry])
    made.evaluate(f"{DAY}T02:00Z")
    made.ok("export", "pinterest/all", "snap/all", "--at", f"{DAY}T05:00Z")
    found = {
        name: (tmp_path / f"out/{name}/people_on_demand.csv").read_text().split() for name in ("pinterest", "snap")
    }
    assert [found["pinterest"][0], *sorted(found["pinterest"][1:])] == [
        "email",
        *sorted(map(sha256, ("ann@x.com", "ann.lee@gmail.com"))),
    ]
    assert [found["snap"][0], *sorted(found["snap"][1:])] == [
        "PHONE_SHA256",
        *sorted(map(sha256, ("16505551212", "442079460958"))),
    ]


def test_two_kinds_of_identifiers_are_two_files(tmp_path: Path) -> None:
    """Snap, Pinterest and Microsoft take one column: a second one is a mistake of the YAML, exit 2."""
    made = Shop(tmp_path)
    made.audience("all", where="true")
    made.profiles(DAY, [{"profile_id": "a", "email": "a@x.com", "phone": "+12125550142"}])
    entry = {"audience": "all", "schedule": "on_demand"}
    for name in ("snap", "pinterest"):
        second = "phone" if name == "snap" else {"source": "phone", "target": "maid"}
        made.destination(name, preset=name, mapping=["email", second], activations=[entry])
    made.destination("microsoft", preset="microsoft_ads", mapping=["email", "phone"], activations=[entry])
    done = made.muster("validate")
    assert done.code == 2
    for words in (
        "snap takes at most 1",
        "pinterest takes at most 1",
        "'phone' is not a header that microsoft_ads takes",
    ):
        assert words in done.err
