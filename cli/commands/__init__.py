"""The commands: each module adds its own to the app when it is imported, in the order in which `muster --help` lists them.

In: the words of the command line, read by Typer.
Out: text or JSON on the terminal, and an exit code.
"""

# isort: off
from muster.cli.commands import run  # noqa: F401  # adds its commands
from muster.cli.commands import list as listing  # noqa: F401  # adds its commands
from muster.cli.commands import verify  # noqa: F401  # adds its commands
from muster.cli.commands import state  # noqa: F401  # adds its commands
from muster.cli.commands import replay  # noqa: F401  # adds its commands
from muster.cli.commands import destinations, presets  # noqa: F401  # add their commands
