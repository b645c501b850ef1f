"""The commands that make a run's files again: replay, redeliver."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from muster.cli.app import AsJson, app
from muster.cli.commands.run import working_on

if TYPE_CHECKING:
    from muster.activation.redelivery.redeliver import Redelivered
    from muster.activation.redelivery.remake import Remade
    from muster.cli.shapes.runs import Json

RunId = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or the start of it.")]


@app.command()
def replay(
    ctx: typer.Context,
    run: RunId,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="FOLDER", help="A new or empty folder. Default: one here, named after the run."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Write the same files again, byte for byte, into a folder of their own; changes nothing else."""
    from muster.activation.redelivery import remake as replaying
    from muster.cli.show import text
    from muster.runs import opening, queries

    with opening.reading(ctx.obj) as session, working_on(ctx, "replaying"):
        found = queries.find_run(session.ledger, run)
        done = replaying.replay(found, session, to or Path(found.run_id))
    if json:
        text.as_json(replayed(done))
    elif not ctx.obj.quiet:
        text.say(_replayed(done))
    if done.error:
        text.error(done.error, verbose=bool(ctx.obj.verbose))
        raise typer.Exit(done.error.exit_code)


@app.command()
def redeliver(
    ctx: typer.Context,
    run: RunId,
    force: Annotated[
        bool, typer.Option("--force", help="Replace files that are there and differ under names of this run alone.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Put a run's files at its destination again, after the receiver lost them."""
    from muster.activation.delivery.protocol import clear_redeliveries
    from muster.activation.redelivery import redeliver as redelivering
    from muster.cli.show import text
    from muster.runs import opening, queries

    with opening.writing(ctx.obj) as session, working_on(ctx, "redelivering"):
        clear_redeliveries(session)
        done = redelivering.redeliver(queries.find_run(session.ledger, run), session, force=force)
    if json:
        text.as_json(redelivered(done))
    elif not ctx.obj.quiet:
        for line in _redelivered(done):
            text.say(line)


def replayed(done: "Remade") -> "Json":
    """``replay --json``."""
    files = [
        {
            "path": f"{done.folder}/{file.path}",
            "rows": file.rows,
            "size": file.size,
            "sha256": file.sha256,
            "same": done.is_same(place),
        }
        for place, file in enumerate(done.files)
    ]
    manifest = f"{done.folder}/{done.run.manifest_name}" if done.run.manifest_name else None
    return {
        "run_id": done.run.run_id,
        "folder": str(done.folder),
        "same": done.error is None,
        "encrypted": done.is_encrypted,
        "files": files,
        "manifest": manifest,
    }


def _replayed(done: "Remade") -> str:
    count = _counted(len(done.files))
    whole = "the bytes that were delivered"
    anew = f"encrypted anew, which gives other bytes each time; their clear text has {whole}"
    outcome = "written, but see below" if done.error else anew if done.is_encrypted else whole
    beside = ", and the manifest" if done.run.manifest_name else ""
    return f"{done.run.run_id} of {done.run.key}: {count}{beside} in {done.folder}: {outcome}"


def redelivered(done: "Redelivered") -> "Json":
    """``redeliver --json``."""
    from muster.cli.shapes import runs

    files = [
        runs.file_shape(done.run, i) | {"written": file.path in done.written} for i, file in enumerate(done.run.files)
    ]
    manifest = f"{done.run.url}/{done.run.manifest_name}" if done.run.manifest_name else None
    return {
        "run_id": done.run.run_id,
        "url": done.run.url,
        "files": files,
        "manifest": manifest,
        "manifest_written": done.manifest_written,
    }


def _redelivered(done: "Redelivered") -> list[str]:
    whose = f"{done.run.run_id} of {done.run.key}"
    if not done.written and not done.manifest_written:
        return [f"{whose}: everything is at {done.run.url} as it was delivered; nothing was written"]
    untouched = len(done.run.files) - len(done.written)
    beside = f"; {_counted(untouched)} {'was' if untouched == 1 else 'were'} there" if untouched else ""
    lines = [f"{whose}: {_counted(len(done.written))} put back{beside}"]
    lines += [f"  {done.run.url}/{path}" for path in done.written]
    return [*lines, *([f"  {done.run.url}/{done.run.manifest_name}"] if done.manifest_written else [])]


def _counted(files: int) -> str:
    return "no file" if not files else "1 file" if files == 1 else f"{files} files"
