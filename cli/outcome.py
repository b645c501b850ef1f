"""The frame of a command that does work: its call, what is printed, its hooks and its exit code (SPEC 9, X1)."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import typer

from muster.cli.invocation import opened, progress
from muster.runs import InputError, MusterError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from muster.cli.shapes.plain import Json
    from muster.runs import Hooks, OpenWorkspace, Report


@dataclass(frozen=True)
class _End:
    """How a call ended: with a report, or stopped as a whole by an error."""

    workspace: "OpenWorkspace | None"
    report: "Report | None"
    problem: MusterError | None
    warnings: Sequence[str]

    @property
    def code(self) -> int:
        """The exit code of the command."""
        return self.problem.exit_code if self.problem else self.report.exit_code if self.report else 0

    def document(self) -> "Json":
        """What ``--json`` prints."""
        from muster.cli.shapes import calls

        if self.workspace and self.report:
            return calls.done(self.report, self.workspace.config, self.warnings)
        return calls.stopped(self.problem or MusterError(), self.warnings)


def carry_out(ctx: typer.Context, label: str, act: "Callable[[OpenWorkspace], Report]", *, as_json: bool) -> NoReturn:
    """Call a function of the library that does work; print, call hooks, and end with the report's exit code (X1)."""
    end = _called(ctx, label, act)
    _print(ctx, end, as_json=as_json)
    hooks = _hooks(ctx, end)
    if as_json or hooks:
        document = end.document()
        try:
            if hooks:
                _call_hooks(hooks, end, document)
        finally:  # also when a hook is interrupted: the work is done
            if as_json:
                from muster.cli.show import terminal

                terminal.as_json(document)
    raise typer.Exit(end.code)


def _called(ctx: typer.Context, label: str, act: "Callable[[OpenWorkspace], Report]") -> _End:
    from muster.cli.process import logs

    workspace, report, problem = None, None, None
    with logs.warnings_collected() as warnings:
        try:
            workspace = opened(ctx)
            with progress(ctx, label), _answers_shown(ctx):
                report = act(workspace)
        except MusterError as error:
            problem = error
    return _End(workspace, report, problem, warnings)


def _answers_shown(ctx: typer.Context) -> "AbstractContextManager[None]":
    """Show a person who asks for it (`-v`) what receivers answered; nowhere else is that kept (V12)."""
    import sys
    from contextlib import nullcontext

    if not ctx.obj.verbose or not sys.stderr.isatty():
        return nullcontext()
    from muster.cli.show import terminal
    from muster.cli.show.printable import printable
    from muster.runs import showing_answers

    return showing_answers(lambda line: terminal.note(printable(line)))


def _print(ctx: typer.Context, end: _End, *, as_json: bool) -> None:
    """Print the report, but as text for people only without ``--json``; errors go to stderr."""
    if end.problem:
        from muster.cli.show import terminal

        terminal.error(end.problem, verbose=bool(ctx.obj.verbose))
    is_shown = not (as_json or ctx.obj.quiet)
    if (
        end.workspace and end.report and (end.report.errors or is_shown)
    ):  # else there is nothing to print, and no need to load what does
        from muster.cli.show import reports

        if is_shown:
            reports.report(end.report, end.workspace.config.zone)
        reports.failures(end.report, verbose=bool(ctx.obj.verbose))


def _hooks(ctx: typer.Context, end: _End) -> "Hooks | None":
    """The hooks of the workspace, also of one whose YAML files have mistakes; None without any."""
    if end.workspace and not end.workspace.config.hooks:
        return None
    if not end.workspace and not isinstance(end.problem, InputError):
        return None
    from muster.runs import hooks_of, readable_hooks

    return hooks_of(end.workspace) if end.workspace else readable_hooks(ctx.obj.workspace)


def _call_hooks(hooks: "Hooks", end: _End, document: "Json") -> None:
    """Call the hook of each event that happened, ``finished`` last; one that fails is a warning, also in the document.

    Each is told the document as it is then, with ``event``, ``exit_code``, and the runs that the event is about.
    """
    import logging

    from muster.cli.shapes import calls
    from muster.runs import call_hook

    happened = [(event, calls.runs(outcomes)) for event, outcomes in calls.events(end.report)] if end.report else []
    for event, runs in (*happened, ("finished", document["runs"])):
        if not runs and event != "finished":
            continue
        told = document | {"runs": runs, "event": event, "exit_code": end.code}
        if failure := call_hook(hooks, event, json.dumps(told)):
            logging.getLogger("muster").warning("%s", failure)
            document["warnings"].append(failure)
