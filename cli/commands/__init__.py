"""The commands, one module each or for each group, named after it; importing a module adds its commands to the app.

In: the words of the command line, read by Typer.
Out: text or JSON on the terminal, and an exit code.
"""

from importlib import import_module

NAMES = (
    *("init", "demo", "validate", "preview", "evaluate", "run", "export", "resync", "plan", "status"),
    *("verify", "reconcile", "prune", "replay", "redeliver"),
    *("schedule", "runs", "audiences", "evaluations", "baseline", "profiles"),
    *("sources", "graph", "destinations", "presets", "policies", "state", "help"),
)


def load(name: str = "") -> None:
    """Add the command or group of this name to the app; all of them without a name, or with one that none has."""
    for each in (name,) if name in NAMES and name != "help" else NAMES:
        import_module(f"{__name__}.{each}")
