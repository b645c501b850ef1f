"""The commands about destinations: what there are, and whether files can be brought there."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from muster.activation.errors import ExportError, RefusedError, did_you_mean
from muster.cli.app import AsJson, destinations_app

if TYPE_CHECKING:
    from muster.activation.session import Session
    from muster.cli.shapes.runs import Json

_AT_ONCE = 8

Wanted = Annotated[
    list[str] | None, typer.Argument(metavar="[D]...", help="Destinations; default: all.", show_default=False)
]


@destinations_app.command("list")
def destinations_list(ctx: typer.Context, json: AsJson = False) -> None:
    """Every destination: where it is, and how many activations go there."""
    from muster.cli.show import text
    from muster.runs import opening

    with opening.reading(ctx.obj) as session:
        lines = listed(session)
    if json:
        text.as_json(lines)
    else:
        body = [(each["id"], each["name"], each["url"], each["activations"]) for each in lines]
        text.rows(
            ("destination", "name", "url", "activations"),
            body,
            numbers=("activations",),
            empty="no destinations yet: add some to destinations/*.yml",
        )


@destinations_app.command("check")
def destinations_check(ctx: typer.Context, wanted: Wanted = None, json: AsJson = False) -> None:
    """Connect, then write, read back, replace and delete a small file; say what is missing. Exit 1 if anything is."""
    from muster.cli.show import text
    from muster.runs import opening

    with opening.reading(ctx.obj) as session:
        checked = check(session, wanted or ())
    if json:
        text.as_json(checked)
    elif not ctx.obj.quiet:
        body = [
            (each["id"], each["url"], each["result"], ", ".join(step["step"] for step in each["steps"] if step["ok"]))
            for each in checked
        ]
        text.rows(
            ("destination", "url", "result", "went well"),
            body,
            empty="no destinations yet: add some to destinations/*.yml",
        )
    failed = [
        f"{each['id']}: {step['step']}: {step['error']}" for each in checked for step in each["steps"] if not step["ok"]
    ]
    for message in failed:
        text.error(ExportError(message), verbose=False)
    raise typer.Exit(1 if failed else 0)


def listed(session: "Session") -> "list[Json]":
    """One object a destination."""
    from muster.activation.stores import urls

    workspace = session.workspace
    return [
        {
            "id": each.id,
            "name": each.name,
            "url": urls.normalise(each.url, workspace.root),
            "activations": sum(activation.destination == each.id for activation in workspace.activations),
        }
        for each in sorted(workspace.destinations.values(), key=lambda each: each.id)
    ]


def check(session: "Session", wanted: Sequence[str]) -> "list[Json]":
    """The destinations asked for, tried side by side."""
    from concurrent.futures import ThreadPoolExecutor
    from contextlib import closing
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from muster.activation.destinations.opening import Targets
    from muster.activation.destinations.probe import probe
    from muster.activation.model.redaction import redact
    from muster.activation.stores import urls

    workspace = session.workspace
    for name in wanted:
        if name not in workspace.destinations:
            raise RefusedError(f"there is no destination {name!r}{did_you_mean(name, workspace.destinations)}")
    chosen = [workspace.destinations[name] for name in dict.fromkeys(wanted or sorted(workspace.destinations))]
    # The state's own staging folder is for commands with the lock.
    with TemporaryDirectory(prefix="muster-probe-") as folder, closing(Targets(workspace, Path(folder))) as targets:
        places = [
            targets.open(urls.normalise(each.url, workspace.root), each.id, workspace.file_mode) for each in chosen
        ]
        with ThreadPoolExecutor(_AT_ONCE, "muster-check") as workers:
            names = [f"{Path(folder).name}-{number}.txt" for number in range(len(places))]  # the name of no export
            found = list(workers.map(probe, places, names))
    return [
        {
            "id": each.id,
            "url": place.url,
            "result": "failed" if steps[-1].error else "ok",
            "steps": [
                {
                    "step": step.name,
                    "ok": step.error is None,
                    "error": step.error and redact(step.error, workspace.variables),
                }
                for step in steps
            ],
        }
        for each, place, steps in zip(chosen, places, found, strict=True)
    ]
