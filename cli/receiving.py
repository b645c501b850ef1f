"""The commands about receiver presets: which there are, and what each does to a file."""

from typing import Annotated

import typer

from cli.app import AsJson, presets_app

Name = Annotated[str, typer.Argument(metavar="NAME", help="A preset, such as braze.")]


@presets_app.command("list")
def presets_list(json: AsJson = False) -> None:
    """Every receiver preset."""
    from activation import presets
    from cli import render, shapes_presets

    lines = [shapes_presets.line(presets.get(name)) for name in presets.names()]
    if json:
        render.as_json(lines)
    else:
        render.rows(("preset", "receiver", "looked at"), [(each["name"], each["receiver"], each["looked_at"]) for each in lines])


@presets_app.command("show")
def presets_show(name: Name, json: AsJson = False) -> None:
    """One preset: headers, transforms, limits, where they come from, and an example destination."""
    from activation import presets
    from activation.errors import RefusedError, did_you_mean
    from cli import render, render_presets, shapes_presets

    if name not in presets.names():
        raise RefusedError(f"there is no preset {name!r}{did_you_mean(name, presets.names())}")
    preset = presets.get(name)
    if json:
        render.as_json(shapes_presets.whole(preset))
    else:
        render_presets.show(preset)
