"""Telephone numbers in E.164, ``+14155552671``: what Google's library makes of them. Pure: expressions in, expressions out."""

from functools import cache, lru_cache, partial

import polars as pl

_RECENT = 1 << 16  # numbers that are remembered from one batch of rows to the next


def e164(numbers: pl.Expr, region: str | None) -> pl.Expr:
    """Each number as a plus sign and digits, country code first; null for what is no valid number.

    ``region``: whose numbers those without a country code are; without one, they are no numbers.
    """
    return numbers.map_batches(partial(_of_all, region=region), return_dtype=pl.String(), is_elementwise=True)


@cache
def regions() -> frozenset[str]:
    """The two letters of every region that has numbers."""
    from phonenumbers import SUPPORTED_REGIONS  # noqa: PLC0415  # a tenth of a second that only numbers need

    return frozenset(SUPPORTED_REGIONS)


def _of_all(numbers: pl.Series, region: str | None) -> pl.Series:
    """Made once for equal ones in a batch, and in those just before it: the library takes as long for one as hashing does for hundreds."""
    distinct = numbers.drop_nulls().unique()
    made = pl.Series([_of_one(number, region) for number in distinct], dtype=pl.String)
    return numbers.replace_strict(distinct, made, default=None, return_dtype=pl.String)


@lru_cache(_RECENT)
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
