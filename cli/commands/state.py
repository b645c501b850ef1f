"""The commands that look after the state: prune, state check, repair, backup, restore."""

from pathlib import Path
from typing import Annotated

import typer

from muster.cli.app import AsJson, At, app, state_app
from muster.cli.commands import run  # noqa: F401  # its commands come first on the front page

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would go, and remove nothing.")]


@app.command()
def prune(ctx: typer.Context, at: At = None, dry_run: DryRun = False, json: AsJson = False) -> None:
    """Remove old evaluations, runs and their files by `retention` in muster.yml; never what a later command needs."""
    from muster.activation.upkeep import prune as retention
    from muster.cli.shapes import state as shapes
    from muster.cli.show import state as show
    from muster.runs import opening
    from muster.runs import prune as upkeep

    with (opening.looking if dry_run else opening.holding)(ctx.obj, at) as held:
        upkeep.check_retention(held)
        work = retention.preview if dry_run else retention.prune
        folder = opening.folder(held.workspace, ctx.obj)
        pruned = work(folder, held.ledger, held.workspace.retention, held.at, upkeep.owed_evaluations(held))
    shape = shapes.pruned(pruned, held.at, dry_run=dry_run)
    show.answer(shape, show.pruned, json=json, quiet=ctx.obj.quiet)


@state_app.command("check")
def state_check(ctx: typer.Context, json: AsJson = False) -> None:
    """Read all of the state; say what is damaged, what that affects, and what each repair costs."""
    from muster.activation.upkeep import check as checking
    from muster.cli.shapes import state as shapes
    from muster.cli.show import state as show
    from muster.runs import opening

    with opening.configured(ctx.obj) as workspace:
        health = checking.check(workspace, opening.folder(workspace, ctx.obj))
    show.answer(shapes.health(health), show.health, json=json, quiet=ctx.obj.quiet)
    raise typer.Exit(2 if health.damaged else 0)


Reset = Annotated[
    list[str] | None, typer.Option("--reset-baseline", metavar="D/A", help="Forget a damaged delivered set.")
]
Reevaluate = Annotated[
    list[str] | None,
    typer.Option(
        "--reevaluate", metavar="A", help="Make damaged memberships of this audience again, from the same inputs."
    ),
]
Forget = Annotated[
    list[str] | None,
    typer.Option(
        "--forget", metavar="A", help="Forget the evaluations of this audience whose memberships are damaged."
    ),
]
Tidy = Annotated[
    bool, typer.Option("--tidy", help="Put damaged rosters and lists of rejects aside, and files that nothing names.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do everything that is proposed.")]


@state_app.command("repair")
def state_repair(
    ctx: typer.Context,
    reset_baseline: Reset = None,
    reevaluate: Reevaluate = None,
    forget: Forget = None,
    tidy: Tidy = False,
    yes: Yes = False,
    json: AsJson = False,
) -> None:
    """Repair what `state check` found, as far as told; what is replaced is put aside. Without options: say what could be done."""
    from muster.activation.upkeep import repair as repairing
    from muster.cli.shapes import state as shapes
    from muster.cli.show import state as show
    from muster.runs import opening

    choice = repairing.Choice(
        tuple(reset_baseline or ()), tuple(reevaluate or ()), tuple(forget or ()), tidy=tidy, everything=yes
    )
    if not choice:
        state_check(ctx, json=json)
    with opening.configured(ctx.obj) as workspace:
        repaired = repairing.repair(workspace, opening.folder(workspace, ctx.obj), choice, opening.clock, ctx.obj.wait)
    show.answer(shapes.repaired(repaired), show.repaired, json=json, quiet=ctx.obj.quiet)
    raise typer.Exit(2 if repaired.remaining.damaged else 0)


@state_app.command("backup")
def state_backup(
    ctx: typer.Context,
    place: Annotated[
        Path, typer.Argument(metavar="FILE|FOLDER", help="A new folder, or a new file whose name ends with .tar.")
    ],
    json: AsJson = False,
) -> None:
    """Copy the state as it is at one moment, with checksums, while others read and write it."""
    from muster.activation.upkeep import backup as copying
    from muster.cli.shapes import state as shapes
    from muster.cli.show import state as show
    from muster.runs import opening

    with opening.configured(ctx.obj) as workspace:
        made = copying.back_up(workspace, opening.folder(workspace, ctx.obj), place, opening.clock())
    show.answer(shapes.backup(made), show.backed_up, json=json, quiet=ctx.obj.quiet)


@state_app.command("restore")
def state_restore(
    ctx: typer.Context,
    place: Annotated[Path, typer.Argument(metavar="BACKUP", help="What `muster state backup` made.")],
    force: Annotated[bool, typer.Option("--force", help="Put the state that is there aside.")] = False,
    json: AsJson = False,
) -> None:
    """Put a backup in the place of the state, once all of it was checked; what was delivered since is delivered again."""
    from muster.activation.upkeep import restore as restoring
    from muster.cli.shapes import state as shapes
    from muster.cli.show import state as show
    from muster.runs import opening

    with opening.configured(ctx.obj) as workspace:
        done = restoring.restore(
            workspace, opening.folder(workspace, ctx.obj), place, opening.clock(), ctx.obj.wait, force=force
        )
    show.answer(shapes.restored(done), show.restored, json=json, quiet=ctx.obj.quiet)
