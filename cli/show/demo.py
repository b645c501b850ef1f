"""Text output of `demo`: a chapter for each step, with the commands that do it by hand."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from muster import sample_data
from muster.cli.show.runs import reasons
from muster.cli.show.terminal import prose, rows, say, styled
from muster.runs import counted, iso

if TYPE_CHECKING:
    from muster.runs import Run

STORY_ACTIVATION = f"crm/{sample_data.STORY_AUDIENCE}"
ON_DEMAND = "crm/vip-today"
_SHOWN = 8  # characters of a profile id that are enough to tell two apart


@dataclass(frozen=True)
class StoryOutcome:
    """One person of the story, what happens to the person, and the outcome in the second day's file."""

    profile_id: str
    name: str
    happens: str
    outcome: str


@dataclass(frozen=True)
class ClubRow:
    """A row of a file that the loyalty club sent."""

    day: datetime  # the slot of the file
    profile_id: str
    email: str
    status: str


def opening(folder: Path) -> None:
    """Print an introduction to the sample workspace."""
    _chapter(f"A retail workspace with 2,000 profiles, 20,000 events and a membership feed is now in {folder}/")


def day(number: int, night: datetime, morning: datetime, handed: str) -> None:
    """Print what happens on a day: an evaluation at night, exports in the morning, and what is ``handed`` out."""
    _chapter(
        f"Day {number}: decide who is in each audience, then {handed}",
        commands=[f"muster evaluate --at {iso(night)}", f"muster run --at {iso(morning)}"],
    )


def people_of_the_story(people: Sequence[StoryOutcome], run: "Run") -> None:
    """Print the outcome of a run for each person of the story."""
    _chapter(
        f"Who is in the second day's file of {STORY_ACTIVATION}, and why",
        commands=["muster runs list", "muster runs rejects RUN"],
    )
    sent = f"{run.realized:,} realized, {run.exited:,} exited"
    considered = counted(run.received or 0, "profile")
    prose(f"{considered} considered: {sent}, {run.excluded:,} left out ({escape(reasons(run))})")
    rows(
        ("profile", "name", "what happened", "in the file"),
        [(one.profile_id, one.name, one.happens, one.outcome) for one in people],
    )


def on_demand(at: datetime) -> None:
    """Print an explanation of exports on demand."""
    _chapter(
        "On demand: one extra full file; no schedule and no baseline changes",
        commands=[f"muster export {ON_DEMAND} --at {iso(at)}"],
    )


def ending(folder: Path) -> None:
    """Print where the files are, and what to try next."""
    _chapter("Where the files are")
    files = (path.relative_to(folder).as_posix() for path in (folder / "exports").rglob("*") if path.is_file())
    for file in sorted(files):
        say(f"  {folder}/{file}")
    say()
    say(f"Go on: `cd {folder}`, then `muster runs list`, `muster audiences list`,")
    say("`muster policies check`, `muster schedule list`; or edit destinations/crm.yml")
    say("and see the effect with `muster plan`.")


def club_opening(folder: Path, at: datetime) -> None:
    """Print an introduction to the loyalty club, above what its sources give."""
    _chapter(
        f"Nobody made a table of profiles for the loyalty club; a CRM, cards and the web site are in {folder}/",
        commands=[f"muster sources list --at {iso(at)}"],
    )


def merge(person: sample_data.ClubMember) -> None:
    """Print how two people turned out to be one, above what is known of the person."""
    customer, card = person.keys
    one, other = person.addresses
    _chapter(f"{person.name} was two people: customer {customer} of the CRM, and card {card}", commands=())
    prose(
        f"On 20 November at 19:12 somebody signed in as {other}, in a browser in which {one} had signed in two "
        "days before. So the records are one person's, and the profile has the values of both:"
    )
    styled(f"[dim]$ muster profiles show Email:{other}[/]")


def rows_of(person: sample_data.ClubMember, rows_sent: Sequence[ClubRow]) -> None:
    """Print the rows of both days' files with an address of a person, and what they tell the receiver."""
    _chapter(f"What the merge did to the files of {sample_data.CLUB_ACTIVATIONS[0]}")
    rows(
        ("file of", "profile_id", "email", "status"),
        [(iso(each.day), f"{each.profile_id[:_SHOWN]}...", each.email, each.status) for each in rows_sent],
    )
    prose(
        f"The receiver has {person.name} once now: the address that no member has any more left it, and the profile "
        "was sent anew under the id that stays."
    )


def people_of_the_club(people: Sequence[tuple[sample_data.ClubMember, str]]) -> None:
    """Print what the second day's files say of each person of the club."""
    _chapter("Who is in the second day's files, and why")
    rows(("name", "what happened", "in the files"), [(each.name, each.happens, outcome) for each, outcome in people])


def whole_graph() -> None:
    """Print the command that counts graphs, above its result."""
    _chapter("All graphs, shared identities and refused links", commands=["muster graph stats"])


def club_ending(folder: Path) -> None:
    """Print what to try next in the club's workspace."""
    say()
    say(f"Go on: `cd {folder}`, then `muster graph show Email:{sample_data.CLUB['merged'].address}`,")
    say("`muster sources show cards`; or edit sources/crm.yml and see the effect")
    say("with `muster plan`.")


def magazine_opening(folder: Path) -> None:
    """Print an introduction to the magazine's workspace."""
    _chapter(
        f"A magazine's CRM takes messages, not files: twelve readers are in {folder}/, and a small receiver listens"
    )


def messages(day: int, bodies: Sequence[str]) -> None:
    """Print what the bodies of a day's requests say of each reader; of the second day whole messages, too."""
    people = [each for body in bodies for each in json.loads(body)]
    requests = counted(len(bodies), "request")
    if day == 1:
        _chapter(f"The first day's run told of all {len(people)} members, in {requests}; this is one message")
        styled(escape(json.dumps(people[0], ensure_ascii=False, indent=2)))
        return
    _chapter(f"The second day's run told of {len(people)} readers, and of nobody else, in {requests}")
    happened = {one.first.lower(): one for one in sample_data.READERS.values()}
    told = {each["contact"]["email"].partition("@")[0] if "contact" in each else _key(each): each for each in people}
    lines = [(one.name, one.happens, _told(told.get(name))) for name, one in happened.items()]
    rows(("reader", "what happened", "what the receiver was told"), lines)
    prose("The last of these messages, as it was sent:")
    styled(escape(json.dumps(people[-1], ensure_ascii=False, separators=(",", ":"))))


def _key(message: dict[str, Any]) -> str:
    """The first part of the e-mail address among the identities of a message."""
    return str(message["identityMap"]["Email"][0]["id"]).partition("@")[0]


def _told(message: dict[str, Any] | None) -> str:
    """What a message says of audiences, in a few words."""
    if message is None:
        return "nothing"
    audiences = message["segmentMembership"]["ups"]
    return ", ".join(f"{each['status']} in {name}" for name, each in audiences.items())


def magazine_ending(folder: Path) -> None:
    """Print what to try next in the magazine's workspace."""
    say()
    say(f"Go on: `cd {folder}`, then `muster runs show {sample_data.READERS_ACTIVATION}`,")
    say("`python -m muster.sample_data.receiver` in another terminal, and here")
    say(f"`muster resync {sample_data.READERS_ACTIVATION}`.")


def _chapter(title: str, commands: Sequence[str] = ()) -> None:
    say()
    prose(f"[bold cyan]{escape(title)}[/]")
    for command in commands:
        styled(f"[dim]$ {escape(command)}[/]")
