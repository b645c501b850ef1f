"""`muster help`: the front page, the options that every command takes, or the page of a command."""

from typing import Annotated, Any

import typer

from muster.cli.app import app


@app.command("help")
def help_(
    ctx: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="COMMAND", help="A command, or `options`. Default: all commands.", show_default=False),
    ] = None,
) -> None:
    """Show all commands, the options that every command takes, or the page of one command."""
    from muster.cli.show import front_page, help_page
    from muster.runs import RefusedError, did_you_mean

    context: Any = ctx.find_root()
    if not words:
        front_page.show()
        return
    if words == ["options"]:
        help_page.show(help_page.global_options(context.command, context))
        return
    for word in words:
        known = getattr(context.command, "commands", {})
        if word not in known:
            raise RefusedError(f"there is no command {' '.join(words)!r}{did_you_mean(word, [*known, 'options'])}")
        context = typer.Context(known[word], info_name=word, parent=context)
    help_page.show(help_page.page_of(context.command, context))
