"""muster against the model: the same files, row by row and value by value, and the same counts, on random histories."""

import random
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import model, random_histories
from support.against_model import compare
from support.model import ID, STATUS, TIME
from support.random_histories import MORE, History

from muster.activation.evaluation import block_memberships

FIELDS = ("profile_id", "email", "email!", "city", "city!", "points", "household", "identity_map.Email", TIME)
KEYS = (("email",), ("household",), (), (), ("household", "city"), ("email", "points"))
AT_ONCE = 3


@pytest.fixture(autouse=True, scope="module")
def _pages_of_few_profiles() -> Iterator[None]:
    """The pages of new audiences are made as for many profiles; other tests have few, for which Polars makes them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(block_memberships, "MANY", 1)
        yield


def _fields() -> st.SearchStrategy[tuple[model.Column, ...]]:
    """Mostly with status; two columns or more: a null alone in its line is an error (M7)."""
    fields = st.lists(st.sampled_from(FIELDS), min_size=2, max_size=5, unique_by=lambda field: field.rstrip("!"))
    status = st.sampled_from(((STATUS,), (STATUS,), (STATUS,), ()))
    return st.tuples(status, fields).map(lambda parts: random_histories.mapped(*parts[0], *parts[1]))


@st.composite
def _activation(draw: st.DrawFn, name: str) -> model.Activation:
    mapping = draw(_fields())
    keys = draw(st.sampled_from(KEYS))
    if any(column.source.startswith("identity_map.") for column in mapping):
        keys = ()
    audience = draw(st.sampled_from(tuple(random_histories.AUDIENCES)))
    incremental = draw(st.sampled_from((True, True, True, False)))
    policies = draw(st.lists(st.sampled_from(tuple(random_histories.POLICIES.values())), max_size=2, unique=True))
    hours = draw(st.sampled_from((1, 1, 0, 12)))
    return model.Activation(
        f"{name}/{name}",
        audience,
        incremental,
        hours,
        mapping,
        keys,
        policies=tuple(policies),  # a destination each
    )


def _activations() -> st.SearchStrategy[tuple[model.Activation, ...]]:
    return st.tuples(*(_activation(f"a{number}") for number in range(AT_ONCE)))


@settings(max_examples=3 * MORE, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(_activations(), random_histories.histories(AT_ONCE))
def test_files_and_counts_are_those_of_the_model(activations: tuple[model.Activation, ...], history: History) -> None:
    """E5, D4, X2-X6, X10, X12, M2, M3, M5-M7, G4, G5: every file and every count is what SPEC's rules, told one by one,
    say: nobody is in a file whom a consent policy does not let through on that day.
    """
    _play(activations, history)


def _play(activations: Sequence[model.Activation], history: History) -> model.Shop:
    """Put the tool and the model through a history, and compare."""
    expected = model.Shop(random_histories.audiences(activations), activations, history.snapshots)
    with random_histories.shop(history, activations) as shop:
        for tick in history.ticks:
            random_histories.live(shop, tick, activations)
            random_histories.think(expected, tick)
        compare(shop, expected)
    return expected


# A crowd: more people than Hypothesis draws, in two files a day that are not sorted

NUMBERS = tuple(str(number * 7919 % 1009) for number in range(1, 80))
CROWD = (*NUMBERS, *(f"0{number}" for number in NUMBERS[:5]), "x9", "X9", "é")
SENT = (
    model.Activation("out/key", "everyone", True, 1, random_histories.mapped(ID, "email!", "city", STATUS), ("email",)),
    model.Activation(
        *("out/values", "both", True, 12, random_histories.mapped(ID, "points", STATUS, TIME)),
        changes=("membership", "identity", "attributes"),
    ),
    model.Activation("out/ids", "mixed", True, 0, random_histories.mapped("identity_map.Email", ID, STATUS)),
    model.Activation("out/all", "feed", False, 1, random_histories.mapped(ID, "household", TIME), ("household",)),
)


@pytest.mark.parametrize("seed", range(MORE))
def test_a_crowd_in_no_order_is_sent_as_the_model_says(seed: int) -> None:
    """D1, D4, E5, X3, X6, M6: ids are integers on one day and text on the next, files are in no order, a fifth is
    deleted every day and returns, and a feed adds, repeats, ends and removes.
    """
    done = _play(SENT, _crowd(random.Random(seed))).done  # noqa: S311  # a test's own choices
    exits = [row for each in done if each.export for row in each.export.rows if row["#status"] == model.EXITED]
    assert {str(row["#"]) for row in exits} - set(NUMBERS), "a text id leaves when ids are integers"


def _crowd(chance: random.Random) -> History:
    """Three days with changes; a snapshot each, an evaluation at night, and an export in the afternoon."""
    people = {name: _somebody(chance) for name in CROWD}
    identities = {name: chance.choice(random_histories.IDENTITY_MAPS) for name in CROWD}
    snapshots, ticks = [], []
    for day in range(3):
        at, integers = random_histories.START + timedelta(days=day), day % 2 == 0
        people |= {name: _somebody(chance) for name in chance.sample(CROWD, 20)}
        identities |= {name: chance.choice(random_histories.IDENTITY_MAPS) for name in chance.sample(CROWD, 10)}
        names = chance.sample(NUMBERS if integers else CROWD, 70)
        snapshots.append(
            model.Snapshot(
                at, {name: people[name] for name in names}, {name: identities[name] for name in names}, integers
            )
        )
        night, noon = at + timedelta(hours=2), at + timedelta(hours=14)
        ticks.append(random_histories.Tick(night, _messages(chance, night), evaluate=(), run=True))
        ticks.append(random_histories.Tick(noon, _messages(chance, noon), run=True, request=day))
    return History(tuple(snapshots), tuple(ticks), "1h", "list", files=2)


def _somebody(chance: random.Random) -> dict[str, Any]:
    """Values of a profile: half of the e-mail addresses are shared."""
    person = {name: chance.choice(values) for name, values in random_histories.FIELDS.items()}
    email = chance.choice((person["email"], f"{chance.randrange(1000)}@x.com"))
    return person | {"email": email, "household": chance.choice((None, f"h{chance.randrange(60)}"))}


def _messages(chance: random.Random, at: datetime) -> tuple[model.Message, ...]:
    """Rows of a feed around an instant, some about people whom no snapshot holds."""
    return tuple(
        model.Message(
            chance.choice(("feed", "mixed")),
            chance.choice((*CROWD, random_histories.STRANGER)),
            chance.choice(("realized", "existing", "exited")),
            at + timedelta(hours=chance.choice((-30, -1, 0, 5))),
            chance.choice((None, None, at + timedelta(hours=20))),
        )
        for _ in range(60)
    )


Person = tuple[str, str, bool]  # e-mail, city, gold


def _days(*days: dict[str, Person]) -> History:
    """A snapshot, an evaluation and a run a day."""
    snapshots = tuple(
        model.Snapshot(
            random_histories.START + timedelta(days=day),
            {
                profile: {"email": email, "city": city, "points": 0, "gold": gold}
                for profile, (email, city, gold) in people.items()
            },
            None,
            integers=True,
        )
        for day, people in enumerate(days)
    )
    ticks = tuple(random_histories.Tick(each.at + timedelta(hours=2), evaluate=(), run=True) for each in snapshots)
    return History(snapshots, ticks, "30d", "list")


BY_EMAIL = model.Activation(
    "out/a",
    "gold",
    incremental=True,
    hours=1,
    mapping=random_histories.mapped("email", "city!", STATUS),
    deduplicate=("email",),
)


def test_the_exit_of_one_key_is_chosen_by_the_values_that_it_carries() -> None:
    """M3, X12: of exits with equal keys and times the one with the smallest values stays, as its row has them: those
    last sent.
    """
    history = _days(
        {"2": ("a@x.com", "Zug", True), "9": ("b@x.com", "Bern", False)},
        {"2": ("c@x.com", "Zug", True), "9": ("a@x.com", "Bern", True)},  # 9 comes with the key that 2 was sent with
        {"2": ("c@x.com", "Aarau", False), "9": ("a@x.com", "Bern", False)},
    )
    last = _play([BY_EMAIL], history).done[-1].export
    assert last
    assert [(row["#"], row["email"], row["city"]) for row in last.rows] == [("9", "a@x.com", "Bern")]


def test_a_key_that_was_sent_stays_while_its_profile_does() -> None:
    """M3: a receiver that stores by key must not remove someone who is still a member, also when it knows him by his
    former key.
    """
    history = _days(
        {"2": ("a@x.com", "Zug", True), "9": ("b@x.com", "Bern", False)},
        {"2": ("c@x.com", "Zug", True), "9": ("a@x.com", "Bern", True)},
        {"2": ("c@x.com", "Zug", True), "9": ("a@x.com", "Bern", False)},  # 2 was sent as a@x.com, and never again
    )
    last = _play([BY_EMAIL], history).done[-1].export
    assert last
    assert (last.rows, last.excluded) == ([], {"9": "duplicate"})
