"""`muster state`: check, repair, back up, restore and rewind the state folder."""

from functools import partial
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from muster.cli.app import app
from muster.cli.invocation import instant, opened
from muster.cli.options import AsJson
from muster.cli.typer_classes import add_group

group = add_group(app, "state", "Check, repair, back up, restore or rewind the state folder.")


@group.command()
def check(ctx: typer.Context, json: AsJson = False) -> None:
    """Read all of the state; show what is damaged, what it affects, what each repair costs. No damage, no output."""
    _check(ctx, json=json, speaks=bool(ctx.obj.verbose))


def _check(ctx: typer.Context, *, json: bool, speaks: bool) -> NoReturn:
    """Print the faults of the state, and of a sound one what was read if it ``speaks``; exit 2 for damage."""
    from muster.cli.shapes import state as shapes
    from muster.cli.show import state as show
    from muster.runs import check_state

    health = check_state(opened(ctx))
    show.answer(shapes.health(health), show.health if speaks else show.checked, json=json, quiet=ctx.obj.quiet)
    raise typer.Exit(2 if health.damaged else 0)


Reevaluate = Annotated[
    list[str] | None,
    typer.Option(
        "--reevaluate",
        metavar="AUDIENCE",
        help="Evaluate this audience's damaged memberships again, from the same inputs. Repeatable.",
    ),
]
Forget = Annotated[
    list[str] | None,
    typer.Option(
        "--forget",
        metavar="AUDIENCE",
        help="Forget this audience's evaluations whose memberships are damaged. Repeatable.",
    ),
]
Rebuild = Annotated[
    list[str] | None,
    typer.Option(
        "--rebuild",
        metavar="POLICY",
        help="Make this merge policy's damaged views and graphs again, from the same sources. Repeatable.",
    ),
]
DropView = Annotated[
    list[str] | None,
    typer.Option("--drop-view", metavar="POLICY", help="Drop this merge policy's damaged views. Repeatable."),
]
ResetBaseline = Annotated[
    list[str] | None,
    typer.Option(
        "--reset-baseline",
        metavar="DESTINATION/ACTIVATION",
        help="Forget this activation's damaged delivered set. Repeatable.",
    ),
]
DropOutbox = Annotated[
    list[str] | None,
    typer.Option(
        "--drop-outbox",
        metavar="DESTINATION/ACTIVATION",
        help="Send nothing more of this activation's damaged outbox. Repeatable.",
    ),
]
RenewIds = Annotated[
    list[str] | None,
    typer.Option(
        "--renew-ids",
        metavar="POLICY",
        help="Let this merge policy's ids go on from an earlier build, or begin anew. Repeatable.",
    ),
]


@group.command()
def repair(
    ctx: typer.Context,
    reset_baseline: ResetBaseline = None,
    drop_outbox: DropOutbox = None,
    reevaluate: Reevaluate = None,
    forget: Forget = None,
    rebuild: Rebuild = None,
    drop_view: DropView = None,
    renew_ids: RenewIds = None,
    tidy: Annotated[
        bool,
        typer.Option("--tidy", help="Move aside leftover files, and damaged rosters and lists of rejects."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Carry out every proposed repair.")] = False,
    json: AsJson = False,
) -> None:
    """Carry out the repairs you choose, or else list them. Replaced files are kept in .muster/damaged-<time>/."""
    from muster.cli.shapes import state as shapes
    from muster.cli.show import state as show
    from muster.runs import repair_state

    if not (reset_baseline or drop_outbox or reevaluate or forget or rebuild or drop_view or renew_ids or tidy or yes):
        _check(ctx, json=json, speaks=True)
    workspace = opened(ctx)
    repaired = repair_state(
        workspace,
        now=instant(None, workspace),
        reset_baselines=reset_baseline or (),
        drop_outboxes=drop_outbox or (),
        reevaluate=reevaluate or (),
        forget=forget or (),
        rebuild=rebuild or (),
        drop_views=drop_view or (),
        renew_ids=renew_ids or (),
        tidy=tidy,
        everything=yes,
    )
    show.answer(shapes.repaired(repaired), show.repaired, json=json, quiet=ctx.obj.quiet)
    raise typer.Exit(2 if repaired.remaining.damaged else 0)


@group.command()
def backup(
    ctx: typer.Context,
    to: Annotated[
        Path, typer.Argument(metavar="FILE|FOLDER", help="A new folder, or a new file whose name ends with .tar.")
    ],
    json: AsJson = False,
) -> None:
    """Copy the state as it is at one moment, with checksums, while other commands work."""
    from muster.cli.shapes import state as shapes
    from muster.cli.show import state as show
    from muster.runs import back_up_state

    workspace = opened(ctx)
    made = back_up_state(workspace, to, now=instant(None, workspace))
    backed_up = partial(show.backed_up, zone=workspace.config.zone)
    show.answer(shapes.backup(made), backed_up, json=json, quiet=ctx.obj.quiet)


@group.command()
def restore(
    ctx: typer.Context,
    source: Annotated[Path, typer.Argument(metavar="BACKUP", help="A backup made by `muster state backup`.")],
    force: Annotated[
        bool, typer.Option("--force", help="Move the present state aside, to .muster/replaced-<time>/.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Replace the state with a backup after checking it. Runs delivered since then are delivered again."""
    from muster.cli.shapes import state as shapes
    from muster.cli.show import state as show
    from muster.runs import restore_state

    workspace = opened(ctx)
    restored = restore_state(workspace, source, now=instant(None, workspace), force=force)
    told = partial(show.restored, zone=workspace.config.zone)
    show.answer(shapes.restored(restored), told, json=json, quiet=ctx.obj.quiet)


@group.command()
def rewind(
    ctx: typer.Context,
    to: Annotated[
        str,
        typer.Option("--to", metavar="TIME", help="The time to go back to: ISO 8601, as for --at; or now."),
    ],
    json: AsJson = False,
) -> None:
    """Take back the times of commands that ran with a wrong clock, so that slots are due again. Nobody is resent."""
    from muster.cli.shapes import state as shapes
    from muster.cli.show import state as show
    from muster.runs import rewind_state

    workspace = opened(ctx)
    now = instant(None, workspace)
    done = rewind_state(workspace, to=now if to == "now" else workspace.instant(to), now=now)
    told = partial(show.rewound, zone=workspace.config.zone)
    show.answer(shapes.rewound(done), told, json=json, quiet=ctx.obj.quiet)
