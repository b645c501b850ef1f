"""The page of performance says what the stored results say."""

import re

from benchmarks import report
from benchmarks.measure import Cost
from benchmarks.results import Result
from benchmarks.targets import TARGETS

NIGHT = Result("night", 1_000_000, {"muster": [Cost(8, 12.04, 3 << 29)], "DuckDB": [Cost(10, 16, 2 << 30)]})
STEPS = Result("steps", 1_000_000, facts={"steps": [["compare", 0.1, 0.25, "Booleans"], ["write", 4, 5, "80 files"]]})
SYNCS = Result("syncs", 20_000, facts={"calls": {"muster": {"fsync": 500, "fdatasync": 160}}})


def test_figures_come_from_results() -> None:
    """A place in the text is a median, or a ratio of two; what was not measured says so."""
    text = (
        "{{night | muster | wall}}, {{night | #0 | peak}}, {{night | muster / DuckDB | cpu}}, {{help | muster | cpu}}"
    )
    assert report.with_figures(text, {"night": NIGHT}) == "8.0 s, 1.5 GiB, 0.75, (not measured)"


def test_no_place_of_the_page_stays_empty() -> None:
    """Each place of the page's text is one that the report fills, also before anything was measured."""
    template = report.TEMPLATE.read_text()
    assert not re.findall(r"\{\{.*?\}\}", report.filled(report.with_figures(template, {}), {}))


def test_goals_have_limits_from_either_side() -> None:
    """A ratio of cost is at most its limit, a speed at least."""
    rows = {row[0]: row for row in report.targets({"night": NIGHT, "syncs": SYNCS}).rows}
    assert rows["night, CPU time against DuckDB"][2:] == ["at most 0.80 x", "0.75 x", "met"]
    assert rows["night, peak memory against DuckDB"][2:] == ["at most 0.60 x", "0.75 x", "not met"]
    assert rows["fsync and fdatasync calls of a night"][3:] == ["660", "met"]
    [azure] = [each for each in TARGETS if "Azure" in each.words]
    assert (azure.goal, azure.is_met(0.9), azure.is_met(0.7)) == ("at least 0.80 x", True, False)


def test_tables_of_facts() -> None:
    """Steps and calls are tables made of stored facts, with sums."""
    assert report.table_of(STEPS).rows[-1] == ["all", "4.10", "5.25", ""]
    assert report.table_of(SYNCS).rows == [["muster", "500", "160", "660"]]
