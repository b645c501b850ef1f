"""The commands, one module each or for each group, named after it; importing it adds the commands to the app.

In: the words of the command line, read by Typer.
Out: text or JSON on the terminal, and an exit code.
"""

# isort: off
from muster.cli.commands import init, demo, validate, preview, evaluate, run, export, plan, status  # noqa: F401
from muster.cli.commands import verify, reconcile, prune, replay, redeliver  # noqa: F401
from muster.cli.commands import schedule, runs, audiences, evaluations, baseline  # noqa: F401
from muster.cli.commands import destinations, presets, state, help  # noqa: F401, A004
