"""`muster presets`: the form of files for well-known receivers."""

from typing import Annotated

import typer

from muster.cli.app import app
from muster.cli.options import AsJson
from muster.cli.typer_classes import add_group

group = add_group(app, "presets", "Show receiver presets: the files that well-known receivers expect.")


@group.command("list")
def list_(json: AsJson = False) -> None:
    """List every receiver preset."""
    from muster.cli.shapes import presets as shapes
    from muster.cli.show import presets as show
    from muster.cli.show import terminal
    from muster.runs import list_presets

    lines = [shapes.line(each) for each in list_presets()]
    if json:
        terminal.as_json(lines)
    else:
        show.presets(lines)


@group.command()
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A preset, such as braze.")], json: AsJson = False
) -> None:
    """Show one preset: headers, transforms, limits, their sources, and an example destination."""
    from muster.cli.shapes import presets as shapes
    from muster.cli.show import presets, terminal
    from muster.runs import show_preset

    preset = show_preset(name)
    if json:
        terminal.as_json(shapes.whole(preset))
    else:
        presets.preset(preset)
