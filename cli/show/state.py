"""Text output of `prune` and `state`."""

from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from rich.markup import escape

from muster.cli.shapes.plain import Json
from muster.cli.show import terminal, times
from muster.runs import counted

_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


def answer(shape: Json, show: Callable[[Json], None], *, json: bool, quiet: bool) -> None:
    """Print the result as JSON, or as ``show`` does unless ``-q`` is given."""
    if json:
        terminal.as_json(shape)
    elif not quiet:
        show(shape)


_HISTORY = (
    ("evaluations of audiences", "evaluations", ("memberships",)),
    ("runs", "runs", ("rejects", "decisions")),
    ("builds of profiles", "builds", ("profiles", "graphs")),
)  # and their folders


def size(number: float) -> str:
    """A number of bytes as ``1.5 MiB``."""
    unit = 0
    while number >= 1024 and unit < len(_UNITS) - 1:
        number, unit = number / 1024, unit + 1
    return f"{number:,.1f} {_UNITS[unit]}" if unit else counted(int(number), "byte")


def pruned(shape: Json) -> None:
    """Print the result of `prune`."""
    files = {one["folder"]: one for one in shape["folders"]}
    lines = []
    for kind, key, folders in _HISTORY:
        mine = [one for folder in folders if (one := files.pop(folder, None))]
        number, freed = sum(one["files"] for one in mine), sum(one["bytes"] for one in mine)
        if key == "builds" and not (any(shape[key].values()) or mine):
            continue  # profiles with a path
        lines.append((kind, shape[key]["removed"], shape[key]["kept"], number, size(freed)))
    lines += [(f"other {name}", None, None, one["files"], size(one["bytes"])) for name, one in files.items()]
    would = "would remove" if shape["dry_run"] else "removed"
    terminal.rows(("history", would, "kept", "files", "size"), lines, numbers=(would, "kept", "files", "size"))
    total = f"{counted(shape['files'], 'file')}, {size(shape['bytes'])}"
    smaller = f"; the ledger is {size(shape['ledger_bytes'])} smaller" if shape["ledger_bytes"] else ""
    terminal.say(f"{'would free' if shape['dry_run'] else 'freed'} {total}{smaller}")


def checked(shape: Json) -> None:
    """Print the result of `state check`: nothing for a state in which nothing is wrong, as `git fsck` does."""
    if shape["faults"] or shape["at_work"]:
        health(shape)


def health(shape: Json) -> None:
    """Print each fault of a state with what it affects and what can be done, and what was read."""
    if shape["at_work"]:
        terminal.say("another muster is working in this workspace: files that it changes meanwhile are not checked")
    for each in shape["faults"]:
        _fault(each)
    read = f"{counted(shape['files'], 'file')}, {size(shape['bytes'])}"
    if shape["damaged"]:
        has_options = any(repair["option"] for each in shape["faults"] for repair in each["repairs"])
        how = ". `muster state repair` takes the options above" if has_options else ""
        terminal.say(f"{shape['state']}: damaged; read {read}{how}")
    else:
        terminal.say(f"{shape['state']}: in order; read the ledger and {read}")


def _fault(each: Json) -> None:
    mark = "[bold red]damage:[/]" if each["damage"] else "[yellow]notice:[/]"
    terminal.styled(f"{mark} {escape(each['file'])}: {escape(each['problem'])}")
    for affected in each["affects"]:
        terminal.say(f"  affects {affected}")
    for repair in each["repairs"]:
        terminal.say(f"  {repair['option']}: {repair['cost']}" if repair["option"] else f"  {repair['cost']}")


def repaired(shape: Json) -> None:
    """Print the result of `state repair`."""
    for line in shape["done"]:
        terminal.say(line)
    if shape["aside"]:
        terminal.say(f"replaced files are in {shape['aside']}")
    left = shape["left"]
    health(left | {"faults": [fault for fault in left["faults"] if fault["damage"]]})


def backed_up(shape: Json, zone: ZoneInfo) -> None:
    """Print the result of `state backup`."""
    holds = f"{counted(shape['files'], 'file')}, {size(shape['bytes'])}"
    made_at = times.told(datetime.fromisoformat(shape["made_at"]), zone)
    terminal.say(f"{shape['backup']}: {holds}, as of {made_at}")


def restored(shape: Json, zone: ZoneInfo) -> None:
    """Print the result of `state restore`, and which slots will be delivered again."""
    made_at = times.told(datetime.fromisoformat(shape["made_at"]), zone)
    shape = times.localised(shape, zone)
    terminal.say(f"restored {counted(shape['files'], 'file')} of the backup of {made_at}")
    if shape["aside"]:
        terminal.say(f"the former state is in {shape['aside']}")
    terminal.rows(
        ("activation", "newest slot"),
        [(one["activation"], one["slot"]) for one in shape["settled"]],
        empty="the backup records no delivery",
        zone=zone,
    )
    if shape["again"] is None:
        terminal.say(
            "the former state cannot be read, so muster cannot tell which slots were delivered since the backup"
        )
    for run in shape["again"] or ():
        terminal.say(f"delivered since the backup: {run['activation']} for {run['slot']}")
    if shape["again"] is None or shape["again"] or not shape["aside"]:
        terminal.say(
            "muster has no record of deliveries after those slots: later slots are due again and will be delivered "
            "again. `muster plan` lists them; send a full export next where a receiver stores changes"
        )


def rewound(shape: Json, zone: ZoneInfo) -> None:
    """Print the result of `state rewind`: how many records became ones of the instant."""
    to = times.told(datetime.fromisoformat(shape["to"]), zone)
    went = shape["evaluations_removed"]
    parts = [
        counted(shape["evaluations"], "evaluation of an audience", "evaluations of audiences")
        + (f" ({went:,} older {'one' if went == 1 else 'ones'} removed)" if went else ""),
        counted(shape["memberships"], "membership", "memberships"),
        counted(shape["delivered_sets"], "delivered set", "delivered sets"),
        counted(shape["activations"], "first sighting of an activation", "first sightings of activations"),
        counted(shape["failures"], "failed evaluation", "failed evaluations"),
        counted(shape["builds"], "build of profiles", "builds of profiles"),
    ]
    found = [part for part in parts if not part.startswith("0 ")]
    if not found and not shape["runs"]:
        terminal.say(f"nothing is later than {to}: the state is as it was")
        return
    if found:
        terminal.say(f"set to {to}: {', '.join(found)}")
    if shape["runs"]:
        runs = counted(shape["runs"], "run", "runs")
        terminal.say(f"marked as rewound: {runs} of later slots, which are due again in their time")
    if shape["evaluations"]:
        terminal.say("audiences stay as the wrong clock found them until the next evaluation: `muster evaluate`")
