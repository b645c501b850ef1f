"""Charts of the night and of its growth, as SVG. The only module that needs matplotlib, and then only when it draws."""

from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from benchmarks.results import Kind, Result

_COLOURS = {
    "muster": "#1b6ca8",
    "DuckDB": "#c98a1b",
    "DuckDB, synced": "#e0b96a",
    "Polars": "#7a7a7a",
    "pandas": "#8c5a9e",
}
_PANELS: dict[Kind, tuple[str, float]] = {
    "wall": ("wall time, s", 1),
    "cpu": ("CPU time, s", 1),
    "peak": ("peak memory, GiB", 1 << 30),
}


def draw(found: dict[str, Result], folder: Path) -> dict[str, str]:
    """Draw a chart of each result that has one; returns names and captions."""
    drawn = {name: words for name, (words, _) in _CHARTS.items() if name in found}
    for name in drawn:
        folder.mkdir(parents=True, exist_ok=True)
        with mpl.rc_context({"svg.hashsalt": "muster", "svg.fonttype": "none", "font.size": 9}):
            figure = _CHARTS[name][1](found[name])
            figure.savefig(folder / f"{name}.svg", metadata={"Date": None, "Creator": None}, bbox_inches="tight")
    return drawn


def _night(result: Result) -> Figure:
    """Draw the night: medians as bars, all runs as points."""
    figure = Figure(figsize=(9, 2.6))
    axes: list[Axes] = list(figure.subplots(1, len(_PANELS)))
    for place, (axis, (kind, (words, unit))) in enumerate(zip(axes, _PANELS.items(), strict=True)):
        for row, name in enumerate(result.runs):
            values = [value / unit for value in result.values(name, kind)]
            axis.barh(row, result.median(name, kind) / unit, color=_COLOURS.get(name), height=0.6)
            axis.plot(values, [row] * len(values), "|", color="black", markersize=9)
        axis.set_yticks(range(len(result.runs)), list(result.runs) if place == 0 else [""] * len(result.runs))
        axis.invert_yaxis()
        _plain(axis, words)
    return figure


def _growth(result: Result) -> Figure:
    """Draw the growth: wall time and peak memory against size, both on logarithmic scales."""
    figure, of_size = Figure(figsize=(9, 3)), result.facts["sizes"]
    kinds: tuple[Kind, ...] = ("wall", "peak")
    for axis, kind in zip(figure.subplots(1, len(kinds)), kinds, strict=True):
        words, unit = _PANELS[kind]
        for way in result.facts["ways"]:
            values = [result.median(f"{way} {size}", kind) / unit for size in of_size]
            axis.loglog([size / 1e6 for size in of_size], values, "o-", color=_COLOURS.get(way), label=way)
        axis.set_xticks([size / 1e6 for size in of_size], [f"{size / 1e6:g}" for size in of_size])
        axis.minorticks_off()
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter("{x:g}")
        axis.set_xlabel("million profiles")
        axis.legend(frameon=False)
        _plain(axis, words)
    return figure


def _plain(axis: Axes, title: str) -> None:
    axis.set_title(title, loc="left", fontsize=9)
    axis.spines[["top", "right"]].set_visible(False)


_CHARTS: dict[str, tuple[str, Callable[[Result], Figure]]] = {
    "night": ("wall time, CPU time and peak memory of the night, by contender", _night),
    "growth": ("wall time and peak memory of the night against the number of profiles", _growth),
}
