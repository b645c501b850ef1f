"""The page of `muster --help`, as data: it is shown without loading Typer, which takes longer than the page.

Tests hold that it names every command once and fits a terminal of 24 lines and 80 columns.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

Line = tuple[str, str]  # what is typed, and what it does


class FrontPage(NamedTuple):
    """The commands in groups that stand in two columns, each with what it does in a few words."""

    usage: str
    does: str
    left: Mapping[str, Sequence[Line]]  # title to lines
    right: Mapping[str, Sequence[Line]]
    end: str


FRONT_PAGE = FrontPage(
    usage="Usage: muster [OPTIONS] COMMAND [ARGS]...",
    does="Activate audiences in batch: read Parquet snapshots, write who joined or left.",
    left={
        "Start": [
            ("demo", "a sample shop's story"),
            ("init", "a workspace of your own"),
        ],
        "Daily": [
            ("run", "all that is due (cron)"),
            ("evaluate", "who is in each audience"),
            ("export", "full files, on demand"),
        ],
        "Check": [
            ("validate", "YAML, rules and data"),
            ("verify", "delivered files"),
            ("reconcile", "what receivers hold"),
            ("destinations", "can files go there?"),
            ("presets", "what receivers expect"),
        ],
    },
    right={
        "Look": [
            ("status", "last night, on a screen"),
            ("plan", "what `run` would do"),
            ("preview", "what a file would hold"),
            ("runs", "what was sent, left out"),
            ("audiences", "sizes and changes"),
            ("evaluations", "list, forget the newest"),
            ("schedule", "next times, a crontab"),
        ],
        "State": [
            ("baseline", "what was delivered last"),
            ("replay", "a run's files, again"),
            ("redeliver", "files lost there, again"),
            ("prune", "remove old history"),
            ("state", "check, repair, back up"),
            ("help", "`muster help options`"),
        ],
    },
    end=(
        "`muster COMMAND --help` shows a command's options and an example, `muster help options` the options that "
        "every command takes: -C FOLDER, -q, -v and others."
    ),
)
