"""The loyalty club of the second sample: a CRM, loyalty cards and web visits, each with keys of its own.

Nothing says beforehand which of their records are one person: e-mail addresses, phone numbers and browsers do.
"""

from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

from muster.sample_data import CLUB, DAYS
from muster.sample_data.names import MAIL_HOSTS, between, country, phone_number, pick
from muster.sample_data.people import email

Record = dict[str, Any]  # one row of a source, in the types of sample_data.make

CUSTOMERS = 400  # of the CRM, C000001 to C000400
CARDS = 300  # LC30000001 to LC30000300; a card's number tells nothing of its customer
KNOWN_CARDS = 240  # of the cards, those whose e-mail address or phone the CRM has too
COOKIES = 220
TILL, TILL_CARDS = "kasse@acme-shop.example", 24  # typed by shops for customers without an address
NOBODY = "none@none.com"
TABLET_VISITORS = 26  # customers who signed in at the tablet of a shop
TIERS = ("bronze", "bronze", "bronze", "silver", "silver", "gold")
CATEGORIES = ("boots", "camping", "camping", "jackets", "lamps")
_OPENED = datetime(2026, 11, 1, tzinfo=UTC)  # the first day of the club's cards


def customers(day: date) -> list[Record]:
    """The snapshot of the CRM on a day: all customers, sorted by id; three records lack an id."""
    rng = Random("club customers")
    found = [_customer(rng, number) for number in range(1, CUSTOMERS + 1)]
    _households(found)
    _cast(found)
    for each in found[::40]:
        each["email"] = each["email"] and f" {each['email'].upper()}"  # typed by hand, somewhere
    nameless = [
        _customer(rng, number) | {"crm_id": crm_id} for number, crm_id in ((901, None), (902, ""), (903, "N/A"))
    ]
    if day == DAYS[1]:
        found.append(_customer(rng, CUSTOMERS + 1) | {"updated_at": _moment(DAYS[0], 15, 20)})
    return found + nameless


def cards() -> list[Record]:
    """Every row that the club's programme wrote about cards, by time: the first of a card, then changes of some."""
    rng = Random("cards")
    known = customers(DAYS[0])
    found = [_card(rng, number, known) for number in range(1, CARDS + 1)]
    by_number = {each["card"]: each for each in found}
    by_number[CLUB["merged"].keys[1]] |= {"email": "nora.b@example.org", "phone": None, "newsletter": True}
    by_number[CLUB["merged"].keys[1]] |= {
        "tier": "gold",
        "points": 1340,
        "updated_at": _moment(date(2026, 11, 15), 11, 30),
    }
    by_number[CLUB["closed"].keys[0]] |= {"email": "jun.watanabe@example.net", "phone": None, "newsletter": True}
    points, closed = by_number[CLUB["points"].keys[1]], by_number[CLUB["closed"].keys[0]]
    points |= {"email": "rosa.marchand@example.com", "phone": None, "newsletter": True}
    changes = [
        points | {"points": points["points"] + 250, "updated_at": _moment(DAYS[0], 16, 5)},
        closed | {"is_deleted": True, "updated_at": _moment(DAYS[0], 18, 40)},
    ]
    for each in sorted(by_number)[::15]:
        if each not in {key for person in CLUB.values() for key in person.keys}:
            later = _moment(DAYS[0], 9, 0) + timedelta(seconds=between(rng, 0, 8 * 3600))
            changes.append(
                by_number[each] | {"points": by_number[each]["points"] + between(rng, 5, 90), "updated_at": later}
            )
    return sorted([*found, *changes], key=lambda each: (each["updated_at"], each["card"]))


def visits() -> list[Record]:
    """What browsers did on the web site, by time; ``email`` is there when somebody signed in."""
    rng = Random("club visits")
    known = [each for each in customers(DAYS[0]) if each["email"] and each["crm_id"]]
    cast = {key for person in CLUB.values() for key in person.keys}
    others = [each for each in known if each["crm_id"] not in cast]
    found: list[Record] = []
    for number in range(COOKIES):
        owner = pick(rng, others) if number % 5 < 3 else None
        found += _browser(rng, _cookie(rng), owner["email"].strip().lower() if owner else None)
    tablet = _cookie(rng)
    for each in others[:TABLET_VISITORS]:
        moment = _moment(date(2026, 11, 3), 10, 0) + timedelta(hours=between(rng, 0, 380))
        found.append(_visit(tablet, moment, "sign_in", email=each["email"].strip().lower()))
    found += _story(_cookie(rng), _cookie(rng))
    return sorted(found, key=lambda each: (each["timestamp"], each["ecid"], each["event_type"]))


def _customer(rng: Random, number: int) -> Record:
    home = country(rng)
    (first, plain_first), (last, plain_last) = pick(rng, home.first), pick(rng, home.last)
    address = email(plain_first, plain_last, str(number), pick(rng, MAIL_HOSTS))
    phone = phone_number(rng, home.phone)
    return {
        "crm_id": f"C{number:06d}",
        "email": address if rng.random() < 0.93 else None,
        "phone": phone.replace(" ", "") if phone and rng.random() < 0.6 else None,
        "person": {"name": {"first": first, "last": last}},
        "city": pick(rng, home.cities),
        "country": home.code,
        "newsletter": rng.random() < 0.5,
        "updated_at": _moment(DAYS[0], 0, 0) - timedelta(seconds=between(rng, 5 * 86400, 700 * 86400)),
    }


def _households(found: list[Record]) -> None:
    """Let five pairs of customers share an e-mail address: still ten people, as each has a CRM number."""
    for number in (60, 120, 180, 240, 300):
        one, other = found[number : number + 2]
        one["email"] = one["email"] or f"household{number}@example.com"
        other["person"]["name"]["last"] = one["person"]["name"]["last"]
        other["email"] = one["email"]


def _cast(found: list[Record]) -> None:
    """Give the people of the story their names and addresses."""
    by_id = {each["crm_id"]: each for each in found}
    for person in CLUB.values():
        if (record := by_id.get(person.keys[0])) is not None:
            address = email(person.first.lower(), person.last.lower(), "", "example.com")
            name = {"name": {"first": person.first, "last": person.last}}
            record.update(email=address, phone=None, person=name, newsletter=True)
    nora = by_id[CLUB["merged"].keys[0]]
    nora.update(city="Berlin", country="DE", updated_at=_moment(date(2026, 11, 12), 9, 15))


def _card(rng: Random, number: int, known: list[Record]) -> Record:
    """The first row of a card: of a customer whom the CRM knows by e-mail address or phone, or of somebody else."""
    customer = (
        known[(number * 7 + 3) % CUSTOMERS]
        if number <= KNOWN_CARDS
        else {"email": f"card{number}@example.org", "phone": None}
    )
    address, phone = customer["email"], customer["phone"]
    if address is None or rng.random() < 0.15:
        address = None if phone else f"card{number}@example.net"
    if number > CARDS - TILL_CARDS:
        address = TILL
    elif number > CARDS - TILL_CARDS - 8:
        address = NOBODY
    is_shared = address in {TILL, NOBODY}
    return {
        "card": f"LC{30_000_000 + number}",
        "email": address and address.strip().lower(),
        "phone": phone if rng.random() < 0.7 or address is None else None,
        "tier": pick(rng, TIERS),
        "points": between(rng, 0, 60) * 50 + between(rng, 0, 49),
        "newsletter": not is_shared and rng.random() < 0.4,
        "updated_at": _OPENED + timedelta(seconds=between(rng, 8 * 3600, 18 * 86400)),
        "is_deleted": False,
    }


def _cookie(rng: Random) -> str:
    """An ECID: 38 digits."""
    return "".join(str(between(rng, 0, 9)) for _ in range(38))


def _browser(rng: Random, ecid: str, owner: str | None) -> list[Record]:
    """The visits of one browser over three weeks; whoever owns it signs in once or twice."""
    start = _OPENED + timedelta(hours=between(rng, 0, 24 * 18))
    moments = sorted(start + timedelta(minutes=between(rng, 0, 2 * 24 * 60)) for _ in range(between(rng, 3, 14)))
    signed_in = {moments[0], moments[-1]} if owner else set()
    return [
        _visit(ecid, moment, "sign_in", email=owner)
        if moment in signed_in
        else _visit(ecid, moment, "view", category=pick(rng, CATEGORIES))
        for moment in moments
    ]


def _story(noras: str, emils: str) -> list[Record]:
    """One browser in which two addresses were used, and one whose owner signs in after three anonymous visits."""
    return [
        _visit(noras, _moment(date(2026, 11, 18), 20, 2), "sign_in", email="nora.berg@example.com"),
        _visit(noras, _moment(date(2026, 11, 18), 20, 9), "view", category="boots"),
        _visit(noras, _moment(DAYS[0], 19, 12), "sign_in", email="nora.b@example.org"),
        *(_visit(emils, _moment(date(2026, 11, day), 21, day), "view", category="camping") for day in (15, 17, 19)),
        _visit(emils, _moment(DAYS[0], 20, 40), "sign_in", email="emil.falk@example.com"),
    ]


def _visit(ecid: str, moment: datetime, kind: str, *, email: str | None = None, category: str | None = None) -> Record:
    return {"ecid": ecid, "email": email, "timestamp": moment, "event_type": kind, "category": category}


def _moment(day: date, hour: int, minute: int) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)
