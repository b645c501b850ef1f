"""Text output of `audiences members`."""

from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from rich.markup import escape

from muster.cli.show import terminal, times
from muster.cli.show.history import failed_audiences
from muster.cli.show.printable import one_line

if TYPE_CHECKING:
    from muster.runs import AudienceMembers


def members(found: "AudienceMembers", out: Path | None, zone: ZoneInfo) -> None:
    """Print how many memberships an audience has, and the first of them, unless they were written to a file."""
    evaluation = found.evaluation
    sizes = f"{evaluation.realized:,} realized, {found.exited:,} exited"
    written = f", written to {out}" if out else ""
    terminal.styled(
        f"[bold]{escape(evaluation.audience)}[/] at {times.told(evaluation.at, zone)}: {sizes}{escape(written)}"
    )
    if out is None and found.memberships:
        lines = [
            (one_line(each.profile_id), each.status, times.written(each.last_qualification_time, zone))
            for each in found.memberships
        ]
        terminal.rows(("profile_id", "status", "last_qualification_time"), lines, zone=zone)
    if out is None and len(found.memberships) < found.total:
        shown = f"the first {len(found.memberships):,} of {found.total:,}" if found.memberships else "none shown"
        terminal.say(f"{shown}: --rows N shows more, --out FILE writes all")
    if found.failed:
        failed_audiences([found.failed], zone)
