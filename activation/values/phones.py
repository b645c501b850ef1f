"""Telephone numbers in E.164, ``+14155552671``, by Google's libphonenumber (M7)."""

from functools import cache, lru_cache, partial

import polars as pl

_CACHED = 1 << 16  # numbers that are cached from one batch of rows to the next


def e164(numbers: pl.Expr, region: str | None) -> pl.Expr:
    """Each number (String) as a plus sign and digits, country code first; null for a number that is not valid.

    ``region`` is the region of numbers without a country code; without ``region``, such numbers are not valid.
    """
    return numbers.map_batches(partial(_of_all, region=region), return_dtype=pl.String(), is_elementwise=True)


@cache
def regions() -> frozenset[str]:
    """The two-letter codes of all regions that have telephone numbers."""
    from phonenumbers import SUPPORTED_REGIONS  # noqa: PLC0415  # takes a tenth of a second

    return frozenset(SUPPORTED_REGIONS)


def _of_all(numbers: pl.Series, region: str | None) -> pl.Series:
    """The numbers of a batch. Equal numbers are parsed once: parsing takes hundreds of times as long as hashing."""
    distinct = numbers.drop_nulls().unique()
    parsed = pl.Series([_of_one(number, region) for number in distinct], dtype=pl.String)
    return numbers.replace_strict(distinct, parsed, default=None, return_dtype=pl.String)


@lru_cache(_CACHED)
def _of_one(number: str, region: str | None) -> str | None:
    import phonenumbers  # noqa: PLC0415  # see ``regions``

    try:
        found = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return None
    return (
        phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.E164)
        if phonenumbers.is_valid_number(found)
        else None
    )
