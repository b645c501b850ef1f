"""`muster init`: a workspace with sample data."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from muster.cli.app import app

if TYPE_CHECKING:
    from muster.sample_data import Sample

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="An empty or new folder.")]
SampleName = Annotated[
    Literal["shop", "loyalty", "magazine"],
    typer.Option(
        "--sample",
        help="shop: a table of profiles is there. loyalty: profiles are made of three sources (docs/profiles.md). "
        "magazine: a receiver is told of changes by HTTP (docs/events.md).",
    ),
]


@app.command()
def init(folder: Folder = Path(), sample: SampleName = "shop") -> None:
    """Create a workspace with sample data and commented YAML."""
    from muster import sample_data
    from muster.cli.show import welcome
    from muster.runs import iso

    create_workspace(folder, sample)
    welcome.started(str(folder), iso(sample_data.EXPORTS[-1]), sample)


def create_workspace(folder: Path, sample: "Sample" = "shop") -> None:
    """Copy a sample workspace; ``RefusedError`` when the folder is not empty or cannot be written."""
    from muster import sample_data
    from muster.runs import RefusedError, system_message

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RefusedError(f"{folder}: is not empty; give a new or empty folder")
    try:
        sample_data.copy_to(folder, sample)
    except OSError as error:
        raise RefusedError(f"{folder}: cannot be written: {system_message(error)}") from error
