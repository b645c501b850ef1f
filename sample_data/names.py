"""Invented names, places and phone numbers; e-mail domains and number ranges are those reserved for examples."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

T = TypeVar("T")

_FIRST_NAMES = (
    "Ada Aisha Albert Amara Amélie André Anika Anouk Ben Beatriz Björn Camille Carla Chloé Clara Daniel David "
    "Diego Dominik Elif "
    "Emma Erik Esther Eva Fatima Felix Finn Frida Gabriel George Giulia Greta Hannah Harriet Hugo Ida Inés "
    "Isaac Ivy Jakub James "
    "Jasmine Joana Jürgen Kofi Laura Léa Leon Liam Lotte Luis Magda Marta Martin Mateo Max Mina Nadia Naomi "
    "Nils Noah Nora Oliver "
    "Omar Oscar Paula Petra Quentin Rafael René Rosa Ruth Sara Seán Sofia Stefan Tara Theo Thérèse Tom Uma "
    "Victor Wanda Xavier Yara "
    "Zoë"
)
_LAST_NAMES = (
    "Abbott Alvarez Baker Bauer Becker Bennett Blanc Brandt Brooks Carvalho Clarke Cohen Costa D'Angelo "
    "Dubois Edwards Evans Faure "
    "Fischer Fontaine Foster Garcia Girard Gomez Graham Gruber Hansen Harris Hoffmann Hughes Ibrahim Jansen "
    "Johnson Kaiser Keller "
    "Khan Klein Kowalski Krüger Lambert Lang Lee Lopez Lorenz MacLeod Mancini Marchand Mercier Meyer Mitchell "
    "Moore Müller Murphy "
    "Navarro Nguyen Novak O'Brien Okafor Olsen Parker Patel Perrin Peters Quinn Ramos Richter Rivera Robinson "
    "Roux Santos Schäfer "
    "Schmidt Silva Smith-Jones St.John Stone Sullivan Taylor Thomas Turner Vogel Wagner Walker Ward White "
    "Wilson Wolf Wright Young "
    "Zimmermann"
)


@dataclass(frozen=True)
class Country:
    """A country of the shop's customers, with its share of them, cities, names and phone numbers.

    ``first`` and ``last`` hold names as (written, in Latin letters).
    """

    code: str
    share: float
    cities: tuple[str, ...]
    first: tuple[tuple[str, str], ...]
    last: tuple[tuple[str, str], ...]
    phone: str = ""  # each # is a digit drawn by chance; empty: the shop has no numbers there


def latin(text: str) -> str:
    """The letters of an e-mail address for a name: plain ASCII, lower case."""
    plain = text.lower().translate(str.maketrans("áäåçéèêëíïóöøúüñ", "aaaceeeeiiooouun"))
    return "".join(letter for letter in plain if letter.isascii() and letter.isalpha())


def _pairs(written: str, plain: str) -> tuple[tuple[str, str], ...]:
    return tuple(zip(written.split(), plain.split(), strict=True))


_FIRST = tuple((name, latin(name)) for name in _FIRST_NAMES.split())
_LAST = tuple((name, latin(name)) for name in _LAST_NAMES.split())

COUNTRIES = (
    Country(
        "US",
        0.42,
        ("Boston", "Chicago", "Denver", "Portland", "St. Louis", "Washington, D.C."),
        _FIRST,
        _LAST,
        "+1 {area} 555 01##",
    ),
    Country("CA", 0.06, ("Montréal", "Québec City", "Toronto"), _FIRST, _LAST, "+1 {area} 555 01##"),
    Country("GB", 0.16, ("Bristol", "Leeds", "London", "Stoke-on-Trent"), _FIRST, _LAST, "+44 7700 900###"),
    Country("DE", 0.14, ("Berlin", "Köln", "München", "Halle (Saale)"), _FIRST, _LAST, "+49 30 23125 ###"),
    Country("FR", 0.10, ("Lyon", "Paris", "L'Haÿ-les-Roses"), _FIRST, _LAST, "+33 6 39 98 ## ##"),
    Country(
        "UA",
        0.04,
        ("Київ", "Львів"),
        _pairs("Олена Дмитро Оксана Андрій Ірина Тарас", "olena dmytro oksana andrii iryna taras"),
        _pairs("Шевченко Коваленко Бондар Мельник Лисенко", "shevchenko kovalenko bondar melnyk lysenko"),
    ),
    Country(
        "JP",
        0.04,
        ("東京", "大阪市"),
        _pairs("陽菜 蓮 結衣 大翔 さくら 健太", "hina ren yui hiroto sakura kenta"),
        _pairs("佐藤 鈴木 高橋 田中 渡辺", "sato suzuki takahashi tanaka watanabe"),
    ),
    Country(
        "IL",
        0.02,
        ("חיפה", "תל אביב-יפו"),
        _pairs("נועה יונתן תמר איתי שירה", "noa yonatan tamar itai shira"),
        _pairs("לוי כהן מזרחי פרץ ביטון", "levi cohen mizrahi peretz biton"),
    ),
    Country(
        "EG",
        0.02,
        ("القاهرة", "الإسكندرية"),
        _pairs("محمد فاطمة أحمد ليلى يوسف", "mohamed fatma ahmed layla youssef"),
        _pairs("حسن إبراهيم السيد منصور فاروق", "hassan ibrahim elsayed mansour farouk"),
    ),
)
AREAS = ("206", "303", "312", "415", "503", "617", "646", "702", "773", "857", "919", "972")
STREETS = (
    "Harbour Road",
    "Mill Lane",
    "Station Street",
    "Oak Avenue",
    "Market Square",
    "Church Hill",
    "Garden Row",
    "Canal Side",
    "Park View",
)
MAIL_HOSTS = ("example.com", "example.com", "example.org", "example.net")


def pick(rng: Random, choices: Sequence[T]) -> T:
    """A random choice, drawn with ``random()`` alone: the one call whose results Python promises to keep."""
    return choices[int(rng.random() * len(choices))]


def between(rng: Random, low: int, high: int) -> int:
    """A whole number from ``low`` to ``high``, both included."""
    return low + int(rng.random() * (high - low + 1))


def chosen(rng: Random, choices: list[str], count: int) -> list[str]:
    """``count`` different choices, drawn at random, in their order."""
    ranked = sorted(choices, key=lambda _: rng.random())[:count]
    return [choice for choice in choices if choice in set(ranked)]


def country(rng: Random) -> Country:
    """A country, by its share of the customers."""
    drawn = rng.random()
    for candidate in COUNTRIES:
        drawn -= candidate.share
        if drawn < 0:
            return candidate
    return COUNTRIES[0]


def phone_number(rng: Random, pattern: str) -> str:
    """A number of a range set aside for fiction: each ``#`` of the pattern becomes a digit."""
    area = pick(rng, AREAS)
    return "".join(str(between(rng, 0, 9)) if letter == "#" else letter for letter in pattern.replace("{area}", area))
