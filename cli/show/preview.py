"""Text output of `preview`."""

from typing import TYPE_CHECKING

from rich.markup import escape

from muster.cli.show import terminal, times
from muster.cli.show.runs import SENT, reasons
from muster.runs import counted

if TYPE_CHECKING:
    from muster.runs import Preview, Run, Sample, Workspace


_SIZES = ("realized", "entered", "exited")
_COUNTS = ("received", *SENT, "identity_changed")


def preview(found: "Preview", config: "Workspace") -> None:
    """Print the size of the audience, the counts of the export, and the first rows as the file would hold them."""
    zone = config.zone
    if found.activation and not found.activation.exports_files:
        terminal.styled(f"[bold]evaluated[/] at {times.told(found.report.at, zone)} on {escape(found.snapshot)}")
        lines = [(each.audience, each.realized, each.entered, each.exited) for each in found.audiences]
        terminal.rows(("audience", *_SIZES), lines, numbers=_SIZES)
    elif found.evaluation:
        at, before = times.told(found.report.at, zone), found.before
        since = f", compared with {times.told(before.at, zone)}" if before else ""
        terminal.styled(f"[bold]{escape(found.audience)}[/] at {at} on {escape(found.snapshot)}{since}")
        sizes = found.evaluation.realized, found.evaluation.entered, found.evaluation.exited
        terminal.rows(_SIZES, [sizes], numbers=_SIZES)
    if found.outcome and found.outcome.run.received is not None:
        _export(found.outcome.run, config)
    if found.sample:
        _rows(found.sample)


def _export(run: "Run", config: "Workspace") -> None:
    activation = config.any_activation(run.key)
    unless = " if it were not disabled" if activation and not activation.enabled else ""
    then = run.baseline_evaluated_at
    since = f", compared with what was delivered of {times.told(then, config.zone)}" if then else ""
    terminal.say()
    terminal.styled(f"[bold]{escape(run.key)}[/] would send {_what(run)}{unless}{since}")
    terminal.rows(_COUNTS, [[getattr(run, name) for name in _COUNTS]], numbers=_COUNTS)
    if run.excluded_by:
        terminal.say(f"excluded: {reasons(run)}")


def _what(run: "Run") -> str:
    """What a run would send: an export, or messages in requests."""
    if run.audiences is not None:
        return f"{counted(run.messages or 0, 'message')} in {counted(run.requests or 0, 'request')}"
    what = "a full" if run.export == "full" else "a first incremental" if run.first_export else "an incremental"
    return f"{what} export"


def _rows(sample: "Sample") -> None:
    noun = sample.columns[0] if sample.columns in {("message",), ("request",)} else "row"
    terminal.say()
    if not sample.total:
        terminal.say("no rows" if noun == "row" else "nothing to send")
        return
    shown = len(sample.texts)
    which = "all " if shown == sample.total > 1 else f"the first {shown:,} of " if shown < sample.total else ""
    terminal.say(f"{which}{counted(sample.total, noun)}{':' if shown else ''}")
    if shown:
        terminal.records(sample.columns, sample.texts)
