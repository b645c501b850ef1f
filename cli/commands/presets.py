"""`muster presets`: the files of well-known receivers, and the requests of well-known APIs."""

from typing import Annotated

import typer

from muster.cli.app import app
from muster.cli.options import AsJson
from muster.cli.typer_classes import add_group

group = add_group(app, "presets", "Show receiver presets: the files and requests that well-known receivers expect.")


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
    """Show one preset: headers and transforms, or requests; limits, their sources, and an example destination."""
    from muster.cli.shapes import presets as shapes
    from muster.cli.show import presets, terminal
    from muster.runs import MessagePreset, show_preset

    preset = show_preset(name)
    if isinstance(preset, MessagePreset):
        if json:
            terminal.as_json(shapes.whole_of_requests(preset))
        else:
            presets.preset_of_requests(preset)
    elif json:
        terminal.as_json(shapes.whole(preset))
    else:
        presets.preset(preset)
