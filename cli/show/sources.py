"""Text output of `sources`."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from rich.markup import escape

from muster.cli.show import terminal, times
from muster.runs import rounded

if TYPE_CHECKING:
    from muster.runs import SourceDetails

_COUNTS = ("records", "fragments", "identities", "links")
# Why something is left out, in words, by the reasons of JSON.
_REASONS = {
    "no_primary": "records without a primary identity",
    "replaced": "records with a newer row",
    "deleted": "records whose newest row says that they are deleted",
    "too_many_identities": "records with more than 20 identities, which link nothing",
    "empty": "identities that are empty",
    "blocked": "identities that their namespace blocks",
    "built_in": "identities such as null or n/a",
    "too_long": "identities of more than 1,024 characters",
    "pattern": "identities against the pattern of their namespace",
}


def sources(found: "Sequence[SourceDetails]", zone: ZoneInfo) -> None:
    """Print the result of `sources list`: what each source gives, and how old that is."""
    lines = [
        {
            "source": escape(each.source.id),
            "kind": _kind(each),
            **{name: terminal.cell(getattr(each, name)) for name in _COUNTS},
            "left out": terminal.cell(None if each.error else sum(each.left_out.values())),
            "newest": times.written(each.newest, zone) if each.newest else "-",
            "age": _age(each),
        }
        for each in found
    ]
    terminal.fitted(
        lines, numbers=(*_COUNTS, "left out", "age"), spare=("newest", "links", "kind"), timed="newest", zone=zone
    )
    for each in found:
        if each.error:
            terminal.prose(f"[red]{escape(each.source.id)}[/]: {escape(each.error)}")


def source(found: "SourceDetails", zone: ZoneInfo) -> None:
    """Print the result of `sources show`: the counts, then what was left out and why."""
    each = found.source
    numbers = {} if found.error else {name: getattr(found, name) for name in _COUNTS}
    terminal.details(
        {
            "source": each.id,
            "name": each.name,
            "kind": _kind(found),
            "merge policies": ", ".join(found.policies) or None,
            "columns": [
                f"{one.column}: {one.namespace or 'identity map'}{', primary' * one.primary}" for one in each.identities
            ],
            "read": _read(found),
            **numbers,
            "newest": f"{times.told(found.newest, zone)}, {_age(found, ' old')}" if found.newest else None,
        }
    )
    if found.error:
        terminal.prose(f"[red]error:[/] {escape(found.error)}")
        return
    terminal.say()
    lines = [(_REASONS[reason], number) for reason, number in found.left_out.items()]
    terminal.rows(("left out", "number"), lines, numbers=("number",), empty="nothing was left out")


def _kind(each: "SourceDetails") -> str:
    found = each.source
    unused = "" if found.profile else " (no profile)"
    return f"{'events' if found.is_events else found.mode}{unused}"


def _read(found: "SourceDetails") -> str | None:
    if found.read is None:
        return None
    return found.read if not found.files or found.files == 1 else f"{found.read}, {found.files:,} files"


def _age(each: "SourceDetails", word: str = "") -> str:
    if each.age is None:
        return "-"
    text = f"{rounded(max(each.age, timedelta()))}{word}"
    return f"[red]{text}, stale[/]" if each.is_stale else text
