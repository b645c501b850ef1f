"""The table ``failures`` against a plain model of E9.

An audience is failed while a failure is not before its newest evaluation; of a streak two failures are kept.
"""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.activation.model.history import AudienceEvaluation, FailedAudience, StoredFile
from muster.activation.state.ledger import evaluations_table, failures_table
from muster.activation.state.ledger.database import Ledger

DAY = datetime(2026, 11, 20, tzinfo=UTC)
INPUTS = {"snapshot": {"name": "data", "files": []}, "events": [], "memberships": [], "roster": ""}


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with closing(Ledger.empty()) as opened:
        yield opened


def hour(number: int) -> datetime:
    return DAY + timedelta(hours=number)


def evaluate(ledger: Ledger, audience: str, at: int) -> None:
    stored = StoredFile(f"memberships/{audience}/{at}", "0" * 64, 1)
    each = AudienceEvaluation(audience, hour(at), "all", stored, 1, 0, 0, 0, "rule", INPUTS)
    with ledger.transaction():
        evaluations_table.put(ledger, [each], hour(at))
        failures_table.settle(ledger, [audience], hour(at))


def fail(ledger: Ledger, audience: str, at: int, error: str = "why") -> None:
    with ledger.transaction():
        failures_table.put(ledger, {audience: error}, hour(at))


def test_an_audience_is_failed_until_it_is_evaluated(ledger: Ledger) -> None:
    """E9: the first and the last failure since the newest evaluation, with the last one's error."""
    evaluate(ledger, "a", 1)
    assert failures_table.current(ledger) == {}
    fail(ledger, "a", 2, "first")
    fail(ledger, "a", 3, "second")
    fail(ledger, "b", 3, "never evaluated")
    assert failures_table.current(ledger, hour(3)) == {
        "a": FailedAudience("a", hour(2), hour(3), "second"),
        "b": FailedAudience("b", hour(3), hour(3), "never evaluated"),
    }
    evaluate(ledger, "a", 4)
    assert failures_table.current(ledger).keys() == {"b"}
    assert failures_table.current(ledger, hour(1)) == {}


def test_a_failure_at_the_instant_of_an_evaluation_counts(ledger: Ledger) -> None:
    """E6, E9: a replacement that fails leaves the audience failed, one that succeeds settles it."""
    evaluate(ledger, "a", 1)
    fail(ledger, "a", 1)
    assert failures_table.current(ledger, hour(1)).keys() == {"a"}
    evaluate(ledger, "a", 1)
    assert failures_table.current(ledger, hour(1)) == {}


def test_forgotten_evaluations_let_failures_count_again(ledger: Ledger) -> None:
    """E6, E9: what is later than the instant is forgotten, an earlier failure counts again."""
    fail(ledger, "a", 1)
    evaluate(ledger, "a", 2)
    fail(ledger, "a", 3)
    with ledger.transaction():
        evaluations_table.delete_after(ledger, hour(1))
        failures_table.delete_after(ledger, hour(1))
    assert failures_table.current(ledger) == {"a": FailedAudience("a", hour(1), hour(1), "why")}


def test_settled_failures_go_with_the_evaluations_that_settled_them(ledger: Ledger) -> None:
    fail(ledger, "a", 1)
    evaluate(ledger, "a", 2)
    fail(ledger, "a", 3)
    fail(ledger, "b", 1)
    with ledger.transaction():
        failures_table.delete_settled(ledger)
    assert [(each.audience, each.last_at) for each in failures_table.list_all(ledger)] == [
        ("a", hour(3)),
        ("b", hour(1)),
    ]


def test_a_rewind_moves_what_counts_and_deletes_what_is_settled(ledger: Ledger) -> None:
    """S8: an audience that is failed stays failed, one that was evaluated since does not become failed."""
    fail(ledger, "failed", 8, "still")
    fail(ledger, "settled", 5)
    evaluate(ledger, "settled", 9)
    fail(ledger, "before", 2)
    with ledger.transaction():
        failures_table.rewind(ledger, hour(5))
    assert [(each.audience, each.last_at, each.error) for each in failures_table.list_all(ledger)] == [
        ("before", hour(2), "why"),
        ("failed", hour(5), "still"),
    ]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 2)), max_size=30))
def test_the_table_agrees_with_a_list_of_all_failures(steps: list[tuple[bool, int]]) -> None:
    """E9: at every instant the table says what a list of all failures would, in at most two rows a streak."""
    evaluated, failed, at = list[int](), dict[int, str](), 0
    with closing(Ledger.empty()) as ledger:
        for number, (succeeds, later) in enumerate(steps):
            at += later
            if succeeds:
                evaluate(ledger, "a", at)
                evaluated.append(at)
                failed.pop(at, None)
            else:
                fail(ledger, "a", at, str(number))
                failed[at] = str(number)
            counting = [each for each in failed if each >= max(evaluated, default=0)]
            expected = (hour(counting[0]), hour(counting[-1]), failed[counting[-1]]) if counting else None
            found = failures_table.current(ledger, hour(at)).get("a")
            assert (found and (found.first_at, found.last_at, found.error)) == expected
        assert len(failures_table.list_all(ledger)) <= 2 * (len(set(evaluated)) + 1)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 12)), max_size=30))
def test_the_newest_failure_is_known_in_whatever_order_instants_come(steps: list[tuple[bool, int]]) -> None:
    """E9: commands at earlier instants hide no failure of a later one."""
    evaluated, failed = set[int](), dict[int, str]()
    with closing(Ledger.empty()) as ledger:
        for number, (succeeds, at) in enumerate(steps):
            if succeeds:
                evaluate(ledger, "a", at)
                evaluated.add(at)
                failed.pop(at, None)
            else:
                fail(ledger, "a", at, str(number))
                failed[at] = str(number)
        counting = [at for at in failed if at >= max(evaluated, default=0)]
        found = failures_table.current(ledger).get("a")
        assert (found and (found.last_at, found.error)) == (
            (hour(max(counting)), failed[max(counting)]) if counting else None
        )
