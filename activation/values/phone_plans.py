"""The numbering plans of Google's libphonenumber, for numbers that are written as digits alone (M7).

The library reads any text, and takes up to a tenth of a millisecond for it. The functions here take the steps of the
library for digits, with the patterns of its plans, each compiled once. Tests hold that both read such numbers alike.
"""

import re
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from phonenumbers import PhoneMetadata
    from phonenumbers.phonemetadata import PhoneNumberDesc

Number: TypeAlias = tuple[str, str]  # country code and national number; the code is empty where it is not told

FEWEST_DIGITS, MOST_DIGITS = 7, 20  # of the numbers that are read here
_FEWEST_NATIONAL, _MOST_NATIONAL = 2, 17
_LONGEST_CODE = 3
_KINDS = (
    *("mobile", "fixed_line", "toll_free", "premium_rate", "shared_cost"),
    *("voip", "personal_number", "pager", "uan", "voicemail"),
)


def e164(written: str, region: str | None) -> str | None:
    """The number in E.164; None for one that is not valid. ``written`` is 7 to 20 digits, after a plus sign or not.

    ``region``, two letters, is the region of numbers without a country code. Two zeros stand for the plus sign too.
    """
    home = plan_of_region(region) if region else None
    if written.startswith("+"):
        found = _after_plus(written[1:], home)
        return _text(found) if found and (_is_possible(found) or _is_valid(found)) else None
    code_first = home is not None and home.begins_with_own_code(written)
    for with_code in (code_first, not code_first):
        found = _after_plus(written.removeprefix("00"), None) if with_code else _dialled(written, home)
        if found and _is_valid(found):
            return _text(found)
    return None


@cache
def plan_of_region(region: str) -> "Plan":
    """The numbering plan of a region, two letters."""
    from phonenumbers import PhoneMetadata  # noqa: PLC0415  # takes a tenth of a second

    metadata = PhoneMetadata.metadata_for_region(region)
    if metadata is None:
        raise KeyError(region)
    return Plan(metadata)


@cache
def _plans_of_code(code: str) -> tuple["Plan", ...]:
    """The numbering plans of the regions that share a country code, the main region first; none of an unknown code."""
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata  # noqa: PLC0415  # see ``plan_of_region``

    number = int(code)
    names = COUNTRY_CODE_TO_REGION_CODE.get(number, ())
    found = (PhoneMetadata.metadata_for_region_or_calling_code(number, name) for name in names)
    return tuple(Plan(metadata) for metadata in found if metadata)


def _text(number: Number) -> str:
    code, national = number
    return f"+{code}{national}"


def _after_plus(digits: str, home: "Plan | None") -> Number | None:
    """The number after a plus sign; without a known country code it may be one that is dialled in the region."""
    found = _with_code(digits)
    if found is None and home:
        found = home.split(digits)
    if not found or not found[0]:
        return None
    code, rest = found
    return _plans_of_code(code)[0].number(rest)


def _dialled(digits: str, home: "Plan | None") -> Number | None:
    """The number that is dialled in the region."""
    found = home.split(digits) if home else None
    if not home or not found:
        return None
    code, rest = found
    return (_plans_of_code(code)[0] if code else home).number(rest)


def _with_code(digits: str) -> Number | None:
    """Country code and rest of a number whose country code stands first; None where there is no such code."""
    if not digits.startswith("0"):  # no code does
        for end in range(1, min(len(digits), _LONGEST_CODE) + 1):
            if _plans_of_code(digits[:end]):
                return digits[:end], digits[end:]
    return None


def _is_possible(number: Number) -> bool:
    """Whether a number is as long as numbers of its country are, from outside of that."""
    code, national = number
    return _plans_of_code(code)[0].is_possible(national)


def _is_valid(number: Number) -> bool:
    """Whether libphonenumber knows a number to be in use."""
    code, national = number
    plans = _plans_of_code(code)
    if len(plans) == 1:
        return plans[0].has(national)
    for plan in plans:
        if plan.leading_digits is None:
            if plan.has(national):
                return True
        elif plan.leading_digits.match(national):
            return plan.has(national)
    return False


class Plan:
    """The numbering plan of a region, or of a country code that is of no region."""

    def __init__(self, metadata: "PhoneMetadata") -> None:
        general = metadata.general_desc
        self.leading_digits = _compiled(metadata.leading_digits)  # of a region that shares its code with others
        self._metadata = metadata
        self._code = str(metadata.country_code)
        self._trunk_prefix = (metadata.national_prefix or "").replace("~", "")
        self._national = _compiled(_pattern(general))
        self._national_prefix = _compiled(metadata.national_prefix_for_parsing)
        self._international_prefix = _compiled(metadata.international_prefix)
        self._rule = metadata.national_prefix_transform_rule or ""
        self._lengths = general.possible_length if general else ()
        self._local_lengths = general.possible_length_local_only if general else ()  # without an area code
        self._kinds: dict[int, re.Pattern[str] | None] = {}  # by the number of digits

    def begins_with_own_code(self, digits: str) -> bool:
        """Whether a number begins with the region's country code, where numbers are dialled with another prefix."""
        prefix = self._trunk_prefix
        return prefix != "" and digits.startswith(self._code) and not digits.startswith(prefix)

    def is_possible(self, national: str) -> bool:
        """Whether a national number is as long as some are."""
        return len(national) in self._lengths and len(national) not in self._local_lengths

    def has(self, national: str) -> bool:
        """Whether a national number is of a kind that the plan knows."""
        length = len(national)
        if length not in self._kinds:
            self._kinds[length] = self._kinds_of(length)
        kinds = self._kinds[length]
        return kinds is not None and kinds.fullmatch(national) is not None

    def number(self, dialled: str) -> Number | None:
        """The number of which the national part is dialled, with a prefix or without; None where that is no number."""
        if len(dialled) < _FEWEST_NATIONAL:
            return None
        national = self._without_prefix(dialled)
        if national is not dialled and not (self.is_possible(national) or self._is_too_long(national)):
            national = dialled
        return (self._code, national) if _FEWEST_NATIONAL <= len(national) <= _MOST_NATIONAL else None

    def split(self, dialled: str) -> Number | None:
        """Country code and rest of a number that is dialled in the region; a national number has an empty code.

        None for a number that is dialled as one of another country, and has no country code.
        """
        abroad = self._international_prefix.match(dialled) if self._international_prefix else None
        if abroad and not dialled.startswith("0", abroad.end()):
            rest = dialled[abroad.end() :]
            return _with_code(rest) if len(rest) > _FEWEST_NATIONAL else None
        if dialled.startswith(self._code):
            rest = self._without_prefix(dialled[len(self._code) :])
            if (not self._is_national(dialled) and self._is_national(rest)) or self._is_too_long(dialled):
                return self._code, rest
        return "", dialled

    def _without_prefix(self, dialled: str) -> str:
        """A national number without what is dialled before it, which stays where it is part of the number."""
        prefix = self._national_prefix
        found = prefix.match(dialled) if prefix and dialled else None
        if not prefix or not found:
            return dialled
        if self._rule and found.groups()[-1] is not None:
            rest = prefix.sub(self._rule, dialled, count=1)
        else:
            rest = dialled[found.end() :]
        return rest if self._is_national(rest) or not self._is_national(dialled) else dialled

    def _is_national(self, digits: str) -> bool:
        return self._national is not None and self._national.fullmatch(digits) is not None

    def _is_too_long(self, digits: str) -> bool:
        return len(digits) not in self._local_lengths and len(digits) > self._lengths[-1]

    def _kinds_of(self, length: int) -> re.Pattern[str] | None:
        """The pattern of all national numbers of this many digits that are of a kind; None where there are none."""
        kinds = [getattr(self._metadata, kind) for kind in _KINDS]
        known = [each for each in kinds if each and length in (each.possible_length or [length])]
        patterns = [f"(?:{pattern})" for each in known if (pattern := _pattern(each))]
        if not patterns or not self._national or length not in self._lengths:
            return None
        return re.compile(rf"(?=(?:{self._national.pattern})\Z)(?:{'|'.join(patterns)})")


def _pattern(description: "PhoneNumberDesc | None") -> str | None:
    return description.national_number_pattern if description else None


def _compiled(pattern: str | None) -> re.Pattern[str] | None:
    return re.compile(pattern) if pattern else None
