"""The customers of the first day: ordinary ones drawn at random, and some whose values break careless exports."""

from copy import deepcopy
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from muster.sample_data import DAYS, STORY
from muster.sample_data.names import MAIL_HOSTS, STREETS, Country, between, chosen, country, latin, phone_number, pick

Profile = dict[str, Any]  # one row of a snapshot, in the types of sample_data.make.PROFILES

COUNT = 1999  # ids 00001 to 01999; the old till's id "42" makes 2,000
TAGS = ["camping", "click-and-collect", "cyclist", "dog owner", "gift cards", "kids", "student", "trade"]
BLACK_FRIDAY = "black-friday"
TIERS = ("bronze", "bronze", "bronze", "silver", "silver", "gold", "platinum")

# Values of customers by their id. The ids sort first, so that they are easy to find in a file.
AWKWARD: dict[str, Profile] = {
    "00001": {"first": 'Robert "Bob"', "last": "Miller", "address": '12 Oak Avenue, "The Barn"'},
    "00002": {"first": "Anne", "last": "Smith, Jr.", "tags": ['says "hi", twice', "kids"]},
    "00003": {"first": "Charles", "last": "Windham", "address": "Flat 2\n14 Harbour Road\r\nRing twice"},
    "00004": {"first": "Mia 🦊", "last": "van der Berg", "address": "👩‍👩‍👧 Garden Row 3"},
    "00005": {
        "first": "נועה",
        "last": "לוי-Smith",
        "email": "noa.levi@example.com",
        "city": "תל אביב-יפו",
        "country": "IL",
    },
    "00006": {
        "first": "محمد",
        "last": "بن علي",
        "email": "mohamed.benali@example.com",
        "city": "القاهرة",
        "country": "EG",
    },
    "00007": {"first": "Олександра", "last": "Щербак", "email": "", "city": "Київ", "country": "UA"},
    "00008": {"first": "陽菜", "last": "佐藤", "email": None, "city": "東京", "country": "JP"},
    "00009": {"first": "Jennifer", "last": "Null", "address": "", "birth_date": date(1900, 1, 1)},
    "00010": {"first": "=Ana", "last": "@Silva", "address": "+1 Mill Lane", "city": "-"},
    "00011": {"first": "  Zoe\u0308  ", "last": "\tTab", "birth_date": date(2004, 2, 29)},
    "00012": {
        "first": "Test",
        "last": "Account",
        "points": 2**63 - 1,
        "lifetime_value": Decimal("9999999999.99"),
        "churn_score": float("inf"),
    },
    "00013": {
        "first": "Test",
        "last": "Refund",
        "points": -(2**63),
        "lifetime_value": Decimal("-9999999999.99"),
        "churn_score": float("-inf"),
    },
    "00014": {"first": "Nan", "last": "Nemo", "churn_score": float("nan"), "tags": None},
    "00015": {"first": "Epsilon", "last": "Small", "churn_score": 5e-324, "tags": []},
    "00016": {
        "first": "Omega",
        "last": "Large",
        "churn_score": 1.7976931348623157e308,
        "lifetime_value": Decimal("0.00"),
    },
    "00017": {"first": "Minus", "last": "Zero", "churn_score": -0.0, "tags": ["", "kids"]},
    "00042": {"first": "Leading", "last": "Zeros"},
    "42": {"first": "Other", "last": "Person"},
}
AWKWARD_MAPS: dict[str, list[dict[str, str | None]] | None] = {
    "00014": None,
    "00015": [],
    "00016": [{"namespace": "Email", "id": None}, {"namespace": None, "id": "lost"}, {"namespace": "CRM", "id": ""}],
}


def first_day() -> list[Profile]:
    """The profiles of the first snapshot, sorted by id."""
    rng = Random("customers")
    profiles = [_ordinary(rng, f"{number:05d}") for number in range(1, COUNT + 1)] + [_ordinary(rng, "42")]
    by_id = {profile["profile_id"]: profile for profile in profiles}
    _share_addresses(rng, by_id)
    _cast(by_id)
    for profile in profiles:
        profile["identity_map"] = identities(rng, profile)
    for profile_id, identity_map in AWKWARD_MAPS.items():
        by_id[profile_id]["identity_map"] = deepcopy(identity_map)
    by_id["00017"]["identity_map"] *= 2
    return sorted(profiles, key=lambda profile: str(profile["profile_id"]))


def newcomer(rng: Random, number: int) -> Profile:
    """A customer who signed up on the first day and is in the second snapshot only."""
    profile = _ordinary(rng, f"{number:05d}")
    profile["signup_at"] = _moment(DAYS[0]) + timedelta(
        seconds=between(rng, 8 * 3600, 22 * 3600), microseconds=between(rng, 0, 999_999)
    )
    profile["loyalty"] = None
    profile["identity_map"] = identities(rng, profile)
    return profile


def email(first: str, last: str, number: str, host: str) -> str:
    """An address in a domain that is reserved for examples."""
    return f"{first}.{last}{number}@{host}"


def identities(rng: Random, profile: Profile) -> list[dict[str, str]]:
    """The identity map of a profile: its CRM number, address and phone, sometimes an older address, in any order."""
    found = [{"namespace": "CRM", "id": f"C{profile['profile_id']:0>6}"}]
    if profile["email"]:
        found.append({"namespace": "Email", "id": profile["email"]})
        if rng.random() < 0.08:
            name, _, host = profile["email"].partition("@")
            found.append({"namespace": "Email", "id": f"{name}.old@{host}"})
    if profile["phone"]:
        found.append({"namespace": "Phone", "id": profile["phone"].replace(" ", "")})
    turn = between(rng, 0, len(found) - 1)
    return found[turn:] + found[:turn]


def is_ordinary(profile: Profile) -> bool:
    """Whether this customer is neither awkward nor in the story, so that random changes may apply."""
    name = profile["profile_id"]
    return name not in AWKWARD and name not in {person.profile_id for person in STORY.values()}


def _ordinary(rng: Random, profile_id: str) -> Profile:
    home = country(rng)
    (first, plain_first), (last, plain_last) = pick(rng, home.first), pick(rng, home.last)
    signup = _signup(rng)
    return {
        "profile_id": profile_id,
        "person": {"name": {"first": first, "last": last}},
        "email": _maybe_email(rng, email(plain_first, plain_last, profile_id.lstrip("0"), pick(rng, MAIL_HOSTS))),
        "phone": _phone(rng, home),
        "address": f"{between(rng, 1, 180)} {pick(rng, STREETS)}" if rng.random() < 0.9 else None,
        "city": pick(rng, home.cities),
        "country": home.code,
        "birth_date": date(1944, 1, 1) + timedelta(days=between(rng, 0, 64 * 365)) if rng.random() < 0.8 else None,
        "signup_at": signup,
        "loyalty": _loyalty(rng, signup.date()) if rng.random() < 0.7 else None,
        "consents": _consents(rng),
        "tags": chosen(rng, TAGS, between(rng, 0, 3)) + ([BLACK_FRIDAY] if rng.random() < 0.04 else []),
        "lifetime_value": Decimal(between(rng, 0, 250_000) if rng.random() < 0.85 else 0).scaleb(-2),
        "churn_score": round(rng.random(), 4) if rng.random() < 0.95 else None,
        "newsletter": rng.random() < 0.55,
        "identity_map": None,
    }


def _moment(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _signup(rng: Random) -> datetime:
    """A time in the last six years; most are whole seconds, some finer, as different systems record them."""
    moment = _moment(DAYS[0]) - timedelta(seconds=between(rng, 2 * 86400, 6 * 365 * 86400))
    finer = rng.random()
    return moment + timedelta(
        microseconds=between(rng, 1, 999) * 1000 if finer < 0.1 else between(rng, 1, 999_999) if finer < 0.15 else 0
    )


def _maybe_email(rng: Random, address: str) -> str | None:
    drawn = rng.random()
    return None if drawn < 0.04 else "" if drawn < 0.05 else address


def _phone(rng: Random, home: Country) -> str | None:
    number = phone_number(rng, home.phone)
    return number if number and rng.random() < 0.6 else None


def _loyalty(rng: Random, since: date) -> Profile:
    return {"tier": pick(rng, TIERS), "points": between(rng, 0, 60) * 50 + between(rng, 0, 49), "since": since}


def consents(email: str, sms: str) -> Profile:
    """What somebody answered for two channels: ``y`` yes, ``n`` no, ``p`` not confirmed yet, ``vi`` vital interest."""
    return {"marketing": {"email": {"val": email}, "sms": {"val": sms}}}


def _consents(rng: Random) -> Profile | None:
    """The answers of a customer; None for one in fifty, whom nobody has asked yet."""
    drawn, sms = rng.random(), "y" if rng.random() < 0.3 else "n"
    mail = "y" if drawn < 0.86 else "vi" if drawn < 0.87 else "p" if drawn < 0.92 else "n"
    return consents(mail, sms) if rng.random() < 0.98 else None


def _share_addresses(rng: Random, by_id: dict[str, Profile]) -> None:
    """Give 40 pairs of people, as households, one e-mail address and one phone."""
    names = [profile_id for profile_id, profile in by_id.items() if is_ordinary(profile)]
    for _ in range(40):
        first = between(rng, 0, len(names) - 2)
        one, other = by_id[names[first]], by_id[names[first + 1]]
        other["person"]["name"]["last"] = one["person"]["name"]["last"]
        for field in ("email", "phone", "address", "city", "country"):
            other[field] = one[field]


def _cast(by_id: dict[str, Profile]) -> None:
    """Set the awkward values and the people of the story; all of them consent to everything."""
    for profile_id, values in AWKWARD.items():
        _give(by_id[profile_id], values)
    for person in STORY.values():
        _give(by_id[person.profile_id], {"first": person.first, "last": person.last})
    story = {role: by_id[person.profile_id] for role, person in STORY.items()}
    story["email_gained"]["email"] = None
    story["housemate"]["email"] = story["housemate_left"]["email"] = "carter.family@example.com"
    story["new_phone"].update(phone="+1 617 555 0142", city="Boston", country="US")


def _give(profile: Profile, values: Profile) -> None:
    first, last = values["first"], values["last"]
    address = email(latin(first) or "customer", latin(last) or profile["profile_id"], "", "example.com")
    profile.update({"email": address} | {name: value for name, value in values.items() if name in profile})
    profile["person"] = {"name": {"first": first, "last": last}}
    loyalty = profile["loyalty"] or {"tier": "gold", "points": 120, "since": profile["signup_at"].date()}
    profile["loyalty"] = loyalty | {"points": values.get("points", loyalty["points"])}
    profile["newsletter"], profile["consents"] = True, consents("y", "y")
