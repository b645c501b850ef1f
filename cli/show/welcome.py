"""Text output for newcomers: of `muster` alone, and of `muster init`."""

from typing import TYPE_CHECKING

from rich.markup import escape

from muster.cli.show.terminal import say, styled

if TYPE_CHECKING:
    from muster.sample_data import Sample


def welcome() -> None:
    """Print what to do first."""
    styled("[bold]muster[/] activates audiences in batch: it reads Parquet snapshots,")
    say("and writes for each audience exactly who joined, stayed or left.")
    say()
    say("  muster demo            the whole story on sample data, in a few seconds")
    say("  muster init my-shop    a working workspace of your own, with commented YAML")
    say("  muster validate        check a workspace against its data")
    say("  muster plan            what a run would do, with exact counts")
    say("  muster run             do everything that is due; cron calls this")
    say("  muster --help          all commands")


def started(folder: str, at: str, sample: "Sample") -> None:
    """Print what to do in a new workspace; ``at`` is an instant for which the sample has data."""
    styled(f"[bold]A workspace with sample data is in[/] {escape(folder)}")
    steps = {
        f"muster -C {folder} validate --at {at}": "is everything in order?",
        **({f"muster -C {folder} sources list --at {at}": "what do the sources give?"} if sample == "loyalty" else {}),
        f"muster -C {folder} plan --at {at}": "what would a run do?",
        **(
            {"python -m muster.sample_data.receiver": "the receiver, in another terminal"}
            if sample == "magazine"
            else {}
        ),
        f"muster -C {folder} run --at {at}": "do it (cron calls this without --at)",
        f"muster -C {folder} audiences list": "who is in each audience?",
    }
    width = max(map(len, steps))
    for command, purpose in steps.items():
        say(f"  {command:<{width}}  {purpose}")
    if sample == "loyalty":
        say("Then put your own Parquet files under data/ and edit muster.yml, sources/, audiences/ and destinations/.")
    else:
        say("Then put your own Parquet files under data/ and edit muster.yml, audiences/, destinations/ and")
        say("policies/.")
