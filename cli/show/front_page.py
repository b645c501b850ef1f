"""What `muster --help` says. It stands here so that it can be shown without Typer, which takes longer to load than to ask.

A test holds it against what Typer knows of the commands.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

Line = tuple[str, str]  # what is typed, and what it does


class Page(NamedTuple):
    """The help of a command."""

    usage: str
    does: str
    boxes: Mapping[str, Sequence[Line]]  # title to lines, of each kind that there is
    end: str


ANYWHERE = (
    "-C FOLDER, -q, -v, --wait SECONDS, --log-format, --memory-limit SIZE and --allow-insecure-state may "
    "stand before or after the "
    "command; see `muster --help`."
)

FRONT_PAGE = Page(
    usage="Usage: muster [OPTIONS] COMMAND [ARGS]...",
    does=(
        "Activate audiences in batch: Parquet snapshots in, exactly the people who joined, stayed or left "
        "out, per audience."
    ),
    boxes={
        "Options": [
            ("-C, --workspace FOLDER", "The workspace. Default: the nearest folder upwards with muster.yml."),
            ("-q, --quiet", "Print errors alone."),
            ("-v, --verbose", "Log steps; -vv also plans and times."),
            ("--wait SECONDS", "How long to wait for another muster in this workspace.  [default: 0; x>=0]"),
            ("--log-format <text|json>", "Log lines for people or machines.  [default: text]"),
            ("--memory-limit SIZE", "How much memory to use, such as 2GiB. Default: as muster.yml says."),
            ("--allow-insecure-state", "Work with a state folder that others than its owner can write."),
            ("--version", "Print the version."),
            ("--install-completion", "Install completion for the current shell."),
            ("--show-completion", "Show completion for the current shell, to copy it or customize the installation."),
            ("-h, --help", "Show this message and exit."),
        ],
        "Commands": [
            ("init", "Make a working workspace with sample data and commented YAML."),
            ("demo", "Tell the whole story on sample data: two days, evaluate, full, incremental, on demand."),
            (
                "validate",
                "Check YAML, expressions, columns and types against the data, and destinations; writes nothing.",
            ),
            ("evaluate", "Decide who is in each audience, then carry out the exports that follow evaluations."),
            ("run", "Do what is due: finish what was interrupted, evaluate, export. What cron calls."),
            (
                "export",
                "Export one extra full file of the newest evaluation, now; schedules and baselines stay as they are.",
            ),
            ("plan", "Show what `run` would do, with exact counts, and end as it would; writes nothing."),
            ("verify", "Read delivered files again, and say which are not as they were delivered; writes nothing."),
            (
                "reconcile",
                (
                    "Replay what was delivered as a receiver would, and compare with what the ledger says it has; "
                    "writes nothing."
                ),
            ),
            (
                "prune",
                (
                    "Remove old evaluations, runs and their files by `retention` in muster.yml; never what a "
                    "later command needs."
                ),
            ),
            ("replay", "Write the same files again, byte for byte, into a folder of their own; changes nothing else."),
            ("redeliver", "Put a run's files at its destination again, after the receiver lost them."),
            ("schedule", "Schedules in words, the next fire times, a crontab to paste."),
            ("runs", "History: what was exported, what was left out and why."),
            ("audiences", "Audiences: sizes, and changes since the previous evaluation."),
            ("evaluations", "Evaluations: list them, or forget those after a mistyped --at."),
            ("baseline", "Baselines: what each activation delivered last."),
            ("destinations", "Destinations: list them, and check that files can be brought there."),
            ("presets", "Receiver presets: what files for well-known receivers are like."),
            ("state", "The state folder: check it, repair it, back it up, restore it."),
        ],
    },
    end=(
        f"Start with `muster demo` to see the whole story on sample data, or `muster init` for a workspace of "
        f"your own. {ANYWHERE}"
    ),
)
