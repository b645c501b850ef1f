"""Numbers of digits and separators are read by libphonenumber's plans as the library itself reads them (M7)."""

import random
from collections.abc import Iterator

import phonenumbers
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import PhoneNumber, PhoneNumberFormat, PhoneNumberType

from muster.activation.values import phone_plans, phones
from muster.activation.values.phones import _digits_alone as digits_alone

REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
KINDS = [value for value in vars(PhoneNumberType).values() if isinstance(value, int)]
FORMS = (PhoneNumberFormat.E164, PhoneNumberFormat.INTERNATIONAL, PhoneNumberFormat.NATIONAL)
# What people write before a national number: nothing, a trunk prefix, the country code (C) in many ways, prefixes to
# call abroad, prefixes of carriers and area codes.
BEFORE = (
    *("", "0", "C", "00C", "+C", "+C0", "+C(0)", "0 0C", "C0", "011C", "810C", "0011C", "(", "+", "+00C"),
    *("1", "8", "15", "90", "031", "+0C"),
)
CHARACTERS = "0123456789 ()./-+"
# full-width digits and plus sign, Arabic digits, letters of vanity numbers, extensions, separators that are no ASCII
ODD = "\uff10\uff15\uff0b\u0660\u0665xXeEtT#;,:*~'\u00a0\u2010\u2212\t\n"


def examples() -> list[tuple[str, PhoneNumber]]:
    """The library's own example of each kind of number of each region and country code."""
    found = [(each, phonenumbers.example_number_for_type(each, kind)) for each in REGIONS for kind in KINDS]
    codes = phonenumbers.COUNTRY_CODE_TO_REGION_CODE
    found += [("US", phonenumbers.example_number_for_non_geo_entity(code)) for code in codes]
    return [(region, number) for region, number in found if number]


def written(number: PhoneNumber, draw: random.Random) -> Iterator[str]:
    """A number as it is written, in some ways that are right and some that are not."""
    for form in draw.sample(FORMS, 2):
        yield phonenumbers.format_number(number, form)
    national = phonenumbers.national_significant_number(number)
    for before in draw.sample(BEFORE, 3):
        yield f"{before.replace('C', str(number.country_code))}{national}"


def mistyped(text: str, draw: random.Random) -> str:
    """The text with a character more, less or another one."""
    place = draw.randrange(len(text) + 1)
    return text[:place] + draw.choice(("", draw.choice(CHARACTERS))) + text[place + draw.randrange(2) :]


def by_library(text: str, region: str | None) -> str | None:
    """The number as the library reads it."""
    return phones._of_one.__wrapped__(text, region)  # noqa: SLF001


def assert_alike(texts: list[str], region: str | None) -> int:
    """Both read the texts alike; returns how many of them the plans read."""
    numbers = pl.Series(texts, dtype=pl.String)
    found = pl.select(phones.e164(pl.lit(numbers), region)).to_series().to_list()
    for text, one in zip(texts, found, strict=True):
        assert one == by_library(text, region), (text, region)
    return len(digits_alone(numbers).drop_nulls())


def test_the_plans_read_every_kind_of_number_of_every_region_as_the_library_does() -> None:
    """M7: the examples of the library, written in many ways, right and mistyped, there, elsewhere and nowhere."""
    draw = random.Random(20261121)  # noqa: S311  # the same numbers each time
    by_region: dict[str | None, list[str]] = {}
    for region, number in examples():
        for text in written(number, draw):
            by_region.setdefault(region, []).append(text)
            by_region.setdefault(draw.choice((None, None, *REGIONS)), []).append(mistyped(text, draw))
    assert len(by_region) == len(REGIONS) + 1
    read = sum(assert_alike(texts, region) for region, texts in by_region.items())
    assert read > 0.9 * sum(map(len, by_region.values()))


@given(
    texts=st.lists(
        st.one_of(
            st.text(CHARACTERS, max_size=24),
            st.text(CHARACTERS + ODD, max_size=24),
            st.from_regex(r"\A[+(]?(?:00|011)?[1-9][0-9 ()-]{5,16}\Z"),
        ),
        max_size=20,
    ),
    region=st.sampled_from((None, "US", "DE", "GB", "JP", "AR", "BR", "MX", "IT", "KZ", "JE", "AG", "NF", "SM")),
)
def test_any_text_is_read_as_the_library_reads_it(texts: list[str], region: str | None) -> None:
    """M7: hostile text, digits of other scripts, extensions and letters make no difference."""
    assert_alike(texts, region)


@pytest.mark.parametrize(
    "text",
    [
        *("\uff0b4915123456789", "+4915123456\uff17\uff18\uff19", "\u0664\u0669151234567", "1-800-FLOWERS"),
        *("+49 151 23456789 ext. 3", "tel:+4915123456789", "+4915123456789;ext=5", "+49 151 23456789 x12"),
        *("0-049 151 23456789", "0 049 151 23456789", "+49+15123456789", "++4915123456789", "4915123456789+"),
        *("12345", "+1", "", "-", "+", "+4915123456789\n", "\t+4915123456789", "9" * 21, "+" + "9" * 300),
        "4915123456789" + " " * 60,
    ],
)
def test_other_text_is_left_to_the_library(text: str) -> None:
    """M7: only what is surely digits and separators, of a usual length, is read by the plans."""
    assert digits_alone(pl.Series([text])).to_list() == [None]
    for region in (None, "DE", "US"):
        assert_alike([text], region)


def test_numbers_beside_a_country_code_are_read_in_its_region() -> None:
    """M7: each number in the region of the code beside it; unknown codes and null are no region."""
    rows = [("0151 23456789", "DE"), ("(415) 555-2671", "USA"), ("0151 23456789", None), ("0151 23456789", "??")]
    rows += [("+49 151 23456789", None), ("07400 123456", " gb "), ("4155552671", ""), (None, "DE")]
    frame = pl.DataFrame(rows, schema={"number": pl.String, "code": pl.String}, orient="row")
    found = frame.select(phones.e164_beside(pl.col("number"), pl.col("code")).alias("e164"))["e164"].to_list()
    assert found == ["+4915123456789", "+14155552671", None, None, "+4915123456789", "+447400123456", None, None]


def test_a_region_without_a_plan_is_an_error() -> None:
    """Regions are checked before (M7): one that is unknown here is a mistake of the caller."""
    with pytest.raises(KeyError):
        phone_plans.e164("+4915123456789", "XX")
