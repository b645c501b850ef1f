"""The pages that ``--help`` prints of commands: arguments, options, examples; see ``front_page`` for that of `muster`.

Typer's own page imports all of Rich, Markdown and syntax highlighting with it, which takes longer than everything else
that help needs.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from muster.cli.show.examples import EXAMPLES
from muster.cli.show.front_page import Line

if TYPE_CHECKING:
    from typer import Context


_ANYWHERE = "Options of every command, such as -C FOLDER, may come before or after it: `muster help options`"
_OPTIONS = "These options may come before the command or after it."


class Page(NamedTuple):
    """The help of a command."""

    usage: str
    does: str
    boxes: Mapping[str, Sequence[Line]]  # title to lines, of each kind that there is
    examples: Sequence[str]
    end: str


def show(page: Page) -> None:
    """Print a command's page, as wide as the terminal."""
    console = _console()
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
        EXAMPLES.get(ctx.command_path.removeprefix("muster "), ()),
        _ANYWHERE,
    )


def global_options(root: Any, ctx: "Context") -> Page:
    """The page of the options that every command takes, with those of `muster` alone."""
    options = page_of(root, ctx).boxes["Options"]
    return Page("Usage: muster [OPTIONS] COMMAND", _OPTIONS, {"Options": options}, ["muster -C my-shop run -q"], "")


def _console() -> Console:
    return Console(highlight=False, emoji=False)


def _parts(page: Page) -> Iterator[RenderableType]:
    yield Padding(Text(page.usage, style="bold"), 1)
    yield Padding(Text(page.does), (0, 1, 1, 1))
    for title, lines in page.boxes.items():
        yield _box(title, _table(lines))
    if page.examples:
        yield _box("Example" if len(page.examples) == 1 else "Examples", Text("\n".join(page.examples)))
    if page.end:
        yield Padding(Text(page.end), (0, 1))


def _box(title: str, content: RenderableType) -> Panel:
    return Panel(content, title=title, title_align="left", border_style="dim")


def _table(lines: Sequence[Line]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0), expand=True)
    table.add_column(style="bold cyan", no_wrap=True)
    table.add_column(ratio=1)
    for typed, does in lines:
        table.add_row(Text(typed), Text(does))
    return table
