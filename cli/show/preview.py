"""Text output of `preview`."""

from typing import TYPE_CHECKING

from rich.markup import escape

from muster.cli.show import terminal
from muster.cli.show.runs import SENT, reasons
from muster.runs import counted, iso

if TYPE_CHECKING:
    from muster.runs import Preview, Run, Sample


_SIZES = ("realized", "entered", "exited")
_COUNTS = ("received", *SENT, "identity_changed")


def preview(found: "Preview") -> None:
    """Print the size of the audience, the counts of the export, and the first rows as the file would hold them."""
    if found.evaluation:
        since = f", compared with {iso(found.before.at)}" if found.before else ""
        terminal.styled(
            f"[bold]{escape(found.audience)}[/] at {iso(found.report.at)} on {escape(found.snapshot)}{since}"
        )
        sizes = found.evaluation.realized, found.evaluation.entered, found.evaluation.exited
        terminal.rows(_SIZES, [sizes], numbers=_SIZES)
    if found.outcome and found.outcome.run.received is not None:
        _export(found.outcome.run)
    if found.sample:
        _rows(found.sample)


def _export(run: "Run") -> None:
    what = "a full" if run.export == "full" else "a first incremental" if run.first_export else "an incremental"
    since = (
        f", compared with what was delivered of {iso(run.baseline_evaluated_at)}" if run.baseline_evaluated_at else ""
    )
    terminal.say()
    terminal.styled(f"[bold]{escape(run.key)}[/] would send {what} export{since}")
    terminal.rows(_COUNTS, [[getattr(run, name) for name in _COUNTS]], numbers=_COUNTS)
    if run.excluded_by:
        terminal.say(f"excluded: {reasons(run)}")


def _rows(sample: "Sample") -> None:
    terminal.say()
    if not sample.total:
        terminal.say("no rows")
        return
    shown = len(sample.texts)
    which = "all" if shown == sample.total else f"the first {shown:,} of"
    terminal.say(f"{which} {counted(sample.total, 'row')}{':' if shown else ''}")
    if shown:
        terminal.records(sample.columns, sample.texts)
