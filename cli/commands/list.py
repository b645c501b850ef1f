"""The commands that list and show, and the small ones that repair: schedule, runs, audiences, evaluations, baseline."""

from typing import Annotated

import typer

from muster.cli.app import AsJson, At, audiences_app, baseline_app, evaluations_app, runs_app, schedule_app

_PAGE = 50


@schedule_app.command("list")
def schedule_list(ctx: typer.Context, at: At = None, json: AsJson = False) -> None:
    """Every activation's schedule in words, and when it fires next."""
    from muster.cli.show import text
    from muster.runs import opening, queries

    with opening.reading(ctx.obj, at) as session:
        lines = queries.schedules(session)
    if json:
        text.as_json(lines)
    else:
        text.schedules(lines)


@schedule_app.command("next")
def schedule_next(
    ctx: typer.Context,
    n: Annotated[int, typer.Argument(metavar="N", min=1, max=10_000, help="How many fire times.")] = 10,
    at: At = None,
    json: AsJson = False,
) -> None:
    """The next fire times of all activations."""
    from muster.cli.show import text
    from muster.runs import opening, queries

    with opening.reading(ctx.obj, at) as session:
        lines = queries.next_fires(session, n)
    if json:
        text.as_json(lines)
    else:
        text.fires(lines)


@schedule_app.command("crontab")
def schedule_crontab(ctx: typer.Context, at: At = None) -> None:
    """A crontab to paste, which calls `muster run` whenever something can be due."""
    from muster.cli.show import text
    from muster.runs import opening, queries

    with opening.reading(ctx.obj, at) as session:
        text.say(queries.crontab(session).rstrip("\n"))


@runs_app.command("list")
def runs_list(
    ctx: typer.Context,
    everything: Annotated[
        bool, typer.Option("--all", help="All runs, superseded ones too; else the newest 50.")
    ] = False,
    json: AsJson = False,
) -> None:
    """History, newest first."""
    from muster.activation.state.ledger import runs_table
    from muster.cli.shapes import runs as shapes
    from muster.cli.show import text
    from muster.runs import opening

    whole = everything or json
    with opening.ledger_alone(ctx.obj) as ledger:
        runs = runs_table.find(ledger, limit=None if whole else _PAGE, superseded=whole)
    if json:
        text.as_json([shapes.run(run) for run in runs])
    else:
        text.run_list(runs)


RunId = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or the start of it.")]


@runs_app.command("show")
def runs_show(ctx: typer.Context, run: RunId, json: AsJson = False) -> None:
    """One run: counts, files, error."""
    from muster.activation.state.ledger import redeliveries_table
    from muster.cli.shapes import runs as shapes
    from muster.cli.show import text
    from muster.runs import opening, queries

    with opening.ledger_alone(ctx.obj) as ledger:
        found = queries.find_run(ledger, run)
        again = redeliveries_table.finished(ledger, found.run_id)
    if json:
        text.as_json(shapes.run(found))
        return
    overridden = {"guards_overridden": True} if found.guards_overridden else {}
    redelivered = {"redelivered": [f"{moment}, files: {files}" for moment, files in again]} if again else {}
    text.details(shapes.run(found) | overridden | redelivered)


@runs_app.command("rejects")
def runs_rejects(ctx: typer.Context, run: RunId, json: AsJson = False) -> None:
    """Every profile that a run left out, with the reason."""
    from muster.cli.show import text
    from muster.runs import opening, queries

    with opening.reading(ctx.obj) as session:
        rejects = queries.rejects(session, run)
    if json:
        text.as_json(rejects)
    else:
        text.rejects(rejects)


@audiences_app.command("list")
def audiences_list(ctx: typer.Context, json: AsJson = False) -> None:
    """Every audience: size, and who entered and left since the previous evaluation."""
    from muster.activation.state.ledger import evaluations_table
    from muster.cli.shapes import runs as shapes
    from muster.cli.show import text
    from muster.runs import opening

    with opening.reading(ctx.obj) as session:
        lines = [
            shapes.audience(each, evaluations_table.newest(session.ledger, each.id))
            for each in session.workspace.audiences.values()
        ]
    if json:
        text.as_json(lines)
    else:
        text.audiences(lines)


@audiences_app.command("show")
def audiences_show(
    ctx: typer.Context, audience: Annotated[str, typer.Argument(metavar="A", help="Its id.")], json: AsJson = False
) -> None:
    """One audience: its rule, its history, where it goes."""
    from muster.cli.show import text
    from muster.runs import opening, queries

    with opening.reading(ctx.obj) as session:
        shape = queries.audience(session, audience)
    if json:
        text.as_json(shape)
    else:
        text.details(shape)


@evaluations_app.command("list")
def evaluations_list(ctx: typer.Context, json: AsJson = False) -> None:
    """Every evaluation, newest first, and whether a run has used it."""
    from muster.cli.show import text
    from muster.runs import opening, queries

    with opening.reading(ctx.obj) as session:
        lines = queries.evaluations(session)
    if json:
        text.as_json(lines)
    else:
        text.evaluations(lines)


@evaluations_app.command("forget")
def evaluations_forget(
    ctx: typer.Context,
    after: Annotated[str, typer.Option("--after", metavar="TIME", help="Forget evaluations later than this.")],
) -> None:
    """Forget the evaluations after a time that no run has used: the way out after a mistyped --at."""
    from muster.cli.show import text
    from muster.runs import opening, queries

    with opening.writing(ctx.obj) as session:
        gone = queries.forget(session, after)
    if not ctx.obj.quiet:
        text.say(text.forgotten(gone))


Key = Annotated[str, typer.Argument(metavar="DESTINATION/ACTIVATION", help="Whose baseline.")]


@baseline_app.command("show")
def baseline_show(
    ctx: typer.Context,
    activation: Annotated[
        str | None, typer.Argument(metavar="DESTINATION/ACTIVATION", help="Whose baseline; default: all.")
    ] = None,
    json: AsJson = False,
) -> None:
    """What each activation delivered last: how many profiles, of which evaluation, when."""
    from muster.cli.show import text
    from muster.runs import opening, queries

    with opening.ledger_alone(ctx.obj) as ledger:
        lines = queries.baselines(ledger, activation)
    if json:
        text.as_json(lines[0] if activation else lines)
    else:
        text.baselines(lines)


@baseline_app.command("reset")
def baseline_reset(ctx: typer.Context, activation: Key) -> None:
    """Forget what was delivered: the activation's next export is a first one and holds everybody."""
    from muster.cli.show import text
    from muster.runs import opening, queries

    with opening.writing(ctx.obj) as session:
        queries.reset_baseline(session, activation)
    if not ctx.obj.quiet:
        text.say(f"{activation}: the next export is a first one")


@baseline_app.command("move")
def baseline_move(
    ctx: typer.Context,
    old: Annotated[str, typer.Argument(metavar="OLD", help="DESTINATION/ACTIVATION as it was called.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="DESTINATION/ACTIVATION as it is called now.")],
) -> None:
    """Hand a baseline to an activation that was renamed."""
    from muster.cli.show import text
    from muster.runs import opening, queries

    with opening.writing(ctx.obj) as session:
        queries.move_baseline(session, old, new)
    if not ctx.obj.quiet:
        text.say(f"{new} goes on from what {old} delivered")
