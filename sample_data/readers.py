"""The readers of the magazine of the third sample: a dozen people, two days, and one reason each to be told of."""

from datetime import date
from typing import Any

from muster.sample_data import DAYS, READERS

Record = dict[str, Any]  # one row of the snapshot, in the types of sample_data.make

# id, first name, e-mail, city, plan, interests, consent; on the first day
_FIRST = (
    ("R001", "Ada", "ada@example.com", "Leeds", "print", ["books", "travel"], "y"),
    ("R002", "Ben", "ben@example.com", "Cork", "digital", ["sport"], "y"),
    ("R003", "Chloe", "chloe@example.org", "Lyon", "digital", ["books"], "y"),
    ("R004", "Dario", "dario@example.com", "Parma", "print", ["books", "food"], "y"),
    ("R005", "Eva", "eva@example.net", "Graz", "digital", ["travel"], "y"),
    ("R006", "Femi", "femi@example.com", "Ibadan", None, ["books"], "y"),
    ("R007", "Gita", "gita@example.org", "Pune", None, ["food"], "y"),
    ("R008", "Hugo", "hugo@example.com", "Porto", "print", ["sport"], "n"),
    ("R009", "Ines", "ines@example.net", "Braga", None, ["sport"], "y"),
    ("R010", "Jonas", "jonas@example.com", "Umeå", "digital", ["books"], "y"),
    ("R011", "Kiran", "kiran@example.org", "Leeds", None, ["travel"], None),
    ("R012", "Lena", "lena@example.com", "Mainz", "print", ["food"], "y"),
)
_PHONE = "+33600000003"


def readers(day: date) -> list[Record]:
    """The snapshot of a day, sorted by id."""
    rows = {row[0]: _reader(*row) for row in _FIRST}
    if day == DAYS[1]:
        _change(rows)
    return [rows[key] for key in sorted(rows)]


def _change(rows: dict[str, Record]) -> None:
    """What happened on the first day, after the evaluation: ``READERS`` says it in words."""
    keys = {name: each.profile_id for name, each in READERS.items()}
    rows[keys["moved"]]["city"] = "Bath"
    rows[keys["cancelled"]]["plan"] = None
    rows[keys["new_phone"]]["identity_map"].append({"namespace": "Phone", "id": _PHONE})
    rows[keys["withdrew"]]["consents"] = {"contact": "n"}
    rows[keys["joined"]]["plan"] = "digital"
    del rows[keys["deleted"]]


def _reader(  # noqa: PLR0917 (a row of the table above)
    key: str, name: str, email: str, city: str, plan: str | None, interests: list[str], consent: str | None
) -> Record:
    return {
        "profile_id": key,
        "first_name": name,
        "email": email,
        "city": city,
        "plan": plan,
        "interests": interests,
        "consents": {"contact": consent},
        "identity_map": [{"namespace": "Email", "id": email}],
    }
