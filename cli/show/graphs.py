"""Text output of `graph`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from rich.markup import escape

from muster.cli.show import terminal, times
from muster.cli.show.printable import one_line
from muster.runs import counted, first_names

if TYPE_CHECKING:
    from muster.runs import GraphDetails, GraphStats, Link, SharedIdentity

# Why a link is refused, in a few words.
REASONS = {
    "shared": "shared identity",
    "unique": "unique namespace",
    "size": "graph too large",
}
_MOST_SIZES = 12  # rows of sizes, beyond which the largest are summed up
_MOST_LINES = 10  # links or identities of one table


def graph(found: "GraphDetails", zone: ZoneInfo) -> None:
    """Print the result of `graph show`: identities, links with where each is stated, refused links, shared ones."""
    terminal.styled(f"[bold]{escape(one_line(found.looked_for))}[/]")
    terminal.dim(f"merge policy {found.policy} at {times.told(found.at, zone)}")
    whose = f"profile {found.profile_id}" if found.profile_id else "no profile, as there is no fragment"
    sizes = counted(len(found.identities), "identity", "identities"), counted(len(found.links), "link")
    terminal.say(f"{whose}: {', '.join(sizes)}")
    lines = [
        (one_line(each.text), "yes" if each.primary else "", times.written(each.oldest, zone) if each.oldest else None)
        for each in found.identities
    ]
    terminal.say()
    terminal.rows(("identity", "fragment", "since"), lines)
    if found.links:
        terminal.say()
        _links(found.links, zone)
    if found.refused:
        terminal.say()
        terminal.styled("[bold]Refused links[/]")
        _links(found.refused, zone)
    if found.shared:
        terminal.say()
        _shared(found.shared)
    terminal.zone_of_times(zone)


def stats(found: "GraphStats", zone: ZoneInfo) -> None:
    """Print the result of `graph stats`."""
    terminal.styled(f"[bold]merge policy {escape(found.policy)}[/] at {times.told(found.at, zone)}")
    terminal.prose(
        f"{counted(found.graphs, 'graph')} of {counted(found.identities, 'identity', 'identities')}, each a profile; "
        f"{counted(found.unknown, 'identity leads', 'identities lead')} to none"
    )
    terminal.prose(escape(_since(found, zone)))
    terminal.say()
    sizes = list(found.sizes.items())
    shown: list[tuple[object, object]] = [(size, number) for size, number in sizes[:_MOST_SIZES]]
    if rest := sizes[_MOST_SIZES:]:
        shown.append((f"{rest[0][0]:,} to {rest[-1][0]:,}", sum(number for _, number in rest)))
    terminal.rows(("identities", "graphs"), shown, numbers=("identities", "graphs"), empty="no graphs")
    if found.largest and len(sizes) > 1:
        terminal.say(f"the largest: muster graph show {one_line(found.largest.text)}")
    if found.shared:
        terminal.say()
        _shared(found.shared)
    if found.refused:
        terminal.say()
        terminal.styled(f"[bold]{counted(len(found.refused), 'refused link')}[/]")
        _links(found.refused, zone)
        terminal.zone_of_times(zone)
    if found.cut:
        terminal.say()
        names = first_names([one_line(each.text) for each in found.cut], _MOST_LINES)
        what = counted(len(found.cut), "identity", "identities")
        terminal.prose(escape(f"{what} without links, as the graph was too large (max_identities): {names}"))


def _since(found: "GraphStats", zone: ZoneInfo) -> str:
    if found.previous_at is None:
        return "no build was before"
    merged = counted(found.merged, "profile was merged into another", "profiles were merged into others")
    split = counted(found.split, "profile came out of another", "profiles came out of others")
    return f"since the build of {times.told(found.previous_at, zone)}: {merged}, {split}"


def _links(links: "Sequence[Link]", zone: ZoneInfo) -> None:
    """A table of the first links; where it does not fit, the file goes, the reason is shorter, and the source goes."""
    lines = [
        {
            "identity": escape(one_line(each.one.text)),
            "and": escape(one_line(each.other.text)),
            **({"why": escape(_why(each))} if each.reason else {}),
            "time": times.written(each.time, zone) if each.time else "-",
            "source": escape(each.source),
            "file": escape(each.file),
        }
        for each in links[:_MOST_LINES]
    ]
    short = {"why": [REASONS[each.reason] for each in links[:_MOST_LINES] if each.reason]}
    terminal.fitted(
        lines, numbers=(), spare=("file", "source", "why") if short["why"] else ("file", "source"), short=short
    )
    if len(links) > _MOST_LINES:
        terminal.say(f"the first {_MOST_LINES} of {len(links):,}; --json has all")


def _why(link: "Link") -> str:
    """Why a link does not hold; of a unique namespace with the two values that the link would join."""
    if not link.apart:
        return REASONS[link.reason]
    return one_line(f"two {link.apart[0].namespace}: {', '.join(sorted(each.id for each in link.apart))}")


def _shared(shared: "Sequence[SharedIdentity]") -> None:
    lines = [(one_line(f"{each.namespace}:{each.id}"), each.neighbours) for each in shared[:_MOST_LINES]]
    terminal.rows(("shared identity, which links nothing", "neighbours"), lines, numbers=("neighbours",))
    if len(shared) > _MOST_LINES:
        terminal.say(f"the first {_MOST_LINES} of {len(shared):,}; --json has all")
