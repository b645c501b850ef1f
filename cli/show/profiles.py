"""Text output of `profiles`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from rich.markup import escape

from muster.cli.shapes.plain import Json
from muster.cli.show import terminal, times
from muster.cli.show.printable import one_line
from muster.runs import counted

if TYPE_CHECKING:
    from muster.runs import BuiltView, PersonDetails, ShownAttribute, ShownDelivery

_TOLD = {
    "exit": "an exit, in the next export",
    "full": "the next full file, which lacks them",
    "hand": "by hand: tell the receiver yourself",
}


def forgotten(shape: Json) -> None:
    """Print the result of `profiles forget`: who was forgotten, and who still holds them."""
    also = f", {shape['likewise']:,} of them with none but forgotten identities" if shape["likewise"] else ""
    again = " (forgotten before)" if shape["already"] else ""
    people = f"{counted(shape['profiles'], 'profile')}{also}, {counted(shape['identities'], 'identity', 'identities')}"
    terminal.say(f"forgotten: {people}{again}")
    if shape["memberships"]:
        terminal.say(
            f"erased from {counted(shape['memberships'], 'evaluation of an audience', 'evaluations of audiences')}"
        )
    if shape["receivers"]:
        lines = [(one["activation"], one["url"], _TOLD[one["told_by"]]) for one in shape["receivers"]]
        terminal.rows(("receiver", "place", "is told by"), lines)
    _holding_runs([one for one in shape["runs"] if one["files"]])
    told = [one for one in shape["runs"] if not one["files"]]
    if told:
        terminal.say("messages that told of them:")
    for one in told:
        people = counted(one["rows"], "profile")
        terminal.say(f"  {one['url']}: {people}, run {one['run_id']} of {one['activation']}")
    if shape["unknown_runs"]:
        runs = counted(shape["unknown_runs"], "run has", "runs have")
        terminal.say(f"{runs} no record of its rows: muster cannot tell whether the files hold them")
    if shape["sources"]:
        terminal.say("sources that hold them:")
    for one in shape["sources"]:
        held = "cannot be read, and may hold them" if one["records"] is None else counted(one["records"], "record")
        terminal.say(f"  {one['source']}: {one['path']}: {held}")
    for folder in shape["aside"]:
        terminal.say(f"{folder}: put aside by a repair or a restore, it may hold them: remove it")
    terminal.say("backups of the state and the source data are as they were")


def _holding_runs(runs: "Sequence[Json]") -> None:
    if runs:
        terminal.say("files that hold them:")
    for one in runs:
        names = ", ".join(f"{one['url']}/{path}" for path in one["files"])
        terminal.say(f"  {names}: {counted(one['rows'], 'row')}, run {one['run_id']} of {one['activation']}")


def person(found: "PersonDetails", zone: ZoneInfo) -> None:
    """Print the result of `profiles show`: who this is, from where each value is, audiences, and what was sent.

    Audiences and deliveries are those of one merge policy: where audiences have others, a line names these.
    """
    terminal.styled(f"[bold]profile {escape(found.profile_id)}[/]")
    terminal.dim(f"merge policy {found.policy} at {times.told(found.at, zone)}")
    if found.alias:
        terminal.prose(f"[yellow]{escape(one_line(found.alias))} is an alias: it was merged into this profile[/]")
    elif found.aliases:
        terminal.hanging(f"aliases: {', '.join(found.aliases)}")
    terminal.hanging(f"identities: {', '.join(one_line(':'.join(pair)) for pair in found.identities)}")
    terminal.say()
    _attributes(found.attributes)
    terminal.say()
    terminal.rows(
        ("fragment of", "primary identity", "updated"),
        [
            (each.source, one_line(f"{each.namespace}:{each.id}"), each.time and times.written(each.time, zone))
            for each in found.fragments
        ],
    )
    terminal.say()
    audiences = [
        (each.audience, each.status, *(times.written(one, zone) for one in (each.since, each.evaluated_at)))
        for each in found.audiences
    ]
    terminal.rows(
        ("audience", "status", "since", "evaluated"),
        audiences,
        empty=f"in no audience of merge policy {found.policy}, now or before",
    )
    if audiences or found.deliveries:
        terminal.say()
    terminal.rows(
        ("sent to", "last in the file of", "as"),
        [(each.activation, times.written(each.slot, zone), _sent_as(each, found)) for each in found.deliveries],
        empty="no receiver has this profile",
    )
    terminal.zone_of_times(zone)
    if found.other_policies:
        names = ", ".join(f"--policy {each}" for each in found.other_policies)
        terminal.prose(escape(f"audiences and receivers of other merge policies: {names}"))


def built(found: "Sequence[BuiltView]", zone: ZoneInfo) -> None:
    """Print the result of `profiles build`: a line for each merge policy."""
    lines = [
        {
            "policy": escape(each.policy),
            "build": terminal.cell(each.number),
            "profiles": terminal.cell(each.profiles),
            "merged": terminal.cell(each.merged),
            "split": terminal.cell(each.split),
            "view": "[red]failed[/]" if each.error else "built" if each.is_new else "as before",
            "folder": terminal.cell(each.folder),
        }
        for each in found
    ]
    terminal.fitted(lines, numbers=("build", "profiles", "merged", "split"), spare=("folder",))
    for each in found:
        if each.at and not each.is_new:
            terminal.say(f"{each.policy}: the rows that count are those of {times.told(each.at, zone)}")


def _attributes(attributes: "Sequence[ShownAttribute]") -> None:
    """A line for each leaf with a value; those without are named below."""
    known = [(each.name, one_line(each.text), each.source) for each in attributes if each.value is not None]
    terminal.rows(("attribute", "value", "source"), known, empty="no attribute has a value")
    if empty := [each.name for each in attributes if each.value is None]:
        terminal.hanging(f"without a value: {', '.join(empty)}")


def _sent_as(each: "ShownDelivery", found: "PersonDetails") -> str:
    """The values by which the receiver knows the person, and the id, where that is another one."""
    values = [f"{name} {one_line(str(value))}" for name, value in each.values.items() if value is not None]
    is_other = each.profile_id != found.profile_id and each.profile_id not in each.values.values()
    return ", ".join([*([f"id {each.profile_id}"] if is_other else []), *values]) or f"id {each.profile_id}"
