"""`muster init`: a workspace with sample data."""

from pathlib import Path
from typing import Annotated

import typer

from muster.cli.app import app

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="An empty or new folder.")]


@app.command()
def init(folder: Folder = Path()) -> None:
    """Create a workspace with sample data and commented YAML."""
    from muster import sample_data
    from muster.cli.show import welcome
    from muster.runs import iso

    create_workspace(folder)
    welcome.started(str(folder), iso(sample_data.EXPORTS[-1]))


def create_workspace(folder: Path) -> None:
    """Copy the sample workspace; ``RefusedError`` when the folder is not empty or cannot be written."""
    from muster import sample_data
    from muster.runs import RefusedError, system_message

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RefusedError(f"{folder}: is not empty; give a new or empty folder")
    try:
        sample_data.copy_to(folder)
    except OSError as error:
        raise RefusedError(f"{folder}: cannot be written: {system_message(error)}") from error
