"""Typer's commands and groups with muster's help page, reading plain values without Pydantic (SPEC 9)."""

from collections.abc import Callable
from functools import partial
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup


class Command(TyperCommand):
    """A command with muster's help page."""

    def get_params(self, ctx: typer.Context) -> list[Any]:  # type: ignore[override]  # Typer's context is its own
        """The command's parameters, with ``--help``."""
        return _read_lightly(super().get_params(ctx))

    def format_help(self, ctx: typer.Context, _formatter: object) -> None:  # type: ignore[override]  # as above
        """Print the help page."""
        _show_page(self, ctx)


class Group(TyperGroup):
    """A group of commands with muster's help page."""

    def get_params(self, ctx: typer.Context) -> list[Any]:  # type: ignore[override]  # Typer's context is its own
        """The group's parameters, with ``--help``."""
        return _read_lightly(super().get_params(ctx))

    def format_help(self, ctx: typer.Context, _formatter: object) -> None:  # type: ignore[override]  # as above
        """Print the help page."""
        _show_page(self, ctx)


class Commands(typer.Typer):
    """A Typer app whose commands have muster's help page."""

    def command(self, name: str | None = None, **settings: Any) -> Callable[[Any], Any]:
        """Add a command."""
        return super().command(name, cls=Command, **settings)


def add_group(app: typer.Typer, name: str, does: str) -> Commands:
    """Add a group of commands, such as `muster runs`, to an app."""
    group = Commands(help=does, no_args_is_help=True)
    app.add_typer(group, name=name, cls=Group)
    return group


def _show_page(command: TyperCommand | TyperGroup, ctx: typer.Context) -> None:
    from muster.cli.show import help_page

    help_page.show(help_page.page_of(command, ctx))


def _read_lightly(parameters: list[Any]) -> list[Any]:
    for each in parameters:
        if "process_value" not in vars(each):
            each.process_value = partial(_read, each, each.process_value)
    return parameters


def _read(parameter: Any, read: Callable[[Any, Any], Any], ctx: typer.Context, value: Any) -> Any:
    """The value of a parameter: text and absent values as they are, all others as Typer reads them.

    Typer reads with Pydantic, which takes longer to load than all that a small command does.
    """
    kind = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)
    source = ctx.get_parameter_source(parameter.name)
    is_given = source is None or source.name != "DEFAULT"
    if value is None and not parameter.required:
        value = () if parameter.multiple or parameter.nargs == -1 else None
    elif isinstance(value, tuple) and value and kind == list[str]:
        value = list(value)
    elif value is None or (is_given and not (kind is str and isinstance(value, str))):
        return read(ctx, value)
    return parameter.callback(ctx, parameter, value) if parameter.callback else value
