"""Known answers of receivers: examples that a receiver publishes, by value, and else what follows from its published
rule, computed here with hashlib. docs/presets.md names the pages.
"""

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
from support.shop import Shop

from muster.activation import presets

DAY = "2026-11-20"
TIKTOK, UID2, MICROSOFT, SNAP, PINTEREST = "tiktok_audience", "uid2", "microsoft_ads", "snap", "pinterest"
KLAVIYO, SALESFORCE = "klaviyo", "salesforce_marketing_cloud"
MAID = "5F3A2B18-9C4D-4E7F-B8E2-17D3A1E69B25"


def written(root: Path, name: str, mapping: Sequence[Any], rows: Sequence[dict[str, Any]], **content: Any) -> list[str]:
    """The lines of a file for a receiver, header first, of profiles in this order."""
    shop = Shop(root)
    shop.audience("all", where="true")
    shop.destination("crm", preset=name, **({"mapping": mapping, "activations": [ON_DEMAND]} | content))
    shop.profiles(DAY, pl.DataFrame([{"profile_id": f"p{at:02}"} | row for at, row in enumerate(rows)]))
    shop.evaluate(f"{DAY}T02:00Z")
    shop.ok("export", "crm/all", "--at", f"{DAY}T05:00Z")
    return (root / "out" / shop.files()[0]).read_text(encoding="utf-8").splitlines()


ON_DEMAND = {"audience": "all", "schedule": "on_demand"}


def sha256(text: str) -> str:
    """The SHA-256 hash as hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def base64_of(text: str) -> str:
    """Base64 of the bytes of the SHA-256 hash."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


# UID2: https://unifiedid.com/docs/getting-started/gs-normalization-encoding, and /docs/endpoints/post-identity-map

UID2_EMAILS = {
    "USER@example.com": "tMmiiTI7IaAcPpQPFQ65uMVCWH8av9jw4cwf/F5HVRQ=",
    "user2@example.com": "KzsrnOhCq4tqbGFMsflgS7ig1QLRr0nFJrcrEIlOlbU=",
    "MyEmail@example.com": "FsGNM28LJQ8OLZB0Us65ZYp07NrovJSGTCMSKnLMJ6U=",
    "MYEMAIL@example.com": "FsGNM28LJQ8OLZB0Us65ZYp07NrovJSGTCMSKnLMJ6U=",
    "My.Email@example.com": "4itTvG+HEnTzpiqzejyu1yFPwU1nYhWpaiQvz62hyB8=",
    "JANESAOIRSE@example.com": "1mcOepIAfxtf94Xx/IHlOqbT170GvfXEc83HKGwoS20=",
    "Jane.Saoirse@example.com": "sZZDLHuYmiypHIN5mVfFFdpT5sE6vyC3j+qU8RfpC/g=",
    "JaneSaoirse+Work@example.com": "KKruSBUjDNO069iMUVImVQZm6RrAGZKeOtrD9mwogYA=",
    "JANE.SAOIRSE@gmail.com": "ku4mBX7Z3qJTXWyLFB1INzkyR2WZGW4ANSJUiW21iI8=",
    "JaneSaoirse+Work@gmail.com": "ku4mBX7Z3qJTXWyLFB1INzkyR2WZGW4ANSJUiW21iI8=",
    "JANESaoirse@gmail.com": "ku4mBX7Z3qJTXWyLFB1INzkyR2WZGW4ANSJUiW21iI8=",
}
UID2_PHONES = {
    "1 (234) 567-8901": "EObwtHBUqDNZR33LNSMdtt5cafsYFuGmuY4ZLenlue4=",
    "+12345678901": "EObwtHBUqDNZR33LNSMdtt5cafsYFuGmuY4ZLenlue4=",
    "+441234567890": "Rx8SW4ZyKqbPypXmswDNuq0SPxStFXBTG/yvPns/2NQ=",
    "0491 570 006": base64_of("+61491570006"),  # the page normalises this one, and prints no hash
}


def test_uid2_hashes_are_those_that_it_publishes(tmp_path: Path) -> None:
    """UID2's own examples of e-mail addresses and phone numbers come out by value, in a region where one is needed."""
    rows = [{"email": each, "phone": None} for each in UID2_EMAILS]
    rows += [{"email": None, "phone": each} for each in UID2_PHONES]
    found = written(tmp_path, UID2, ["email", "phone"], rows, region="AU")
    expected = [f"{each}," for each in UID2_EMAILS.values()] + [f",{each}" for each in UID2_PHONES.values()]
    assert found == ["email_hash,phone_hash", *expected]


def test_uid2_knows_one_domain_of_gmail(tmp_path: Path) -> None:
    """UID2's page names gmail.com alone: an address at googlemail.com keeps dots and suffix. Computed here."""
    [_, found] = written(tmp_path, UID2, ["email"], [{"email": "Jane.Saoirse+Work@googlemail.com"}])
    assert found == base64_of("jane.saoirse+work@googlemail.com")


def test_uid2_takes_its_own_hashes_and_hex_digits(tmp_path: Path) -> None:
    """A hash in Base64 stays as it is, in hex digits it becomes Base64: both are on UID2's page, of one address."""
    own = {
        "b4c9a289323b21a01c3e940f150eb9b8c542587f1abfd8f0e1cc1ffc5e475514": UID2_EMAILS["USER@example.com"],
        "tMmiiTI7IaAcPpQPFQ65uMVCWH8av9jw4cwf/F5HVRQ=": UID2_EMAILS["USER@example.com"],
    }
    assert written(tmp_path, UID2, ["email"], [{"email": each} for each in own])[1:] == [*own.values()]


# TikTok: https://ads.tiktok.com/help/article/how-to-create-a-custom-audience-with-a-customer-file

TIKTOK_EMAIL = "d6117306485ed0e50afab3ac871e98f81699151f30281527d63ff5f233656c69"
TIKTOK_PHONE = "65b7e6dcf6f4310f8d7cbfbd78289a753062fb054d6664fb9aaac5df66a422d4"
TIKTOK_MAID = "83dc3f5f32b9472613b0f038d36f22585a609d018af6f6067f50da318bf354bd"
TIKTOK_ROWS = [{"email": " JaneDoe @gmail.com", "phone": "+37493828222", "maid": MAID}]


def test_tiktok_hashes_are_those_that_it_publishes(tmp_path: Path) -> None:
    """TikTok's own examples: an address, a device, and a number, whose hash on the page is of its form without `+`."""
    assert written(tmp_path, TIKTOK, ["email", "phone", "maid"], TIKTOK_ROWS) == [
        "Email_SHA256,Phone_SHA256,MAID_SHA256",
        f"{TIKTOK_EMAIL},{TIKTOK_PHONE},{TIKTOK_MAID}",
    ]


def test_tiktok_numbers_may_keep_the_plus(tmp_path: Path) -> None:
    """TikTok's page: (657)777-0000 is 16577770000 in the US. The form with `+` is a `transform` away."""
    rows = [{"phone": "(657)777-0000", "other": "(657)777-0000"}]
    other = {"source": "other", "target": "Phone_SHA256", "transform": ["e164(US)", "hash_unless_hashed"]}
    found = written(tmp_path, TIKTOK, ["phone", other], rows, region="US")
    assert found == ["Phone_SHA256,Phone_SHA256", f"{sha256('16577770000')},{sha256('+16577770000')}"]


def test_tiktok_takes_plain_values_and_md5(tmp_path: Path) -> None:
    """The headers without a hash take plain values, in one case and E.164; MAID_MD5 takes MD5."""
    columns = [{"source": each, "target": each.capitalize()} for each in ("email", "phone")]
    columns += [{"source": "maid", "target": "MAID"}, {"source": "maid", "target": "MAID_MD5"}]
    assert written(tmp_path, TIKTOK, columns, TIKTOK_ROWS) == [
        "Email,Phone,MAID,MAID_MD5",
        f"janedoe@gmail.com,+37493828222,{MAID.lower()},{hashlib.md5(MAID.lower().encode()).hexdigest()}",  # noqa: S324
    ]


def test_tiktok_takes_three_columns_of_one_header(tmp_path: Path) -> None:
    """TikTok's page: each header can appear three times in a file."""
    columns = [{"source": each, "target": "Email_SHA256"} for each in ("email", "work", "old")]
    row = {"email": "a@x.com", "work": "b@x.com", "old": "c@x.com"}
    header, line = written(tmp_path, TIKTOK, columns, [row])
    assert header == "Email_SHA256,Email_SHA256,Email_SHA256"
    assert line == ",".join(sha256(each) for each in row.values())


# Microsoft: https://learn.microsoft.com/en-us/advertising/bulk-service/customer-list-item


def test_microsoft_hashes_are_those_that_it_publishes(tmp_path: Path) -> None:
    """Microsoft's own example, and the header of its help page."""
    assert written(tmp_path, MICROSOFT, ["email"], [{"email": "Test@contoso.com "}]) == [
        "Email",
        "f25ad364d33972379a7a4f4df33db142205f5c40eb19cfdb2fc5aaf117e10101",
    ]


def test_microsoft_takes_plain_addresses(tmp_path: Path) -> None:
    """Microsoft hashes a file that is uploaded as plain text."""
    plain = {"source": "email", "transform": ["trim", "lower"]}
    assert written(tmp_path, MICROSOFT, [plain], [{"email": "Test@contoso.com "}]) == ["Email", "test@contoso.com"]


# Snap and Pinterest publish rules and no examples: computed here

ONE_KIND_A_FILE = [  # receiver, profile column, its value, header, what is hashed
    (SNAP, "email", " Ann.Lee+Club@Gmail.com ", "EMAIL_SHA256", "ann.lee+club@gmail.com"),
    (SNAP, "phone", "0044 (20) 7946-0958", "PHONE_SHA256", "442079460958"),
    (SNAP, "idfa", MAID, "MOBILE_AD_ID_SHA256", MAID.lower()),
    (PINTEREST, "email", " Ann.Lee+Club@Gmail.com ", "email", "ann.lee+club@gmail.com"),
    (PINTEREST, "gaid", MAID, "maid", MAID.lower()),
    (PINTEREST, "idfa", MAID.lower(), "idfa", MAID),
]


def test_hashes_of_snap_and_pinterest_follow_their_rules(tmp_path: Path) -> None:
    """Snap: addresses and device ids in lower case, numbers with country code and no `00`, `+` or sign. Pinterest:
    addresses and ids of Android in lower case, ids of iOS in upper case.
    """
    shop = Shop(tmp_path)
    shop.audience("all", where="true")
    names = [f"{number}-{preset}" for number, (preset, *_) in enumerate(ONE_KIND_A_FILE)]
    for number, (name, (preset, column, *_)) in enumerate(zip(names, ONE_KIND_A_FILE, strict=True)):
        mapping = [{"source": f"{column}{number}", "target": ONE_KIND_A_FILE[number][3]}]
        shop.destination(name, preset=preset, mapping=mapping, activations=[ON_DEMAND])
    values = {f"{column}{number}": value for number, (_, column, value, *_) in enumerate(ONE_KIND_A_FILE)}
    shop.profiles(DAY, [{"profile_id": "a"} | values])
    shop.evaluate(f"{DAY}T02:00Z")
    shop.ok("export", *(f"{name}/all" for name in names), "--at", f"{DAY}T05:00Z")
    found = {name: (shop.root / "out" / path).read_text().splitlines() for path in shop.files() for name in [path[:6]]}
    expected = {
        name[:6]: [header, sha256(plain)] for name, (*_, header, plain) in zip(names, ONE_KIND_A_FILE, strict=True)
    }
    assert found == expected


def test_a_header_line_can_be_left_out(tmp_path: Path) -> None:
    """Neither Snap nor Pinterest says whether a header is wanted: `csv.header: false` is no contradiction."""
    assert written(tmp_path, PINTEREST, ["email"], [{"email": "a@x.com"}], csv={"header": False}) == [sha256("a@x.com")]


# Klaviyo: https://help.klaviyo.com/hc/en-us/articles/8557592023451, /360046055671 and /115005253428


def test_klaviyo_values_have_the_forms_of_its_pages(tmp_path: Path) -> None:
    """Klaviyo's own examples: a list as a JSON array, true, a number in E.164, and a time through `date(...)`."""
    time = {"source": "seen", "target": "Seen", "transform": "date(%Y-%m-%d %H:%M:%S)"}
    columns = ["email", "phone", {"source": "fruit", "target": "Fruit"}, {"source": "vip", "target": "VIP"}, time]
    row = {"email": " email@example.com", "phone": "+1 234 567 8900", "fruit": ["apples", "bananas", "oranges"]}
    row |= {"vip": True, "seen": datetime(2014, 9, 30, 13, 34, 8)}  # noqa: DTZ001  # UTC
    assert written(tmp_path, KLAVIYO, columns, [row]) == [
        "Email,Phone Number,Fruit,VIP,Seen",
        'email@example.com,+12345678900,"[""apples"",""bananas"",""oranges""]",true,2014-09-30 13:34:08',
    ]


def test_klaviyo_numbers_take_the_country_beside_them(tmp_path: Path) -> None:
    """Klaviyo wants a country for numbers: the mapped Country column is the region of numbers without a code."""
    rows = [{"email": None, "phone": "(650) 555-1212", "country": "US"}]
    assert written(tmp_path, KLAVIYO, ["email", "phone", "country"], rows)[1] == ",+16505551212,US"


def test_klaviyo_files_for_its_server_have_other_headers(tmp_path: Path) -> None:
    """Klaviyo's sample program for its SFTP server writes Email, PhoneNumber and List ID."""
    columns = ["email", {"source": "phone", "target": "PhoneNumber"}, {"source": "list", "target": "List ID"}]
    row = {"email": "a@x.com", "phone": "+12345678900", "list": "ABC123"}
    assert written(tmp_path, KLAVIYO, columns, [row]) == ["Email,PhoneNumber,List ID", "a@x.com,+12345678900,ABC123"]


# Salesforce publishes rules and no examples


def test_salesforce_files_are_for_a_data_extension_or_a_list(tmp_path: Path) -> None:
    """The usual fields are those of a data extension; a list's attributes have spaces, and all other names are own."""
    row = {"email": " a@x.com", "tier": "gold"}
    tier = {"source": "tier", "target": "LoyaltyTier"}
    assert written(tmp_path / "one", SALESFORCE, ["profile_id", tier, "email"], [row]) == [
        "SubscriberKey,LoyaltyTier,EmailAddress",
        "p00,gold,a@x.com",
    ]
    mapping = [{"source": "profile_id", "target": "Subscriber Key"}, {"source": "email", "target": "Email Address"}]
    assert written(tmp_path / "two", SALESFORCE, mapping, [row]) == ["Subscriber Key,Email Address", "p00,a@x.com"]


def test_salesforce_fields_have_the_names_that_you_gave_them(tmp_path: Path) -> None:
    """A data extension may call its field `email_address`: that is no misspelling of EmailAddress."""
    columns = [{"source": "email", "target": "email_address"}, {"source": "profile_id", "target": "subscriber_key"}]
    assert written(tmp_path, SALESFORCE, columns, [{"email": "a@x.com"}]) == [
        "email_address,subscriber_key",
        "a@x.com,p00",
    ]


def test_salesforce_mobile_numbers_are_digits(tmp_path: Path) -> None:
    """Mobile Studio: country code and number without plus, dashes and brackets, beside a contact key and a locale."""
    mapping = [
        {"source": "profile_id", "target": "_ContactKey"},
        {"source": "phone", "target": "_MobileNumber"},
        {"source": "country", "target": "_Locale"},
    ]
    rows = [{"phone": "(650) 555-1212", "country": "us"}, {"phone": "+44 20 7946 0958", "country": "GB"}]
    assert written(tmp_path, SALESFORCE, mapping, rows) == [
        "_ContactKey,_MobileNumber,_Locale",
        "p00,16505551212,US",
        "p01,442079460958,GB",
    ]


# The page


def test_docs_name_every_page_of_every_preset() -> None:
    """docs/presets.md has each source; what the pages of the newer presets leave open is told there and by `show`."""
    text = (Path(__file__).parents[3] / "docs/presets.md").read_text(encoding="utf-8")
    for name in presets.names():
        assert [page.url for page in presets.get(name).pages if f"<{page.url}>" not in text] == [], name
    for name in (TIKTOK, UID2, MICROSOFT, SNAP, PINTEREST, KLAVIYO, SALESFORCE):
        assert presets.get(name).uncertain
