"""Three workspaces to try muster on: a shop, its loyalty club without a table of profiles, and a magazine.

``workspace/`` (the shop), ``loyalty/`` (the club) and ``magazine/`` are what ``muster init`` and ``muster demo`` copy.
Their YAML is written by hand; ``make.py`` generates their data. ``STORY`` names the people of the shop whose second day
shows one rule each; all of them are in the audience ``STORY_AUDIENCE``. ``CLUB`` names those of the club, ``READERS``
those of the magazine, of whom ``receiver.py`` is told.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Literal

DAYS = (date(2026, 11, 20), date(2026, 11, 21))  # the dated profile snapshots
# When the sample's schedule evaluates, and when a run finds its daily exports due.
EVALUATIONS = tuple(datetime(day.year, day.month, day.day, 2, tzinfo=UTC) for day in DAYS)
EXPORTS = tuple(datetime(day.year, day.month, day.day, 5, tzinfo=UTC) for day in DAYS)

STORY_AUDIENCE = "store-visitors"


@dataclass(frozen=True)
class Person:
    """One person of the story, and what happens to them between the two days."""

    profile_id: str
    first: str
    last: str
    happens: str

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first} {self.last}".strip()


STORY: Mapping[str, Person] = MappingProxyType(
    {
        "joined": Person("00107", "Maya", "Lindqvist", "walked into a shop for the first time on 20 November"),
        "left": Person("00214", "Tomás", "Herrera", "asked on 20 November to be taken off the visitors' list"),
        "returned": Person(
            "00321", "Ingrid", "O'Neill", "was taken off the list at 11:02 and walked into a shop again at 17:45"
        ),
        "new_phone": Person("00428", "Kwame", "Mensah", "was a visitor all along and got a second phone number"),
        "email_gained": Person("00535", "Priya", "Nair", "was a visitor without an e-mail address and now has one"),
        "email_lost": Person("00642", "Jonas", "Weber", "is still a visitor, but had the e-mail address removed"),
        "deleted": Person("00749", "Elena", "Petrova", "is still in the visitors' feed, but the profile was deleted"),
        "housemate": Person(
            "00856", "Sam", "Carter", "shares an e-mail address with Alex, who came later and so stood for both"
        ),
        "housemate_left": Person("00857", "Alex", "Carter", "left the list, so that Sam stands for the address now"),
        "points_only": Person("00963", "Grace", "Kim", "earned loyalty points, which is no reason to be sent again"),
        "reordered": Person("01070", "Lucas", "Moreau", "has the same identities in another order, which is no change"),
        "withdrew": Person(
            "01177", "Clara", "Bianchi", "is still a visitor, but withdrew consent to e-mail on 20 November"
        ),
    }
)

Sample = Literal["shop", "loyalty", "magazine"]
_FOLDERS: Mapping[Sample, str] = {"shop": "workspace", "loyalty": "loyalty", "magazine": "magazine"}


@dataclass(frozen=True)
class ClubMember:
    """One person of the loyalty club's story, and what happens between the days."""

    keys: tuple[str, ...]  # in the CRM, and of the card
    first: str
    last: str
    addresses: tuple[str, ...]  # of e-mail; the last is that of the person on the second day
    happens: str

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first} {self.last}"

    @property
    def address(self) -> str:
        """The e-mail address on the second day."""
        return self.addresses[-1]


CLUB_ACTIVATIONS = ("mailer/newsletter", "mailer/camping")
CLUB: Mapping[str, ClubMember] = MappingProxyType(
    {
        "merged": ClubMember(
            ("C000107", "LC30000129"),
            "Nora",
            "Berg",
            ("nora.berg@example.com", "nora.b@example.org"),
            "used the address of her card where she had used that of the CRM",
        ),
        "known": ClubMember(
            ("C000331",), "Emil", "Falk", ("emil.falk@example.com",), "signed in after three visits without a name"
        ),
        "closed": ClubMember(
            ("LC30000270",),
            "Jun",
            "Watanabe",
            ("jun.watanabe@example.net",),
            "gave the card back, and is in no other source",
        ),
        "points": ClubMember(
            ("C000219", "LC30000145"), "Rosa", "Marchand", ("rosa.marchand@example.com",), "earned 250 points"
        ),
    }
)

READERS_ACTIVATION = "crm-events/readers"
READERS: Mapping[str, Person] = MappingProxyType(
    {
        "moved": Person("R001", "Ada", "", "moved to Bath"),
        "cancelled": Person("R002", "Ben", "", "cancelled the subscription"),
        "new_phone": Person("R003", "Chloe", "", "gave a phone number"),
        "withdrew": Person("R004", "Dario", "", "withdrew consent to be contacted"),
        "unchanged": Person("R005", "Eva", "", "did nothing that anybody has to know"),
        "deleted": Person("R006", "Femi", "", "was deleted"),
        "joined": Person("R007", "Gita", "", "subscribed"),
    }
)


def workspace_files(sample: Sample = "shop") -> Iterator[tuple[PurePosixPath, Traversable]]:
    """Every file of a sample workspace with its path inside it, sorted by path."""
    return iter(sorted(_walk(files(__name__) / _FOLDERS[sample], PurePosixPath()), key=lambda found: found[0]))


def copy_to(folder: Path, sample: Sample = "shop") -> list[Path]:
    """Copy a sample workspace into ``folder`` and return the files written.

    ``FileExistsError``, before anything is written, when one of the files exists.
    """
    targets = [(folder / path, source) for path, source in workspace_files(sample)]
    taken = next((target for target, _ in targets if target.exists() or target.is_symlink()), None)
    if taken:
        raise FileExistsError(f"{taken} is there already; choose an empty folder")
    for target, source in targets:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
    return [target for target, _ in targets]


def _walk(folder: Traversable, inside: PurePosixPath) -> Iterator[tuple[PurePosixPath, Traversable]]:
    for entry in folder.iterdir():
        path = inside / entry.name
        if entry.is_dir():
            yield from _walk(entry, path)
        else:
            yield path, entry
