"""``e164`` of distinct numbers, against libphonenumber alone: ``python -m benchmarks.phone_numbers [NUMBERS]``.

The numbers are of mobile and fixed lines in fifteen countries, written as in ``FORMS``. One in ten is mistyped.
The figures are numbers a second of CPU time, in one process, without the start.
"""

import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial

import phonenumbers
import polars as pl
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from muster.activation.values import phones

COUNTRIES = ("US", "DE", "GB", "FR", "IT", "ES", "NL", "SE", "PL", "CA", "BR", "IN", "JP", "AU", "MX")
KINDS = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE)
FORMS = {
    "E.164": (PhoneNumberFormat.E164,),
    "international": (PhoneNumberFormat.INTERNATIONAL,),
    "national, country beside": (PhoneNumberFormat.NATIONAL,),
    "all of these": (PhoneNumberFormat.E164, PhoneNumberFormat.INTERNATIONAL, PhoneNumberFormat.NATIONAL),
}
_NUMBERS, _RUNS = 200_000, 5
_FOR_THE_LIBRARY = 10  # times as few, as it takes so much longer


def numbers(count: int, form: str) -> pl.DataFrame:
    """``count`` different numbers: ``number``, ``country`` (String)."""
    draw = random.Random(form)  # noqa: S311  # the same numbers each time
    found: dict[str, str] = {}
    while len(found) < count:
        country = draw.choice(COUNTRIES)
        found[_number(country, form, draw)] = country
    return pl.DataFrame({"number": list(found), "country": list(found.values())})


def _number(country: str, form: str, draw: random.Random) -> str:
    """A number whose last digits are drawn: often one that is in use."""
    example = phonenumbers.example_number_for_type(country, draw.choice(KINDS))
    known = phonenumbers.national_significant_number(example)
    national = known[:3] + "".join(draw.choices("0123456789", k=len(known) - 3))
    text = phonenumbers.format_number(
        phonenumbers.parse(f"+{example.country_code}{national}"), draw.choice(FORMS[form])
    )
    place = draw.randrange(len(text)) if draw.random() < 0.1 else len(text)
    return text[:place] + text[place + 1 :]


def muster(frame: pl.DataFrame) -> list[str | None]:
    """The numbers in E.164, by the transform ``e164(country)``."""
    return frame.select(phones.e164_beside(pl.col("number"), pl.col("country"))).to_series().to_list()


def library(frame: pl.DataFrame) -> list[str | None]:
    """The numbers in E.164, each parsed, checked and formatted by libphonenumber."""
    return [_by_library(*row) for row in frame.iter_rows()]


def _by_library(number: str, country: str) -> str | None:
    try:
        found = phonenumbers.parse(number, country)
    except phonenumbers.NumberParseException:
        return None
    is_valid = phonenumbers.is_valid_number(found)
    return phonenumbers.format_number(found, PhoneNumberFormat.E164) if is_valid else None


def _rate(work: Callable[[], list[str | None]]) -> float:
    """Numbers a second of CPU time."""
    begin = time.process_time()
    count = len(work())
    return count / (time.process_time() - begin)


def main(count: int) -> dict[str, dict[str, float]]:
    """Medians of both ways, in turns: numbers a second by form and way."""
    found = {}
    for form in FORMS:
        frame = numbers(count, form)
        few = frame.head(count // _FOR_THE_LIBRARY)
        muster(few), library(few)  # what is loaded and compiled once is not counted
        rates = [(_rate(partial(muster, frame)), _rate(partial(library, few))) for _ in range(_RUNS)]
        ours, theirs = (round(statistics.median(each)) for each in zip(*rates, strict=True))
        found[form] = {"muster": ours, "libphonenumber alone": theirs}
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(int(sys.argv[1]) if len(sys.argv) > 1 else _NUMBERS), indent=2) + "\n")
