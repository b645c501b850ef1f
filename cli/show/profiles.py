"""Text output of `profiles`."""

from muster.cli.shapes.plain import Json
from muster.cli.show import terminal
from muster.runs import counted

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
    if shape["runs"]:
        terminal.say("files that hold them:")
    for one in shape["runs"]:
        names = ", ".join(f"{one['url']}/{path}" for path in one["files"])
        terminal.say(f"  {names}: {counted(one['rows'], 'row')}, run {one['run_id']} of {one['activation']}")
    if shape["unknown_runs"]:
        runs = counted(shape["unknown_runs"], "run has", "runs have")
        terminal.say(f"{runs} no record of its rows: muster cannot tell whether the files hold them")
    for folder in shape["aside"]:
        terminal.say(f"{folder}: put aside by a repair or a restore, it may hold them: remove it")
    terminal.say("backups of the state and the source data are as they were")
