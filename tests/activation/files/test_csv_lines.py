"""M7: CSV files put together of shared text, chunk by chunk, have the bytes of those written field by field."""

import hashlib
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock
from zoneinfo import ZoneInfo

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.shop import quick_folder

from muster.activation.files import csv_lines
from muster.activation.files.csv_lines import CsvLines
from muster.activation.files.csv_rows import finished_text
from muster.activation.files.formats import sink_csv
from muster.activation.files.tally import Content, Tally
from muster.activation.frames.columns import EXITED, REALIZED, ROW, ROW_TYPE, STATUS, STATUS_TYPE, TIME, TIME_TYPE
from muster.activation.inputs.parquet import read_part
from muster.activation.mapping.layout import Layout, layout
from muster.activation.mapping.lost_values import LostValues
from muster.activation.mapping.profile_values import ProfileValues
from muster.activation.model.workspace import Activation, Column, CsvOptions, ProfilesSource, Workspace
from muster.activation.profiles.numbering import Numbering
from muster.activation.profiles.roster import Roster
from muster.activation.profiles.snapshots import Snapshot, snapshot_of
from muster.activation.rules.expressions import Moment
from muster.activation.state.files import State
from muster.activation.system.memory import Budget

AT = datetime(2026, 11, 20, 2, tzinfo=UTC)
SOURCES = ["profile_id", "name", "amount", "segment_membership.status", "segment_membership.last_qualification_time"]
TEXT = st.text('ab"\\,;\n\r\0🎈é ', max_size=4) | st.sampled_from(["NULL", ""])


def rows_of(numbers: list[int], statuses: list[bool], days: list[int | None]) -> pl.DataFrame:
    """The rows of a file: numbers of profiles, whether each exits, and the day since when."""
    columns = {
        ROW: numbers,
        STATUS: [EXITED if each else REALIZED for each in statuses],
        TIME: [None if day is None else AT + timedelta(days=day) for day in days],
    }
    return pl.DataFrame(columns, schema={ROW: ROW_TYPE, STATUS: STATUS_TYPE, TIME: TIME_TYPE})


def bound(people: Snapshot, sources: list[str], csv: CsvOptions) -> Layout:
    """The mapping of these sources."""
    columns = tuple(Column(source, f"{number}-{source}") for number, source in enumerate(sources))
    activation = mock.Mock(
        spec=Activation, mapping=columns, format="csv", csv=csv, deduplicate=(), preset=None, status_mapped=True,
        changes=(), identity_column=None,
    )  # fmt: skip
    return layout(activation, people, Moment(AT, ZoneInfo("UTC")))


def snapshot(folder: Path, people: list[dict[str, Any]]) -> Snapshot:
    """A snapshot of these profiles."""
    path = folder / "day.parquet"
    pl.DataFrame(people, schema={"profile_id": pl.String, "name": pl.String, "amount": pl.Float64}).write_parquet(path)
    workspace = mock.Mock(spec=Workspace, root=folder, profiles=ProfilesSource("x", "profile_id", None))
    return snapshot_of(workspace, [read_part(path, path.name)])


def written(folder: Path, csv: CsvOptions, write: Any) -> tuple[bytes, Content]:
    """The bytes of a file, and what its tally says of it."""
    path = folder / "file.csv"
    path.touch()
    with closing(Tally(path, "csv", "none", csv, opener=None)) as tally:
        write(tally)
        tally.end()
    return path.read_bytes(), tally.content()


options = st.builds(
    CsvOptions,
    delimiter=st.sampled_from([",", ";", "||"]),
    quote_style=st.sampled_from(["necessary", "always", "non_numeric"]),
    null_value=st.sampled_from(["", "NULL"]),
    header=st.booleans(),
    bom=st.booleans(),
    line_terminator=st.sampled_from(["\n", "\r\n"]),
    escape=st.sampled_from(["", "\\"]),
)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data(), options, st.permutations(SOURCES), st.integers(2, 5), st.sampled_from([1, 2, 1000]))
def test_lines_equal_those_written_field_by_field(
    data: st.DataObject, csv: CsvOptions, sources: list[str], width: int, chunk: int
) -> None:
    """M7: values, nulls, quotes, line ends, absent profiles; columns of the membership at any place; several parts."""
    ids = data.draw(st.lists(st.text('ab,\n"0', min_size=1, max_size=3), min_size=1, max_size=6, unique=True))
    people = [{"profile_id": each, "name": data.draw(st.none() | TEXT), "amount": data.draw(st.none() | st.just(1.5))}
              for each in ids]  # fmt: skip
    numbers = data.draw(st.lists(st.integers(0, len(ids)), min_size=1, max_size=12))
    exits = [data.draw(st.booleans()) or number == len(ids) for number in numbers]
    days = [data.draw(st.none() | st.integers(0, 10)) for _ in numbers]
    rows = rows_of(sorted(numbers), [exits[i] for i in sorted(range(len(numbers)), key=numbers.__getitem__)], days)
    with quick_folder() as folder, mock.patch.object(csv_lines, "_ROWS", chunk):
        day = snapshot(folder, people)
        roster = Roster.of(day, Numbering(mock.Mock(spec=State), []))
        roster.rows_of(pl.Series(["gone,\n"]))  # the profile that is absent
        values, shape = ProfileValues(roster, Budget(), Path()), bound(day, sources[:width], csv)
        for _ in SOURCES:  # each stretch is asked for twice: the text of few rows is not made the first time
            text = finished_text(shape, rows, values, csv)
        assert text
        expected = written(
            folder, csv, lambda tally: sink_csv(
                shape.output_frame(rows, values), tally.stream, csv, "none", [f.column.target for f in shape.fields]
            ).collect(),
        )  # fmt: skip
        found = written(folder, csv, lambda tally: CsvLines(tally, csv, "none").add(rows, text, LostValues()))
    assert found == expected
    assert found[1].rows == rows.height
    assert found[1].sha256 == hashlib.sha256(found[0]).hexdigest()
