"""Tables of results: on the terminal after a workload, and in docs/performance.md from the stored results."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from rich.console import Console
from rich.table import Table as RichTable

from benchmarks import results
from benchmarks.measure import ROOT
from benchmarks.micro import WORKLOADS
from benchmarks.results import Kind, Result
from benchmarks.targets import TARGETS, Target

TEMPLATE = Path(__file__).parent / "performance.md.in"
DOCS = ROOT / "docs"
FURTHER = ("syncs", "steps", "uploads", "e164")  # results that are facts, no runs
ALL = ("night", "pandas", "growth", "large", "graph", "merge", "messages", *WORKLOADS, *FURTHER)
MIB, _MISSING = 1 << 20, "(not measured)"


@dataclass(frozen=True)
class Table:
    """Rows of text; the first column is words, the others are numbers."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """The table as GitHub's Markdown."""
        rule = ["---", *("---:" for _ in self.columns[1:])]
        return "\n".join(f"| {' | '.join(row)} |" for row in (self.columns, rule, *self.rows))

    def show(self, console: Console, title: str) -> None:
        """Print the table on the terminal."""
        shown = RichTable(title=title, title_justify="left")
        for place, column in enumerate(self.columns):
            shown.add_column(column, justify="right" if place else "left")
        for row in self.rows:
            shown.add_row(*row)
        console.print(shown)


def costs(result: Result) -> Table:
    """Median and spread of each contender."""
    rows = [
        [name, str(len(each)), *(_spread(result, name, kind) for kind in _UNITS)] for name, each in result.runs.items()
    ]
    return Table(["median (min to max)", "runs", *_UNITS.values()], rows)


_COMPARED = ("night", "pandas")
_WITH_FACTS = ("messages",)  # beside the costs of runs
_UNITS: dict[Kind, str] = {"wall": "wall time, s", "cpu": "CPU time, s", "peak": "peak memory, MiB"}


def _number(value: float, kind: Kind) -> str:
    return f"{value / MIB:,.0f}" if kind == "peak" else f"{value:.2f}"


def _spread(result: Result, name: str, kind: Kind) -> str:
    values, median = result.values(name, kind), _number(result.median(name, kind), kind)
    return median if len(values) == 1 else f"{median} ({_number(min(values), kind)} to {_number(max(values), kind)})"


def sizes(result: Result) -> Table:
    """The night at growing sizes: a row a size, a column a way, and the exponents."""
    ways = result.facts["ways"]
    numbers = [[f"{size:,}", *_pairs(result, (f"{way} {size}" for way in ways))] for size in result.facts["sizes"]]
    exponents = [
        "growth exponent",
        *(f"{grown(result, way, 'wall'):.2f} / {grown(result, way, 'peak'):.2f}" for way in ways),
    ]
    return Table(["profiles", *(f"{way}: wall, s / peak, MiB" for way in ways)], [*numbers, exponents])


def ratios(result: Result) -> Table:
    """The medians of muster against those of each peer: below 1 muster needs less."""
    peers = [name for name in result.runs if name != "muster"]
    rows = [
        [f"muster against {peer}", *(f"{result.median('muster', k) / result.median(peer, k):.2f}" for k in _UNITS)]
        for peer in peers
    ]
    return Table(["", *(unit.partition(",")[0] for unit in _UNITS.values())], rows)


def calls(result: Result) -> Table:
    """The number of calls that wait for the disk, by contender."""
    counted = result.facts["calls"]
    names = list(next(iter(counted.values())))
    rows = [[way, *(f"{each[name]:,}" for name in names), f"{sum(each.values()):,}"] for way, each in counted.items()]
    return Table(["calls", *names, "all"], rows)


def steps(result: Result) -> Table:
    """Where the night's time goes: the facts ``steps`` are lists of step, CPU seconds, wall seconds and words."""
    rows = [[step, f"{cpu:.2f}", f"{wall:.2f}", words] for step, cpu, wall, words in result.facts["steps"]]
    whole = ["all", *(f"{sum(each[at] for each in result.facts['steps']):.2f}" for at in (1, 2)), ""]
    return Table(["step", "CPU time, s", "wall time, s", "what it is made of"], [*rows, whole])


def facts(result: Result) -> Table:
    """A result of plain numbers, by name."""
    return Table(["", "measured"], [[name, f"{value:,.2f}"] for name, value in result.facts.items()])


def _pairs(result: Result, names: Iterable[str]) -> Iterator[str]:
    for name in names:
        yield f"{_number(result.median(name, 'wall'), 'wall')} / {_number(result.median(name, 'peak'), 'peak')}"


def grown(result: Result, way: str, kind: Kind) -> float:
    """The growth exponent of a contender's cost with the number of profiles."""
    of_size = result.facts["sizes"]
    return results.exponent(of_size, [result.median(f"{way} {size}", kind) for size in of_size])


def table_of(result: Result) -> Table:
    """The table of a result of any workload."""
    return _TABLES.get(result.workload, costs)(result)


_TABLES: dict[str, Callable[[Result], Table]] = {
    "growth": sizes,
    "syncs": calls,
    "steps": steps,
    "uploads": facts,
    "e164": facts,
}


def targets(found: dict[str, Result]) -> Table:
    """The targets as a table: limit, measured value and size, and whether the target is met."""
    return Table(_TARGET_COLUMNS, [_row(target, found.get(target.workload)) for target in TARGETS])


_TARGET_COLUMNS = ("", "profiles", "goal", "measured", "")


def _row(target: Target, result: Result | None) -> list[str]:
    value = target.value(result) if result else None
    if result is None or value is None:
        return [target.words, "", target.goal, "not measured", ""]
    largest = max(result.facts.get("sizes", [result.profiles]))
    met = "met" if target.is_met(value) else "not met"
    return [target.words, f"{largest:,}" if largest else "", target.goal, target.form(value), met]


def render(folder: Path, docs: Path = DOCS) -> None:
    """Write ``performance.md``, and the charts, from the stored results."""
    from benchmarks import charts  # noqa: PLC0415 (matplotlib is needed here alone)

    found = results.load_all(folder, ALL)
    images = charts.draw(found, docs / "img")
    parts = {name: table_of(result).markdown() for name, result in found.items()}
    parts |= {f"{name} chart": f"![{words}](img/{name}.svg)" for name, words in images.items()}
    parts |= {f"{name} facts": facts(result).markdown() for name, result in found.items() if name in _WITH_FACTS}
    parts |= {f"{name} profiles": f"{result.profiles:,}" for name, result in found.items()}
    parts |= {f"{name} ratios": ratios(result).markdown() for name, result in found.items() if name in _COMPARED}
    parts |= {"targets": targets(found).markdown(), "machine": _machine(found)}
    (docs / "performance.md").write_text(filled(with_figures(TEMPLATE.read_text(), found), parts))


def with_figures(template: str, found: dict[str, Result]) -> str:
    """The template with ``{{workload | contender | kind}}`` put in: a median, in seconds or bytes.

    ``one / other`` in place of a contender is the ratio of two; ``#0`` is the first contender of the result.
    """

    def figure(place: re.Match[str]) -> str:
        workload, names, kind = place.groups()
        values = [_median(found.get(workload), name, cast("Kind", kind)) for name in names.split(" / ")]
        if None in values:
            return _MISSING
        value, *others = [each for each in values if each is not None]
        return f"{value / others[0]:.2f}" if others else _figure(value, cast("Kind", kind))

    return re.sub(r"\{\{([\w-]+) \| ([^|}]+) \| (wall|cpu|peak)\}\}", figure, template)


def _median(result: Result | None, name: str, kind: Kind) -> float | None:
    if result is None:
        return None
    if name.startswith("#"):
        name = list(result.runs)[int(name[1:])]
    return result.median(name, kind) if name in result.runs else None


def _figure(value: float, kind: Kind) -> str:
    if kind == "peak":
        return f"{value / MIB:,.0f} MiB" if value < MIB << 10 else f"{value / (MIB << 10):.1f} GiB"
    return f"{value:.2f} s" if value < 1 else f"{value:.1f} s"


def filled(template: str, parts: dict[str, str]) -> str:
    """The template with ``{{name}}`` put in: what was not measured says so, a chart that is missing leaves no line."""
    for name in (
        *ALL,
        *(f"{each} {what}" for each in ALL for what in ("chart", "profiles", "ratios", "facts")),
        "targets",
        "machine",
    ):
        missing = "" if name.endswith(" chart") else _MISSING
        template = template.replace(f"{{{{{name}}}}}", parts.get(name, missing))
    return template.replace("\n\n\n", "\n\n")


def _machine(found: dict[str, Result]) -> str:
    """The machines and versions of all results, each once."""
    return "\n".join(dict.fromkeys(f"- {described(result)}" for result in found.values())) or _MISSING


def described(result: Result) -> str:
    """Machine and versions in one line."""
    machine = result.machine
    versions = ", ".join(f"{name} {version}" for name, version in result.versions.items())
    return (
        f"{machine['cores']} cores ({machine['cpu']}), {machine['memory'] / (MIB << 10):.0f} GiB of "
        f"memory, {machine['system']}; {versions}"
    )


def show(console: Console, result: Result) -> None:
    """Print a result with the machine and the targets of the workload."""
    counts = "".join(f", {result.facts[key]:,} {key}" for key in ("files", "rows") if result.facts.get(key))
    table_of(result).show(console, f"{result.workload}: {result.profiles:,} profiles{counts}")
    if result.workload in _COMPARED:
        ratios(result).show(console, "ratios of medians")
    console.print(described(result), style="dim", highlight=False)
    if result.workload in _WITH_FACTS:
        facts(result).show(console, "measured beside")
    own = [_row(target, result) for target in TARGETS if target.workload == result.workload]
    if own:
        Table(_TARGET_COLUMNS, own).show(console, "targets")
