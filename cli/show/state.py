"""What a person reads of the commands that look after the state; ``muster.cli.show.text`` prints it."""

from collections.abc import Callable

from rich.markup import escape

from muster.cli.shapes.runs import Json
from muster.cli.show import text as render

_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


def answer(shape: Json, told: Callable[[Json], None], *, json: bool, quiet: bool) -> None:
    """The result as JSON, or told to a person who wants to hear it."""
    if json:
        render.as_json(shape)
    elif not quiet:
        told(shape)


_HISTORY = (
    ("evaluations of audiences", "evaluations", ("memberships",)),
    ("runs", "runs", ("rejects", "decisions")),
)  # and their folders


def size(number: float) -> str:
    """``1.5 MiB``."""
    unit = 0
    while number >= 1024 and unit < len(_UNITS) - 1:
        number, unit = number / 1024, unit + 1
    return f"{number:,.1f} {_UNITS[unit]}" if unit else f"{int(number)} {'byte' if number == 1 else 'bytes'}"


def pruned(shape: Json) -> None:
    """`prune`."""
    files = {one["folder"]: one for one in shape["folders"]}
    lines = []
    for kind, counted, folders in _HISTORY:
        mine = [one for folder in folders if (one := files.pop(folder, None))]
        number, freed = sum(one["files"] for one in mine), sum(one["bytes"] for one in mine)
        lines.append((kind, shape[counted]["removed"], shape[counted]["kept"], number, size(freed)))
    lines += [(f"other {name}", None, None, one["files"], size(one["bytes"])) for name, one in files.items()]
    would = "would remove" if shape["dry_run"] else "removed"
    render.rows(("history", would, "kept", "files", "size"), lines, numbers=(would, "kept", "files", "size"))
    total = f"{shape['files']:,} {'file' if shape['files'] == 1 else 'files'}, {size(shape['bytes'])}"
    smaller = f"; the ledger is {size(shape['ledger_bytes'])} smaller" if shape["ledger_bytes"] else ""
    render.say(f"{'would free' if shape['dry_run'] else 'freed'} {total}{smaller}")


def health(shape: Json) -> None:
    """`state check`: each fault with what it affects and what can be done."""
    if shape["at_work"]:
        render.say("another muster is working in this workspace: what it changes meanwhile is not looked at")
    for each in shape["faults"]:
        _fault(each)
    read = f"{shape['files']:,} files, {size(shape['bytes'])}"
    if shape["damaged"]:
        render.say(
            f"{shape['state']}: damaged; read {read}. `muster state repair` with an option above does what that says"
        )
    else:
        render.say(f"{shape['state']}: in order; read the ledger and {read}")


def _fault(each: Json) -> None:
    mark = "[bold red]damage:[/]" if each["damage"] else "[yellow]notice:[/]"
    render.styled(f"{mark} {escape(each['file'])}: {escape(each['problem'])}")
    for affected in each["affects"]:
        render.say(f"  affects {affected}")
    for repair in each["repairs"]:
        render.say(f"  {repair['option']}: {repair['cost']}" if repair["option"] else f"  {repair['cost']}")


def repaired(shape: Json) -> None:
    """`state repair`."""
    for text in shape["done"]:
        render.say(text)
    if shape["aside"]:
        render.say(f"what was replaced is in {shape['aside']}")
    left = shape["left"]
    health(left | {"faults": [fault for fault in left["faults"] if fault["damage"]]})


def backed_up(shape: Json) -> None:
    """`state backup`."""
    render.say(f"{shape['backup']}: {shape['files']:,} files, {size(shape['bytes'])}, as of {shape['made_at']}")


def restored(shape: Json) -> None:
    """`state restore`, and what it means for slots that were delivered since."""
    render.say(f"restored {shape['files']:,} files of the backup of {shape['made_at']}")
    if shape["aside"]:
        render.say(f"the state that was there is in {shape['aside']}")
    render.rows(
        ("activation", "newest slot"),
        [(one["activation"], one["slot"]) for one in shape["settled"]],
        empty="the backup knows of no delivery",
    )
    if shape["again"] is None:
        render.say("the state that was there cannot be read: which slots were delivered since the backup is not known")
    for run in shape["again"] or ():
        render.say(f"delivered since the backup: {run['activation']} for {run['slot']}")
    if shape["again"] is None or shape["again"] or not shape["aside"]:
        render.say(
            "muster does not know of deliveries after those slots: later slots are due again, and are delivered again. "
            "`muster plan` shows them; send a full export next to receivers that store changes"
        )
