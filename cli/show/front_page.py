"""The page of `muster --help`, as data: it is shown without loading Typer, which takes longer than the page.

A test compares it with what Typer knows of the commands.
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


ANYWHERE = "Global options (muster --help) may come before or after the command."

FRONT_PAGE = Page(
    usage="Usage: muster [OPTIONS] COMMAND [ARGS]...",
    does=(
        "Activate audiences in batch: read Parquet snapshots, and write for each audience exactly who joined, "
        "stayed or left."
    ),
    boxes={
        "Options": [
            (
                "-C, --workspace FOLDER",
                "The workspace. Default: this folder or the nearest one above it that holds muster.yml.",
            ),
            ("-q, --quiet", "Print only errors."),
            ("-v, --verbose", "Log each step; -vv also query plans and timings."),
            ("--wait SECONDS", "Wait this long while another muster works in this workspace.  [default: 0; x>=0]"),
            ("--log-format <text|json>", "Log as text for people or JSON for programs.  [default: text]"),
            ("--memory-limit SIZE", "Memory to use, such as 2GiB. Default: memory_limit in muster.yml."),
            ("--allow-insecure-state", "Accept a state folder that other users can write to."),
            ("--version", "Print the version."),
            ("--install-completion", "Install completion for the current shell."),
            ("--show-completion", "Show completion for the current shell, to copy it or customize the installation."),
            ("-h, --help", "Show this message and exit."),
        ],
        "Commands": [
            ("init", "Create a workspace with sample data and commented YAML."),
            ("demo", "Walk through two days of a sample shop: evaluate, full, incremental and on-demand exports."),
            (
                "validate",
                "Check the YAML files, the rules and mappings against the data, and the destinations. Read-only.",
            ),
            ("evaluate", "Evaluate audiences, then run the exports that follow evaluations."),
            ("run", "Do everything that is due: finish interrupted runs, evaluate, export. Call it from cron."),
            ("export", "Export full files of the newest evaluation now. Schedules and baselines do not change."),
            ("plan", "Show what `muster run` would do, with exact counts and the exit code. Read-only."),
            (
                "status",
                "Show last night on one screen: what is done, late, failing or stale, and due next. Read-only.",
            ),
            ("verify", "Read delivered files again and report those that changed or are missing. Read-only."),
            (
                "reconcile",
                (
                    "Rebuild from the delivered files what the receiver should hold, and compare it with the ledger. "
                    "Read-only."
                ),
            ),
            (
                "prune",
                (
                    "Remove old evaluations, runs and files by `retention` in muster.yml, except those that later "
                    "commands need."
                ),
            ),
            ("replay", "Write a run's files again, byte for byte, into a new folder. Changes nothing else."),
            ("redeliver", "Put a run's files back at its destination after they were lost there."),
            ("schedule", "Show schedules in words, the next fire times, or a crontab."),
            ("runs", "Show past runs: what each exported, whom it left out and why."),
            ("audiences", "Show audiences: sizes, and changes since the previous evaluation."),
            ("evaluations", "List evaluations, or forget those made after a mistyped --at."),
            ("baseline", "Show, reset or move baselines: what each activation delivered last."),
            ("destinations", "List destinations, or check that files can be delivered there."),
            ("presets", "Show receiver presets: the files that well-known receivers expect."),
            ("state", "Check, repair, back up or restore the state folder."),
        ],
    },
    end="Start with `muster demo` to see the whole story on sample data, or `muster init` for a workspace of your own.",
)
