"""Replaying what an activation sent gives who is in the audience: random histories through the real commands."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import model, random_histories
from support.model import ID, STATUS, TIME
from support.random_histories import MORE, History, mapped
from support.shop import Shop

from muster.activation.errors import RefusedError
from muster.runs import open_workspace, preview

Row = dict[str, str]
Person = tuple[str, ...]

STATUS_TARGET = "segment_membership_status"
INCREMENTAL = ("hourly", "slow", "follows")
NULL = "NULL"
SUPPRESSED = [HealthCheck.too_slow, HealthCheck.data_too_large]
AUDIENCES = st.sampled_from(tuple(random_histories.AUDIENCES))


def _activations(audience: str, mapping: Sequence[str], keys: Sequence[str] = ()) -> tuple[model.Activation, ...]:
    """One audience sent hourly, twice a day and after evaluation, in increments; and in full, to compare with."""
    columns = mapped(*mapping)
    hours = {"hourly": 1, "slow": 12, "follows": 0, "full": 1}
    return tuple(
        model.Activation(f"crm/{name}", audience, name != "full", each, columns, tuple(keys))
        for name, each in hours.items()
    )


def _by_id(row: Row) -> Person:
    return (row["profile_id"],)


def _by_household(row: Row) -> Person:
    """A household is one person to this receiver; who has none is known by the profile id alone (M3: null keys are
    never equal).
    """
    return ("id", row["profile_id"]) if row["household"] == NULL else ("household", row["household"])


def _by_identity(row: Row) -> Person:
    return (row["identity_map_Email"],)


class Receiver:
    """Whoever reads the files: adds the realized, removes the exited, and knows nothing else."""

    def __init__(self, who: Callable[[Row], Person]) -> None:
        self.who = who
        self.people: set[Person] = set()

    def take(self, rows: Sequence[Row]) -> None:
        """One file. No person is both in one file, so that the order of its rows means nothing."""
        came, went = (
            {self.who(row) for row in rows if row[STATUS_TARGET] == status} for status in (model.REALIZED, model.EXITED)
        )
        assert not came & went, "told to come and to go by one file"
        assert went <= self.people, "told to remove somebody who was never sent"
        self.people = (self.people | came) - went


def _replay(history: History, activations: Sequence[model.Activation], who: Callable[[Row], Person]) -> None:
    """After every instant each incremental that was sent there leaves its receiver with the people of the full export
    of that instant.
    """
    receivers = {name: Receiver(who) for name in INCREMENTAL}
    seen: set[str] = set()
    with random_histories.shop(history, activations, csv={"null_value": NULL}) as shop:
        for tick in history.ticks:
            random_histories.live(shop, tick, activations)
            full = _sent(shop, "full", seen)
            for name, receiver in receivers.items():
                rows = _sent(shop, name, seen)
                if rows is None:
                    continue
                receiver.take(rows)
                if full is not None:
                    assert receiver.people == {who(row) for row in full}, f"{name} at {tick.at}"
                    assert _delivered(shop, name) == _delivered(shop, "full"), f"{name} at {tick.at}"
        _check_counts(shop)


def _sent(shop: Shop, name: str, seen: set[str]) -> list[Row] | None:
    """The rows of the file that an activation was sent since the last look, if any."""
    new = [
        file
        for file in shop.files("crm")
        if file.startswith(f"crm/crm_{name}_") and "on_demand" not in file and file not in seen
    ]
    if not new:
        return None
    [file] = new
    seen.add(file)
    return shop.rows(file)


def _delivered(shop: Shop, name: str) -> set[str]:
    """X8: the delivered set, of which the state folder holds one file an activation."""
    [file] = (shop.root / f".muster/baselines/crm/{name}").iterdir()
    return set(pl.read_parquet(file)["profile_id"])


def _check_counts(shop: Shop) -> None:
    """X10 for every run that succeeded."""
    runs = [run for run in shop.runs() if run["status"] == "succeeded"]
    assert runs
    for run in runs:
        assert run["received"] == run["exported"] + run["excluded"]
        assert run["exported"] == run["realized"] + run["exited"]
        assert run["excluded"] == sum(run["excluded_by"].values())
        if run["export"] == "full" or run["first_export"]:
            assert run["exited"] == run["identity_changed"] == 0


@settings(max_examples=3 * MORE, suppress_health_check=SUPPRESSED)
@given(AUDIENCES, random_histories.histories(4))
def test_replay_by_profile_id(audience: str, history: History) -> None:
    """X2, X3, X8, X10, M2: with status mapped a first export and its incrementals give the people of the next full one,
    by profile id.
    """
    _replay(history, _activations(audience, (ID, "email!", "city", STATUS, TIME)), _by_id)


@settings(max_examples=3 * MORE, suppress_health_check=SUPPRESSED)
@given(AUDIENCES, random_histories.histories(4))
def test_replay_by_key(audience: str, history: History) -> None:
    """X3, X12, M2, M3: with `deduplicate` they give the same people by key, for a key that never changes."""
    _replay(history, _activations(audience, (ID, "household", "email!", STATUS), ("household",)), _by_household)


@settings(max_examples=3 * MORE, suppress_health_check=SUPPRESSED)
@given(AUDIENCES, random_histories.histories(4))
def test_replay_by_identity(audience: str, history: History) -> None:
    """X3, X12, M5: with an identity namespace mapped they give the same people by identity, however identities wander
    between profiles.
    """
    _replay(history, _activations(audience, ("identity_map.Email", "city!", STATUS)), _by_identity)


# Consent

POLICIES = st.lists(st.sampled_from(tuple(random_histories.POLICIES.values())), min_size=1, max_size=2, unique=True)


def _letting_through(policies: Sequence[model.Policy], snapshot: model.Snapshot) -> set[str]:
    """The people of a snapshot whom every policy lets through."""
    return {name for name, person in snapshot.people.items() if all(each.lets_through(person) for each in policies)}


@settings(max_examples=3 * MORE, suppress_health_check=SUPPRESSED)
@given(AUDIENCES, POLICIES, random_histories.histories(4))
def test_receivers_hold_exactly_those_who_consent(
    audience: str, policies: list[model.Policy], history: History
) -> None:
    """G4, G5, X3d: no file, on demand or not, and no preview ever holds a person whom an applying policy does not let
    through that day, and a receiver that replays the files holds exactly the members who consent: those of a full
    export to which no policy applies, less the others.
    """
    crm = tuple(replace(each, policies=tuple(policies)) for each in _activations(audience, (ID, "city", STATUS, TIME)))
    activations = (
        *crm,
        model.Activation("plain/full", audience, incremental=False, hours=1, mapping=mapped(ID, STATUS)),
    )
    receivers = {name: Receiver(_by_id) for name in INCREMENTAL}
    seen: set[str] = set()
    with random_histories.shop(history, activations, csv={"null_value": NULL}) as shop:
        for tick in history.ticks:
            let_through = _letting_through(
                policies, max(history.snapshots, key=lambda each: (each.at <= tick.at, each.at))
            )
            random_histories.live(shop, tick, activations)
            new = {file: shop.rows(file) for file in shop.files() if file.endswith(".csv") and file not in seen}
            seen |= new.keys()
            for file, rows in new.items():
                came = {row[ID] for row in rows if row[STATUS_TARGET] == model.REALIZED}
                assert file.startswith("plain/") or came <= let_through, file
            members = next(
                (rows for file, rows in new.items() if file.startswith("plain/") and "demand" not in file), None
            )
            for name, receiver in receivers.items():
                for file, rows in new.items():
                    if file.startswith(f"crm/crm_{name}_") and "demand" not in file:
                        receiver.take(rows)
                        assert members is None or receiver.people == {
                            (row[ID],) for row in members if row[ID] in let_through
                        }
            assert _previewed(shop, "crm/hourly", tick.at) <= let_through


def _previewed(shop: Shop, key: str, at: datetime) -> set[str]:
    """The realized people of a preview; none where it is refused."""
    with suppress(RefusedError):
        found = preview(open_workspace(shop.root), key, now=at, rows=100, allow_empty_memberships=True)
        if found.sample:
            rows = (dict(zip(found.sample.columns, row, strict=True)) for row in found.sample.values)
            return {row[ID] for row in rows if row[STATUS_TARGET] == model.REALIZED}
    return set()


# Nothing that happens beside an activation changes it


@st.composite
def _companions(draw: st.DrawFn) -> tuple[model.Activation, ...]:
    """Other activations of any audience: one that works, and one that cannot (M4)."""
    audience, other = draw(AUDIENCES), draw(AUDIENCES)
    return (
        model.Activation("beside/works", audience, incremental=True, hours=1, mapping=mapped(ID, STATUS)),
        model.Activation("beside/fails", other, incremental=True, hours=1, mapping=mapped(ID, "nowhere")),
    )


@settings(max_examples=3 * MORE, suppress_health_check=SUPPRESSED)
@given(AUDIENCES, _companions(), st.integers(0, 5), random_histories.histories(4))
def test_nothing_beside_an_activation_changes_a_byte(
    audience: str, companions: tuple[model.Activation, ...], joining: int, history: History
) -> None:
    """E1, X1, X7, S6: the same inputs and instants give the same bytes in a second workspace, whatever is asked for on
    demand there, though activations are added, one of which fails, and though each command is given twice: the second
    one writes nothing.
    """
    activations = _activations(audience, (ID, "email!", "city", STATUS, TIME), ("household",))
    with random_histories.shop(history, activations) as plain, random_histories.shop(history, activations) as busy:
        for number, tick in enumerate(history.ticks):
            if number == joining:
                random_histories.activate(busy, (*activations, *companions))
            random_histories.live(plain, tick, activations, requests=False)
            random_histories.live(busy, tick, activations)
            done = busy.tree("out")
            random_histories.live(busy, replace(tick, request=None), activations)
            assert busy.tree("out") == done, "the same commands again wrote something"
        expected, found = plain.tree("out"), busy.tree("out")
        assert {name: found.get(name) for name in expected} == expected
        beside = [name for name in found if name not in expected]
        assert all("on_demand" in name or "beside" in name or "manifest" in name for name in beside)
        assert not [name for name in found if "fails" in name]
        assert _kept(plain) == _kept(busy)


def _kept(shop: Shop) -> dict[str, bytes]:
    """The delivered sets of the activations that both shops have, as the state keeps them."""
    return shop.tree(".muster/baselines/crm")


@settings(max_examples=3 * MORE, suppress_health_check=SUPPRESSED)
@given(AUDIENCES, random_histories.histories(4))
def test_on_demand_files_are_functions_of_their_inputs(audience: str, history: History) -> None:
    """E1, F4: on-demand files too are the same bytes in a second workspace, with the same run ids."""
    activations = _activations(audience, (ID, "email", "identity_map.Email", STATUS))
    trees = []
    for _ in range(2):
        with random_histories.shop(history, activations) as shop:
            for tick in history.ticks:
                random_histories.live(shop, tick, activations)
            trees.append(shop.tree("out"))
    assert trees[0] == trees[1]
