"""The commands that look after the state: prune, state check, repair, backup, restore."""

from pathlib import Path
from typing import Annotated

import typer

from cli import working  # noqa: F401  # its commands come first on the front page
from cli.app import AsJson, At, app, state_app

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would go, and remove nothing.")]


@app.command()
def prune(ctx: typer.Context, at: At = None, dry_run: DryRun = False, json: AsJson = False) -> None:
    """Remove old evaluations, runs and their files by `retention` in muster.yml; never what a later command needs."""
    from activation import retention
    from cli import context, render_state, shapes_state, upkeep

    with (context.looking if dry_run else context.holding)(ctx.obj, at) as held:
        upkeep.check_retention(held)
        work = retention.preview if dry_run else retention.prune
        folder = context.folder(held.workspace, ctx.obj)
        pruned = work(folder, held.ledger, held.workspace.retention, held.at, upkeep.owed_evaluations(held))
    shape = shapes_state.pruned(pruned, held.at, dry_run=dry_run)
    render_state.answer(shape, render_state.pruned, json=json, quiet=ctx.obj.quiet)


@state_app.command("check")
def state_check(ctx: typer.Context, json: AsJson = False) -> None:
    """Read all of the state; say what is damaged, what that affects, and what each repair costs."""
    from activation import state_check as checking
    from cli import context, render_state, shapes_state

    with context.configured(ctx.obj) as workspace:
        health = checking.check(workspace, context.folder(workspace, ctx.obj))
    render_state.answer(shapes_state.health(health), render_state.health, json=json, quiet=ctx.obj.quiet)
    raise typer.Exit(2 if health.damaged else 0)


Reset = Annotated[list[str] | None, typer.Option("--reset-baseline", metavar="D/A", help="Forget a damaged delivered set.")]
Reevaluate = Annotated[
    list[str] | None,
    typer.Option("--reevaluate", metavar="A", help="Make damaged memberships of this audience again, from the same inputs."),
]
Forget = Annotated[
    list[str] | None, typer.Option("--forget", metavar="A", help="Forget the evaluations of this audience whose memberships are damaged.")
]
Tidy = Annotated[bool, typer.Option("--tidy", help="Put damaged rosters and lists of rejects aside, and files that nothing names.")]
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
    from activation import state_repair as repairing
    from cli import context, render_state, shapes_state

    asked = repairing.Asked(tuple(reset_baseline or ()), tuple(reevaluate or ()), tuple(forget or ()), tidy=tidy, everything=yes)
    if not asked:
        state_check(ctx, json=json)
    with context.configured(ctx.obj) as workspace:
        repaired = repairing.repair(workspace, context.folder(workspace, ctx.obj), asked, context.clock, ctx.obj.wait)
    render_state.answer(shapes_state.repaired(repaired), render_state.repaired, json=json, quiet=ctx.obj.quiet)
    raise typer.Exit(2 if repaired.left.damaged else 0)


@state_app.command("backup")
def state_backup(
    ctx: typer.Context,
    place: Annotated[Path, typer.Argument(metavar="FILE|FOLDER", help="A new folder, or a new file whose name ends with .tar.")],
    json: AsJson = False,
) -> None:
    """Copy the state as it is at one moment, with checksums, while others read and write it."""
    from activation import state_backup as copying
    from cli import context, render_state, shapes_state

    with context.configured(ctx.obj) as workspace:
        made = copying.back_up(workspace, context.folder(workspace, ctx.obj), place, context.clock())
    render_state.answer(shapes_state.backup(made), render_state.backed_up, json=json, quiet=ctx.obj.quiet)


@state_app.command("restore")
def state_restore(
    ctx: typer.Context,
    place: Annotated[Path, typer.Argument(metavar="BACKUP", help="What `muster state backup` made.")],
    force: Annotated[bool, typer.Option("--force", help="Put the state that is there aside.")] = False,
    json: AsJson = False,
) -> None:
    """Put a backup in the place of the state, once all of it was checked; what was delivered since is delivered again."""
    from activation import state_restore as restoring
    from cli import context, render_state, shapes_state

    with context.configured(ctx.obj) as workspace:
        done = restoring.restore(workspace, context.folder(workspace, ctx.obj), place, context.clock(), ctx.obj.wait, force=force)
    render_state.answer(shapes_state.restored(done), render_state.restored, json=json, quiet=ctx.obj.quiet)
