"""Telephone numbers in E.164, ``+14155552671``, by Google's libphonenumber (M7).

A number with a region is read as it is dialled there. A number that is not valid then, and any number without a region,
is read with its country code first, whether or not a plus sign stands before the code. Numbers are valid that
libphonenumber knows to be in use; after a plus sign a possible length is enough, as plans change faster than libraries.
Digits with spaces, brackets, dots, slashes or hyphens are read by ``phone_plans``, other text by the library itself.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import repeat
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

from muster.activation.values import phone_plans
from muster.activation.values.regions import region_of

_CACHED = 1 << 16  # numbers of other text that are cached from one batch of rows to the next
_MARKS = "[ ()./-]"
_DIGITS_ALONE = rf"^\+?[0-9]{{{phone_plans.FEWEST_DIGITS},{phone_plans.MOST_DIGITS}}}$"
_LONGEST = 60  # bytes of text that is read as digits; the library refuses longer text than 250 characters
_BEFORE_DIGITS = re.compile(r"\A\D*")  # a bracket, `tel:`, an apostrophe of a spreadsheet
_BEFORE_CODE = re.compile(r"\A\D*(?:00)?")  # no country code begins with 0, so two zeros stand for the plus sign
_SHORTEST = 7  # digits of a number with its country code
_NO_DIGITS = re.compile(r"\D")
_PLUS = ("+", "\uff0b")


def e164(numbers: pl.Expr, region: str | None) -> pl.Expr:
    """Each number (String) as a plus sign and digits, country code first; null for text that is no number.

    ``region`` is the region of numbers without a country code; without ``region``, all numbers need one.
    """
    return numbers.map_batches(partial(_of_all, region=region), return_dtype=pl.String(), is_elementwise=True)


def e164_beside(numbers: pl.Expr, codes: pl.Expr) -> pl.Expr:
    """``e164`` of each number in the region of the country code beside it (String).

    Null and unknown codes are no region.
    """
    return pl.map_batches([numbers, codes], _of_pairs, return_dtype=pl.String(), is_elementwise=True)


def _of_all(numbers: pl.Series, region: str | None) -> pl.Series:
    """The numbers of a batch. Equal numbers are parsed once: parsing takes many times as long as hashing."""
    distinct = numbers.drop_nulls().unique()
    parsed = _parsed(distinct, repeat(region))
    return numbers.replace_strict(distinct, parsed, default=None, return_dtype=pl.String())


def _of_pairs(columns: Sequence[pl.Series]) -> pl.Series:
    """The numbers of a batch, each in the region of the code beside it; equal pairs are parsed once."""
    numbers, codes = columns
    pairs = pl.DataFrame({"number": numbers, "code": codes})
    distinct = pairs.drop_nulls("number").unique()
    regions = {code: region_of(code) if code else None for code in distinct["code"].unique()}
    parsed = _parsed(distinct["number"], map(regions.get, distinct["code"].to_list()))
    found = distinct.with_columns(parsed.alias("e164"))
    return pairs.join(found, on=["number", "code"], how="left", nulls_equal=True, maintain_order="left")["e164"]


def _parsed(numbers: pl.Series, regions: Iterable[str | None]) -> pl.Series:
    """Each number in its region, in E.164; no number is null."""
    each = zip(numbers.to_list(), _digits_alone(numbers).to_list(), regions, strict=False)  # one region may be endless
    found = (phone_plans.e164(bare, at) if bare else _of_one(number, at) for number, bare, at in each)
    return pl.Series(list(found), dtype=pl.String)


def _digits_alone(numbers: pl.Series) -> pl.Series:
    """The digits of each number, after a plus sign if one comes first; null for a number with other characters.

    Two zeros with something between them do not stand for a plus sign, and no digits can say so: those are null too.
    """
    bare = numbers.str.replace_all(_MARKS, "")
    is_odd = bare.str.starts_with("00") & ~numbers.str.contains(rf"^{_MARKS}*00")
    is_read = bare.str.contains(_DIGITS_ALONE) & ~is_odd & (numbers.str.len_bytes() <= _LONGEST)
    return bare.zip_with(is_read, pl.Series([None], dtype=pl.String))


@lru_cache(_CACHED)
def _of_one(number: str, region: str | None) -> str | None:
    import phonenumbers  # noqa: PLC0415  # takes a tenth of a second

    before = _BEFORE_DIGITS.match(number)
    has_plus = before is not None and any(sign in before[0] for sign in _PLUS)
    for text, at in _readings(number, region):
        try:
            found = phonenumbers.parse(text, at)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(found) or (has_plus and _is_possible(found)):
            return phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.E164)
    return None


def _is_possible(found: "PhoneNumber") -> bool:
    """Whether a number is as long as numbers of its country are, from outside of that."""
    import phonenumbers  # noqa: PLC0415  # see ``_of_one``

    possible: bool = phonenumbers.is_possible_number_with_reason(found) == phonenumbers.ValidationResult.IS_POSSIBLE
    return possible


def _readings(number: str, region: str | None) -> Iterator[tuple[str, str | None]]:
    """The number as it is dialled in the region, and with its country code first where no plus sign says so.

    A number that begins with the region's own country code, and not as one dials there, is read with that first.
    """
    dialled, with_code = (number, region), (_BEFORE_CODE.sub("+", number), None)
    digits = _NO_DIGITS.sub("", number)
    if len(digits) < _SHORTEST or any(sign in number for sign in _PLUS):
        yield dialled
    elif region and phone_plans.plan_of_region(region).begins_with_own_code(digits):
        yield from (with_code, dialled)
    else:
        yield from (dialled, with_code)
