"""The page that ``--help`` prints: what a command does, then its arguments, options and commands, each kind in a box.

Typer's own page imports all of Rich, Markdown and syntax highlighting with it, which takes longer than everything else
that help needs.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from muster.cli.show.front_page import Line, Page

if TYPE_CHECKING:
    from typer import Context


def show(page: Page) -> None:
    """Print a page, as wide as the terminal."""
    console = Console(highlight=False, emoji=False)
    for part in _parts(page):
        console.print(part)


def page_of(command: Any, ctx: "Context") -> Page:
    """The page of a Typer command or group."""
    kinds: dict[str, list[Line]] = {"argument": [], "option": []}
    for parameter in command.get_params(ctx):
        kinds[parameter.param_type_name] += filter(None, [parameter.get_help_record(ctx)])  # a hidden one has no record
    boxes = {
        "Arguments": [
            (typed.split()[0], does) for typed, does in kinds["argument"]
        ],  # without its type: the name tells it
        "Options": kinds["option"],
        "Commands": [(name, each.help or "") for name, each in getattr(command, "commands", {}).items()],
    }
    return Page(
        command.get_usage(ctx),
        command.help or "",
        {title: lines for title, lines in boxes.items() if lines},
        command.epilog or "",
    )


def _parts(page: Page) -> Iterator[RenderableType]:
    yield Padding(Text(page.usage, style="bold"), 1)
    yield Padding(Text(page.does), (0, 1, 1, 1))
    for title, lines in page.boxes.items():
        yield Panel(_table(lines), title=title, title_align="left", border_style="dim")
    yield Padding(Text(page.end), 1)


def _table(lines: Sequence[Line]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0), expand=True)
    table.add_column(style="bold cyan", no_wrap=True)
    table.add_column(ratio=1)
    for typed, does in lines:
        table.add_row(Text(typed), Text(does))
    return table
