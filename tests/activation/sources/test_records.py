"""What a source must have to be read, and what is done about rows that do not fit (P1, P2, D1, D5, D6)."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.graph_worlds import AT, NAMESPACES, workspace

from muster.activation.errors import DataError
from muster.activation.graph.build import Graph, identity_graph
from muster.activation.inputs.paths import Inputs
from muster.activation.model.locations import SourceLocation
from muster.activation.model.sources import DEFAULT_LIMITS, Source, SourceIdentity
from muster.activation.sources import identity_keys
from muster.activation.sources.opened import OpenedSource, open_source
from muster.activation.sources.records import Records, read_records

PRIMARY = SourceIdentity("id", "CRMID", primary=True)
CRM = Source("crm", "CRM", "crm", (PRIMARY,), location=SourceLocation("sources/crm.yml", 1))
CHANGES = replace(CRM, mode="changes", updated_at="at", deleted="gone")
EVENTS = replace(CRM, kind="events", timestamp="at")


@pytest.fixture
def inputs(tmp_path: Path) -> Iterator[Inputs]:
    """The files of one command."""
    found = Inputs(workspace(tmp_path, [CRM]))
    yield found
    found.close()


def opened(inputs: Inputs, source: Source, *, at: datetime = AT, allow_empty: bool = False) -> OpenedSource:
    warnings: list[str] = []
    return open_source(
        workspace(inputs.root, [source]), source, inputs, at, allow_empty=allow_empty, warn=warnings.append
    )


def read(inputs: Inputs, source: Source, *frames: pl.DataFrame, **keys: Any) -> Records:
    """What is read of undated files with these rows."""
    for number, frame in enumerate(frames):
        folder = inputs.root / "crm"
        folder.mkdir(exist_ok=True)
        frame.write_parquet(folder / f"{number}.parquet")
    return read_records(opened(inputs, source), NAMESPACES, **keys)


@pytest.mark.parametrize(("phones", "linked"), [(19, 190), (20, 0)])
def test_a_record_with_more_than_20_identities_links_nothing(inputs: Inputs, phones: int, linked: int) -> None:
    """P2, P3: of 20 identities of a record every pair is a link; with one more none is, and the record is counted."""
    source = replace(CRM, identities=(PRIMARY, SourceIdentity("phones", "Phone")))
    records = read(inputs, source, pl.DataFrame({"id": [7], "phones": [[f"+{number}" for number in range(phones)]]}))
    assert (records.links.height, records.counts.too_many) == (linked, int(linked == 0))
    assert records.fragments.height == 1


def pairs(records: Records) -> set[tuple[str, str]]:
    return set(records.identities.select("namespace", "id").iter_rows())


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pl.Series([7, -1], dtype=pl.Int16), {"7", "-1"}),
        (pl.Series([Decimal("7.00"), Decimal(-1)], dtype=pl.Decimal(9, 2)), {"7", "-1"}),
        (pl.Series(["7", "007"], dtype=pl.Categorical), {"7", "007"}),
        (pl.Series([[7, 8], [7, None]], dtype=pl.List(pl.UInt8)), {"7", "8"}),
        (pl.Series([[7, 8], [7, None]], dtype=pl.Array(pl.Int64, 2)), {"7", "8"}),
        (pl.Series([{"a": {"b": ["x"]}}, None]), {"x"}),
        (pl.Series([None, None]), set()),
    ],
    ids=["integers", "decimals", "categories", "lists", "arrays", "structs", "nulls"],
)
def test_ids_are_text(inputs: Inputs, values: pl.Series, expected: set[str]) -> None:
    """D1, D6: ids of whole numbers, decimals without places and categories are text; a list gives several (P1)."""
    path = "card.a.b" if isinstance(values.dtype, pl.Struct) else "card"
    source = replace(CRM, identities=(PRIMARY, SourceIdentity(path, "Card")))
    found = read(inputs, source, pl.DataFrame({"id": ["a", "b"], "card": values}))
    assert {id_ for name, id_ in pairs(found) if name == "Card"} == expected


@pytest.mark.parametrize(
    ("identity", "values", "expected"),
    [
        (
            SourceIdentity("card", "Card"),
            [7.0],
            "column 'card' is a number (Float64); expected text or whole numbers",
        ),
        (
            SourceIdentity("card", "Card"),
            [True],
            "is a boolean (Boolean); expected text or whole numbers, or a list",
        ),
        (SourceIdentity("card", "Card"), [b"7"], "CAST(card AS VARCHAR)"),
        (SourceIdentity("card", "Card", primary=True), [["7"]], "a record has one primary identity"),
        (SourceIdentity("card", "Card"), [Decimal("7.5")], "1 row has an id that is no whole number in column 'card'"),
        (SourceIdentity("Card", "Card"), ["7"], "there is no identity column 'Card' (identities in sources/crm.yml); "),
        (SourceIdentity("card"), ["7"], "the identity map 'card' is String; expected a list of structs"),
    ],
    ids=str,
)
def test_other_types_hold_no_ids(inputs: Inputs, identity: SourceIdentity, values: list[Any], expected: str) -> None:
    """P1: a column that holds no ids is an input error that says what was expected."""
    source = replace(CRM, identities=(identity,) if identity.primary else (PRIMARY, identity))
    with pytest.raises(DataError) as error:
        read(inputs, source, pl.DataFrame({"id": ["a"], "card": values}))
    assert expected in str(error.value)


def test_a_column_that_cannot_be_used_is_told_with_its_file_once(inputs: Inputs) -> None:
    """SPEC 10, D6: a message says once where the column is, also where it knows which of several files is wrong."""
    source = replace(CRM, identities=(PRIMARY, SourceIdentity("muster:card", "Card")))
    with pytest.raises(DataError) as error:
        read(inputs, source, pl.DataFrame({"id": ["a"]}), pl.DataFrame({"id": ["b"], "muster:card": ["7"]}))
    assert str(error.value).count(".parquet") == 1
    assert str(error.value).startswith("crm/1.parquet: column 'muster:card' cannot be used")


def test_a_file_without_primary_identities_is_an_input_error(inputs: Inputs) -> None:
    """P1: all its records would be left out; other identity columns may be missing in some files (D5)."""
    card = replace(CRM, identities=(PRIMARY, SourceIdentity("card", "Card")))
    first, second = pl.DataFrame({"id": ["a"], "card": ["1"]}), pl.DataFrame({"id": ["b"]})
    assert len(pairs(read(inputs, card, first, second))) == 3
    with pytest.raises(DataError, match=r"1\.parquet: there is no column of primary identities 'id'"):
        read(inputs, card, first, second.rename({"id": "card"}))


def test_repeated_primary_identities_of_a_snapshot(inputs: Inputs) -> None:
    """P1: a primary identity that occurs twice after cleaning is an input error: how many, where; ids with -v alone."""
    source = replace(CRM, identities=(replace(PRIMARY, namespace="Email"),))
    rows = pl.DataFrame({"id": ["Ann@x.com", "bo@x.com"]})
    with pytest.raises(DataError) as error:
        read(inputs, source, rows, pl.DataFrame({"id": [" ann@X.com"]}))
    expected = "crm/0.parquet, crm/1.parquet: 1 primary identity occurs more than once, after cleaning, in column 'id'"
    assert str(error.value).startswith(expected)
    assert "ann" not in str(error.value)
    assert error.value.__notes__ == ["repeated ids: ann@x.com"]


def test_changes_need_their_times(inputs: Inputs) -> None:
    """P1: a null time of changes is an input error; so is a column of another type, and a missing one."""
    rows = {"id": ["a", "b"], "gone": [None, None]}
    with pytest.raises(DataError, match=r"crm/0\.parquet: 1 row has a null time in column 'at'"):
        read(inputs, CHANGES, pl.DataFrame({**rows, "at": [AT, None]}))
    with pytest.raises(DataError, match=r"column 'at' is text .*; expected a timestamp"):
        read(inputs, CHANGES, pl.DataFrame({**rows, "at": ["x", "y"]}))
    with pytest.raises(DataError, match=r"column 'gone' is text .*; expected a boolean"):
        read(inputs, CHANGES, pl.DataFrame({**rows, "at": [AT, AT], "gone": ["x", "y"]}))
    with pytest.raises(DataError, match="there is no column 'at'"):
        read(inputs, CHANGES, pl.DataFrame(rows))


def test_identities_of_forgotten_people_count_as_blocked(inputs: Inputs) -> None:
    """G8: they link nothing and make no fragment, are counted with the blocked ones, and each is asked about once."""
    source = replace(CRM, identities=(PRIMARY, SourceIdentity("emails", "Email"), SourceIdentity("card", "Card")))
    asked: list[tuple[str, str]] = []

    def is_blocked(identities: pl.DataFrame) -> pl.Series:
        asked.extend(identities.select("namespace", "id").iter_rows())
        return identities["id"].is_in(["a", "ann@x.com"])

    rows = {"id": ["a", "b", "c"], "emails": [["bo@x.com"], ["Ann@x.com", "bo@x.com"], None], "card": ["1", "1", "1"]}
    found = read(inputs, source, pl.DataFrame(rows), is_blocked=is_blocked)
    assert pairs(found) == {("CRMID", "b"), ("CRMID", "c"), ("Email", "bo@x.com"), ("Card", "1")}
    assert (found.counts.dropped, found.counts.left_out["no_primary"]) == ({"blocked": 2}, 1)
    assert len(asked) == len(set(asked))


def test_times(inputs: Inputs) -> None:
    """P3: a record without a time has the snapshot's date; without one no time, older than any; naive times are UTC."""
    source = replace(CRM, updated_at="at")
    rows = pl.DataFrame({"id": ["a", "b"], "at": [datetime(2026, 11, 1, tzinfo=UTC).replace(tzinfo=None), None]})
    assert read(inputs, source, rows).fragments["time"].to_list() == [datetime(2026, 11, 1, tzinfo=UTC), None]
    (inputs.root / "crm/0.parquet").unlink()
    (inputs.root / "crm/2026-11-20").mkdir()
    rows.write_parquet(inputs.root / "crm/2026-11-20/a.parquet")
    dated = read_records(opened(inputs, source), NAMESPACES)
    assert dated.fragments["time"].to_list() == [datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 20, tzinfo=UTC)]
    assert dated.identities.sort("id")["oldest"].to_list() == dated.fragments["time"].to_list()


def test_a_source_without_data(inputs: Inputs) -> None:
    """P1: without a snapshot at the instant, or without a row, a source is refused unless it may be empty."""
    (inputs.root / "crm/2026-11-21").mkdir(parents=True)
    rows = pl.DataFrame({"id": ["a"]})
    rows.write_parquet(inputs.root / "crm/2026-11-21/a.parquet")
    with pytest.raises(DataError, match="no snapshot is dated at or before 2026-11-20T12:00:00Z"):
        opened(inputs, CRM)
    empty = read_records(opened(inputs, CRM, allow_empty=True), NAMESPACES)
    assert (empty.identities.height, empty.fragments.height, empty.links.height, empty.counts.records) == (0, 0, 0, 0)
    rows.clear().write_parquet(inputs.root / "crm/2026-11-21/a.parquet")
    late = AT + timedelta(days=2)
    with pytest.raises(DataError, match="has no records"):
        opened(inputs, CRM, at=late)
    assert opened(inputs, CRM, at=late, allow_empty=True).table.rows == 0
    with pytest.raises(DataError, match="there is no such file or folder"):
        opened(inputs, replace(CRM, path="cmr"))


def test_how_old_a_source_may_be(inputs: Inputs) -> None:
    """D2: a snapshot is as old as its date, changes and events as their newest time up to the instant."""
    (inputs.root / "crm/2026-11-20").mkdir(parents=True)
    rows = pl.DataFrame({"id": ["a", "b"], "at": [AT - timedelta(hours=2), AT + timedelta(hours=1)]})
    rows.write_parquet(inputs.root / "crm/2026-11-20/a.parquet")
    aged = {each.kind + each.mode: replace(each, max_age=timedelta(hours=2)) for each in (CRM, CHANGES, EVENTS)}
    with pytest.raises(DataError, match=r"12 h old, and max_age in sources/crm\.yml allows 2 h"):
        opened(inputs, aged["recordssnapshot"])
    for each in (aged["recordschanges"], aged["eventssnapshot"]):
        assert opened(inputs, each).age == timedelta(hours=2)
        with pytest.raises(DataError, match="2 h old"):
            opened(inputs, replace(each, max_age=timedelta(hours=1)))
    (inputs.root / "crm/2026-11-20/a.parquet").rename(inputs.root / "crm/a.parquet")
    (inputs.root / "crm/2026-11-20").rmdir()
    with pytest.raises(DataError, match="an undated snapshot has no age"):
        opened(inputs, aged["recordssnapshot"])


def built(*records: Records) -> Graph:
    return identity_graph(records, NAMESPACES, DEFAULT_LIMITS, "private")


def test_two_identities_with_one_key_are_told_apart(inputs: Inputs, monkeypatch: pytest.MonkeyPatch) -> None:
    """P3: where two identities of a source, or of two sources, have one key, all keys are made with another seed; the
    graph is what it would have been.
    """
    source = replace(CRM, identities=(PRIMARY, SourceIdentity("card", "Card")))
    rows = pl.DataFrame({"id": ["a", "b", "c"], "card": ["1", "2", "1"]})
    other = replace(CRM, id="shop", identities=(SourceIdentity("other", "Email", primary=True),), path="crm")
    one, two = (pl.DataFrame({"id": [each], "other": [f"{each}@x"], "card": [each]}) for each in "ab")
    alone = replace(source, identities=(PRIMARY,))
    expected = built(read(inputs, source, rows)), built(read(inputs, alone, one), read(inputs, other, two))
    make = identity_keys.key

    def colliding(ids: pl.Expr, namespace: str, seed: int) -> pl.Expr:
        return pl.lit(7, dtype=pl.UInt64) + ids.str.len_bytes() * 0 if seed < 2 else make(ids, namespace, seed)

    for module in ("sources.identity_keys", "sources.keyed", "graph.numbers", "graph.known_order"):
        monkeypatch.setattr(f"muster.activation.{module}.key", colliding)
    found = read(inputs, source, rows)
    assert found.seed == 2
    assert built(found).maps.equals(expected[0].maps)
    apart = read(inputs, alone, one), read(inputs, other, two)
    assert [each.seed for each in apart] == [0, 0]
    assert built(*apart).identities.equals(expected[1].identities)
    assert built(*apart, found).identities.height == 6
    known = pl.DataFrame({"namespace": ["CRMID"], "id": ["c"]})
    assert identity_graph(apart, NAMESPACES, DEFAULT_LIMITS, "private", known).maps.equals(expected[1].maps)
