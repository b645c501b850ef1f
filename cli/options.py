"""Options and arguments that several commands take."""

from typing import Annotated

import typer

At = Annotated[
    str | None,
    typer.Option(
        "--at",
        metavar="TIME",
        help="Work as of this time: ISO 8601, in the workspace's timezone unless it has an offset. Default: now.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print only JSON.")]
AllowEmpty = Annotated[
    bool,
    typer.Option("--allow-empty", help="Accept profiles, or a source of them, without rows: whom they lack leaves."),
]
AllowEmptyEvents = Annotated[
    bool, typer.Option("--allow-empty-events", help="Accept event files without rows: nobody has done anything.")
]
AllowEmptyMemberships = Annotated[
    bool, typer.Option("--allow-empty-memberships", help="Accept membership files without rows: every member leaves.")
]
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        min=1,
        metavar="N",
        help="Deliver to at most N remote destinations at once. Default: 8.",
        show_default=False,
    ),
]
Override = Annotated[
    list[str] | None,
    typer.Option(
        "--override-guards",
        metavar="DESTINATION/ACTIVATION",
        help="Ignore this activation's guards in this run. Repeatable.",
    ),
]
Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="DESTINATION/ACTIVATION",
        help="Export this activation alone; finish and evaluate as usual. Repeatable.",
    ),
]
RunId = Annotated[
    str,
    typer.Argument(
        metavar="RUN", help="A run's id, the start of it, or DESTINATION/ACTIVATION for that activation's newest run."
    ),
]
MergePolicy = Annotated[
    str, typer.Option("--policy", metavar="POLICY", help="The merge policy that makes the profiles.")
]
