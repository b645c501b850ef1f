"""The commands about receiver presets: which there are, and what each does to a file."""

from typing import Annotated

import typer

from muster.cli.app import AsJson, presets_app

Name = Annotated[str, typer.Argument(metavar="NAME", help="A preset, such as braze.")]


@presets_app.command("list")
def presets_list(json: AsJson = False) -> None:
    """Every receiver preset."""
    from muster.activation import presets
    from muster.cli.shapes import presets as shapes_presets
    from muster.cli.show import text

    lines = [shapes_presets.line(presets.get(name)) for name in presets.names()]
    if json:
        text.as_json(lines)
    else:
        text.rows(
            ("preset", "receiver", "looked at"), [(each["name"], each["receiver"], each["looked_at"]) for each in lines]
        )


@presets_app.command("show")
def presets_show(name: Name, json: AsJson = False) -> None:
    """One preset: headers, transforms, limits, where they come from, and an example destination."""
    from muster.activation import presets
    from muster.activation.errors import RefusedError, did_you_mean
    from muster.cli.shapes import presets as shapes_presets
    from muster.cli.show import presets as render_presets
    from muster.cli.show import text

    if name not in presets.names():
        raise RefusedError(f"there is no preset {name!r}{did_you_mean(name, presets.names())}")
    preset = presets.get(name)
    if json:
        text.as_json(shapes_presets.whole(preset))
    else:
        render_presets.show(preset)
