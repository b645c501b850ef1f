"""M1, M2: what each transform makes of a value; each docstring is the rule."""

import base64
import hashlib
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muster.activation.values import transforms
from muster.activation.values.hashes import HASHES


def made(
    steps: Sequence[str], values: Sequence[Any], dtype: Any = None, columns: Mapping[str, Sequence[Any]] | None = None
) -> list[Any]:
    """The values after these transforms, in the type that they are said to have; ``columns`` are beside them."""
    frame = pl.DataFrame({"x": pl.Series(values, dtype=dtype), **(columns or {})})
    beside = {name: (pl.col(name), frame.schema[name]) for name in columns or ()}
    expr, result = transforms.apply(steps, pl.col("x"), frame.schema["x"], beside)
    found = frame.lazy().select(expr.alias("y")).collect(engine="streaming")["y"]
    assert found.dtype == result
    return found.to_list()


# E-mail addresses, by the examples of Google and of UID2:
#
# - https://developers.google.com/data-manager/api/devguides/concepts/formatting
# - https://unifiedid.com/docs/getting-started/gs-normalization-encoding

GMAIL = {
    "Jefferson.Loves.hiking@gmail.com": "jeffersonloveshiking@gmail.com",
    "Cloudy.SanFrancisco+shopping@gmail.com": "cloudysanfrancisco@gmail.com",
    "user.name+NYC@Example.com": "user.name+nyc@example.com",
    "Jane.Saoirse@googlemail.com": "janesaoirse@googlemail.com",
    " a.b + c @ GMAIL.com\u00a0": "ab@gmail.com",
    "a. b@x.com ": "a.b@x.com",
    "a.b@gmail.com.example": "a.b@gmail.com.example",
    "a.b@mail.gmail.com": "a.b@mail.gmail.com",
    "a.b+c@notgmail.com": "a.b+c@notgmail.com",
    "+c@gmail.com": "+c@gmail.com",
    "..@gmail.com": "..@gmail.com",
    "a@b@gmail.com": "a@b@gmail.com",
    "nobody": "nobody",
    "": "",
}


def test_gmail_addresses_are_one_mailbox() -> None:
    """`gmail` takes dots and `+suffix` out of the names of Gmail's two domains, white space out of every address."""
    assert made(["gmail", "lower"], list(GMAIL)) == list(GMAIL.values())
    assert made(["lower", "gmail"], list(GMAIL)) == list(GMAIL.values())
    assert made(["gmail"], ["A.B+c@GMail.com", "A.B@X.com"]) == ["AB@GMail.com", "A.B@X.com"]


def test_gmail_may_be_one_domain() -> None:
    """`gmail(gmail.com)` lets addresses at googlemail.com keep dots and suffix, as UID2's page and SDK do."""
    assert made(["gmail( gmail.com )"], ["a.b+c@gmail.com", "a.b+c@googlemail.com"]) == [
        "ab@gmail.com",
        "a.b+c@googlemail.com",
    ]
    with pytest.raises(
        ValueError, match=r"'gmail\(gmx.de\)': 'gmx.de' is not a domain of Gmail; expected gmail.com or"
    ):
        transforms.read("gmail(gmx.de)")


UID2 = {
    "user@example.com": "tMmiiTI7IaAcPpQPFQ65uMVCWH8av9jw4cwf/F5HVRQ=",
    "MyEmail@example.com": "FsGNM28LJQ8OLZB0Us65ZYp07NrovJSGTCMSKnLMJ6U=",
    "My.Email@example.com": "4itTvG+HEnTzpiqzejyu1yFPwU1nYhWpaiQvz62hyB8=",
    "JaneSaoirse@example.com": "1mcOepIAfxtf94Xx/IHlOqbT170GvfXEc83HKGwoS20=",
    "Jane.Saoirse@example.com": "sZZDLHuYmiypHIN5mVfFFdpT5sE6vyC3j+qU8RfpC/g=",
    "JaneSaoirse+Work@example.com": "KKruSBUjDNO069iMUVImVQZm6RrAGZKeOtrD9mwogYA=",
    "JANE.SAOIRSE@gmail.com": "ku4mBX7Z3qJTXWyLFB1INzkyR2WZGW4ANSJUiW21iI8=",
    "JaneSaoirse+Work@gmail.com": "ku4mBX7Z3qJTXWyLFB1INzkyR2WZGW4ANSJUiW21iI8=",
}


@pytest.mark.parametrize("ending", [["sha256_base64"], ["sha256", "base64"], ["hash_unless_hashed(sha256_base64)"]])
def test_hashes_in_base64_are_those_that_uid2_publishes(ending: list[str]) -> None:
    """`sha256_base64` is base64 of the 32 raw bytes, not of the hex digits."""
    assert made(["trim", "lower", "gmail", *ending], list(UID2)) == list(UID2.values())
    phone = "EObwtHBUqDNZR33LNSMdtt5cafsYFuGmuY4ZLenlue4="
    assert made(["e164(US)", *ending], ["1 (234) 567-8901"]) == [phone]


@given(text=st.text(min_size=1, max_size=20))
@settings(max_examples=50)
def test_hashes_are_those_of_the_standard_library(text: str) -> None:
    """Every hash is that of the UTF-8 bytes, in lower-case hex digits or in base64."""
    for name, function in HASHES.items():
        digest = hashlib.new(name.removesuffix("_base64"), text.encode())
        expected = base64.b64encode(digest.digest()).decode() if function.in_base64 else digest.hexdigest()
        assert made([name], [text]) == [expected]


def test_base64_takes_hashes_alone() -> None:
    """`base64` writes the bytes of a hash in hex digits; other text, hex digits of another length too, is null."""
    digest = hashlib.sha1(b"a").digest()  # noqa: S324  # what receivers ask for
    values = [digest.hex(), f" {digest.hex().upper()} ", "ab", "a@x.com", "", None]
    expected = base64.b64encode(digest).decode()
    assert made(["base64"], values) == [expected, expected, None, None, None, None]


# Values that are hashes already


@pytest.mark.parametrize("name", [name for name in HASHES if not name.endswith("_base64")])
def test_a_hash_is_not_hashed_again(name: str) -> None:
    """`hash_unless_hashed` passes a hash of its function by all transforms, in lower case; all else is hashed."""
    digest = hashlib.new(name, b"a@x.com").hexdigest()
    others = [each for each in ("md5", "sha1", "sha256") if each != name]
    values = [digest, f"\t{digest.upper()} ", " A@x.com ", digest[1:], f"{digest}0", *(f"{other}" for other in others)]
    hashed = [hashlib.new(name, value.strip().lower().encode()).hexdigest() for value in values]
    argument = "" if name == "sha256" else f"({name})"
    expected = [digest, digest, digest, *hashed[3:]]
    assert made(["trim", "lower", f"hash_unless_hashed{argument}"], values) == expected
    assert made([f"hash_unless_hashed( {name} )"], ["", None, digest]) == [None, None, digest]


def test_a_hash_passes_by_transforms_that_would_change_it() -> None:
    """`hash_unless_hashed` looks at the profile's value, before a phone number or a name is made of it."""
    digest = hashlib.sha256(b"+18005550100").hexdigest()
    assert made(["e164(US)", "hash_unless_hashed"], [digest, "800 555 0100", "12"]) == [digest, digest, None]
    assert made(["first", "digits", "hash_unless_hashed"], [[digest], []]) == [digest, None]
    assert made(["upper", "hash_unless_hashed(md5)"], ["0" * 32, "x"]) == ["0" * 32, hashlib.md5(b"X").hexdigest()]  # noqa: S324


def test_a_hash_in_base64_stays_as_it_is() -> None:
    """`hash_unless_hashed(sha256_base64)` keeps base64 of 32 bytes, and writes 64 hex digits as base64."""
    digest = hashlib.sha256(b"a@x.com").digest()
    text = base64.b64encode(digest).decode()
    values = [f" {text} ", digest.hex().upper(), "a@x.com", text[:-1]]
    again = base64.b64encode(hashlib.sha256(text[:-1].lower().encode()).digest()).decode()
    assert made(["lower", "hash_unless_hashed(sha256_base64)"], values) == [text, text, text, again]


def test_spaces_are_taken_out_wherever_they_are() -> None:
    """`strip_spaces` takes out every white space, that of Unicode too."""
    assert made(["strip_spaces"], [" a b\t@\u00a0x\u2003.com\n", "ab", "", " ", None]) == [
        "ab@x.com",
        "ab",
        "",
        "",
        None,
    ]


# Names


@given(text=st.text(st.characters(max_codepoint=0x2FFF, exclude_categories=["Cn", "Cs"]), max_size=20))
@settings(max_examples=100)
def test_punctuation_and_composition_are_those_of_unicode(text: str) -> None:
    """`nfc` composes, and `strip_punctuation` takes out the categories P, as Python's ``unicodedata`` has them."""
    assert made(["nfc"], [text]) == [unicodedata.normalize("NFC", text)]
    kept = "".join(character for character in text if not unicodedata.category(character).startswith("P"))
    assert made(["strip_punctuation"], [text]) == [kept]


def test_names_are_written_as_meta_compares_them() -> None:
    """Names are in lower case, without punctuation, composed; the hash of `Valéry` is the one that Meta publishes."""
    steps = ["nfc", "strip_punctuation", "trim", "lower"]
    values = ["Vale\u0301ry", "O’Brien-Smith, Jr.", "¡José!", "a+b $1"]
    assert made(steps, values) == ["valéry", "obriensmith jr", "josé", "a+b $1"]
    published = "08e1996b5dd49e62a4b4c010d44e4345592a863bb9f8e3976219bac29417149c"
    assert made([*steps, "sha256"], ["Vale\u0301ry"]) == [published]


def test_first_takes_the_first_element() -> None:
    """`first` of a list is the element in front, whatever it is; of an empty list null; other values stay."""
    assert made(["first"], [["a", "b"], [], None, [None, "x"]]) == ["a", None, None, None]
    assert made(["first"], [[[1, 2], [3]], []]) == [[1, 2], None]
    assert made(["first", "trim"], [[" a", "b"]], pl.Array(pl.String, 2)) == ["a"]
    assert made(["first", "lower"], [[None], []], pl.List(pl.Null)) == [None, None]
    assert made(["first", "upper"], ["a", None]) == ["A", None]
    assert made(["first"], [7]) == [7]


@pytest.mark.parametrize("step", transforms.KINDS)
def test_nothing_is_made_of_nothing(step: str) -> None:
    """Null stays null, also where every value is; only `default` fills in."""
    if step not in {"date", "default"}:
        whole = f"{step}(f m)" if step == "gender" else step
        assert made([whole], [None, "", "x"])[0] is None
        assert made([whole], [None, None], pl.Null) == [None, None]


# Telephone numbers, by the examples of Google, Meta and UID2

PUBLISHED = {
    "1 800 555 0100": "+18005550100",
    "18005550100": "+18005550100",
    "+1 800 555 0100": "+18005550100",
    "441134960987": "+441134960987",
    "+44 113 496 0987": "+441134960987",
    "1-800-888-8888": "+18008888888",
    "1-234-567-8910": "+12345678910",
    "12345678910": "+12345678910",
    "1 (234) 567-8901": "+12345678901",
    "+44 844 412 4653": "+448444124653",
    "0044 113 496 0987": "+441134960987",
    "(1) 800 555 0100": "+18005550100",
    "tel:+18005550100": "+18005550100",
    "tel:18005550100": "+18005550100",
    "'441134960987": "+441134960987",  # an apostrophe that keeps a spreadsheet from reading a number
    "\uff0b1 800 555 0100": "+18005550100",
}


@pytest.mark.parametrize("step", ["e164", "e164(US)", "e164(GB)"])
def test_a_country_code_needs_no_plus(step: str) -> None:
    """A number with its country code is a number, with a plus sign, two zeros or nothing before the code."""
    assert made([step], list(PUBLISHED)) == list(PUBLISHED.values())


@pytest.mark.parametrize(
    ("region", "value", "expected"),
    [
        ("US", "8005550100", "+18005550100"),
        ("US", "(650) 555-1212", "+16505551212"),
        ("GB", "07911 123456", "+447911123456"),
        ("GB", "7911123456", "+447911123456"),
        ("AU", "(02) 1234 5678", "+61212345678"),
        ("DE", "0151 12345678", "+4915112345678"),
        ("DE", "4915112345678", "+4915112345678"),
        ("DE", "33612345678", "+4933612345678"),  # as it is dialled there goes first
        ("DE", "0491 12345", "+4949112345"),
        ("FR", "33612345678", "+33612345678"),
        ("IN", "919876543210", "+919876543210"),
        ("IN", "9198765432", "+919198765432"),
        ("IT", "3931234567", "+393931234567"),
        ("IT", "393312345678", "+393312345678"),
        ("BR", "(51) 98765-4321", "+5551987654321"),
        ("BR", "5511987654321", "+5511987654321"),
        ("BR", "55991234567", "+5555991234567"),
        ("DK", "45123456", "+4545123456"),
        ("RU", "79123456789", "+79123456789"),
        ("RU", "89123456789", "+79123456789"),
        ("US", "011 44 20 8366 1177", "+442083661177"),
        ("US", "020 8366 1177", None),
        ("US", "12", None),
        ("US", "2026-11-21", None),
    ],
)
def test_a_number_is_read_as_it_is_dialled_in_its_region(region: str, value: str, expected: str | None) -> None:
    """`e164(US)` and `e164(column)` read a number in its region first, then with its country code first."""
    assert made([f"e164({region})"], [value]) == [expected]
    assert made(["e164(country)"], [value], columns={"country": [region]}) == [expected]


@pytest.mark.parametrize("step", ["e164", "e164(US)", "e164(GB)"])
def test_after_a_plus_sign_a_possible_length_is_enough(step: str) -> None:
    """Numbers that are new, or reserved for films and tests, are numbers where the plus sign says their country."""
    values = ["+44 7700 900123", "+33 6 39 98 00 01", "07700 900123", "447700900123", "+1 555 0100", "+1555", "+999 1"]
    assert made([step], values) == ["+447700900123", "+33639980001", *[None] * 5]
    behind = ["(+44) 7700 900123", "tel:+44-7700-900123", "'+447700900123", "Mobile: \uff0b44 7700 900123"]
    assert made([step], behind) == ["+447700900123"] * 4


def test_without_a_region_a_number_needs_its_country_code() -> None:
    """What is valid only as it is dialled in a region is null without one."""
    values = ["(650) 555-1212", "020 8366 1177", "07911 123456", "12", "+", "00", "", "nobody"]
    assert made(["e164"], values) == [None] * len(values)


def test_each_number_has_the_region_beside_it() -> None:
    """`e164(column)` forgives case, blanks, three letters and `UK`; null and unknown codes are no region."""
    codes = ["GB", " gb ", "UK", "GBR", "gbr", None, "", "Britain", "US", "XX"]
    expected = ["+442083661177"] * 5 + [None] * 5
    assert made(["e164(c)"], ["020 8366 1177"] * 10, columns={"c": codes}) == expected
    international = made(["e164(c)"], ["+44 20 8366 1177"] * 10, columns={"c": codes})
    assert international == ["+442083661177"] * 10
    assert made(["e164(c)"], [None], pl.String, columns={"c": ["US"]}) == [None]


def test_a_region_beside_the_numbers_is_text() -> None:
    """X1: a column of another type is named with its type; one without values is no region."""
    with pytest.raises(ValueError, match=r"e164\(c\): the column 'c' is a whole number \(Int64\); expected text"):
        made(["e164(c)"], ["1"], columns={"c": [1]})
    assert made(["e164(c)"], ["18005550100"], columns={"c": [None]}) == ["+18005550100"]


# What others ask of a mapping's transforms


def test_a_mapping_tells_which_columns_its_transforms_read() -> None:
    """A column in the brackets of `e164` is read, a region is none; two capital letters are a region."""
    assert transforms.columns_read(["trim", "e164(address.country)", "sha256"]) == ("address.country",)
    assert transforms.columns_read(["e164", "e164(US)", "default(x)"]) == ()


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (["trim", "sha256"], "sha256"),
        (["sha256", "base64"], "sha256_base64"),
        (["hash_unless_hashed"], "sha256"),
        (["hash_unless_hashed(md5_base64)"], "md5_base64"),
        (["sha256", "upper"], None),
        (["base64"], None),
        ([], None),
    ],
)
def test_a_mapping_tells_which_hashes_a_column_holds(steps: list[str], expected: str | None) -> None:
    """The last transform says whether the column holds hashes, and in which form."""
    assert transforms.ends_hashed(steps) == expected
