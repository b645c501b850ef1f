"""Text output of `graph`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from rich.markup import escape

from muster.cli.show import terminal, times
from muster.cli.show.printable import one_line
from muster.runs import counted

if TYPE_CHECKING:
    from muster.runs import GraphDetails, GraphStats, Link, SharedIdentity

# Why a link is refused, in a few words.
REASONS = {
    "shared": "shared (max_links)",
    "unique": "unique namespace",
    "size": "too large (max_identities)",
}
_MOST_SIZES = 12  # rows of sizes, beyond which the largest are summed up


def graph(found: "GraphDetails", zone: ZoneInfo) -> None:
    """Print the result of `graph show`: identities, links with where each is stated, refused links, shared ones."""
    whose = f"profile {found.profile_id}" if found.profile_id else "no profile: it has no fragment"
    terminal.styled(f"[bold]{escape(one_line(found.looked_for))}[/] at {times.told(found.at, zone)}: {escape(whose)}")
    terminal.say(
        f"merge policy {found.policy}, {counted(len(found.identities), 'identity', 'identities')}, "
        f"{counted(len(found.links), 'link')}"
    )
    lines = [
        (one_line(each.text), "yes" if each.primary else "", times.written(each.oldest, zone) if each.oldest else None)
        for each in found.identities
    ]
    terminal.say()
    terminal.rows(("identity", "fragment", "since"), lines, zone=zone)
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


def stats(found: "GraphStats", zone: ZoneInfo) -> None:
    """Print the result of `graph stats`."""
    terminal.styled(f"[bold]merge policy {escape(found.policy)}[/] at {times.told(found.at, zone)}")
    terminal.say(
        f"{counted(found.graphs, 'graph')} of {counted(found.identities, 'identity', 'identities')}; "
        f"{counted(found.profiles, 'graph has', 'graphs have')} a fragment, and so a profile"
    )
    terminal.say(_since(found, zone))
    terminal.say()
    sizes = list(found.sizes.items())
    shown = [(str(size), number) for size, number in sizes[:_MOST_SIZES]]
    if rest := sizes[_MOST_SIZES:]:
        shown.append((f"{rest[0][0]} to {rest[-1][0]}", sum(number for _, number in rest)))
    terminal.rows(("identities", "graphs"), shown, numbers=("identities", "graphs"), empty="no graphs")
    if found.largest and len(sizes) > 1:
        terminal.say(f"the largest: muster graph show {one_line(found.largest.text)}")
    if found.shared:
        terminal.say()
        _shared(found.shared)
    if found.refused:
        terminal.say()
        total = sum(found.refused.values())
        why = ", ".join(f"{number:,} {REASONS.get(reason, reason)}" for reason, number in found.refused.items())
        terminal.say(f"{counted(total, 'refused link')}: {why}")
        _links(found.refused_links, zone)
        if len(found.refused_links) < total:
            terminal.say(f"the first {len(found.refused_links):,} of {total:,}; --json has all")


def _since(found: "GraphStats", zone: ZoneInfo) -> str:
    if found.previous_at is None or found.merged is None or found.split is None:
        return "no build before, to which ids could be compared"
    merged = counted(found.merged, "profile was merged into another", "profiles were merged into others")
    split = counted(found.split, "profile came out of another", "profiles came out of others")
    return f"since the build of {times.told(found.previous_at, zone)}: {merged}, {split}"


def _links(links: "Sequence[Link]", zone: ZoneInfo) -> None:
    """A table of links; where it does not fit, the file goes, then the source."""
    lines = [
        {
            "identity": escape(one_line(each.one.text)),
            "and": escape(one_line(each.other.text)),
            **({"why": REASONS.get(each.reason, each.reason)} if each.reason else {}),
            "time": times.written(each.time, zone),
            "source": terminal.cell(each.source),
            "file": terminal.cell(each.file),
        }
        for each in links
    ]
    terminal.fitted(lines, numbers=(), spare=("file", "source"), timed="time", zone=zone)


def _shared(shared: "Sequence[SharedIdentity]") -> None:
    lines = [(one_line(f"{each.namespace}:{each.id}"), each.neighbours) for each in shared]
    terminal.rows(("shared identity, which links nothing", "neighbours"), lines, numbers=("neighbours",))
