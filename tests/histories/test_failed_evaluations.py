"""muster against a plain model of E9: inputs and rules break and are mended while evaluations and runs go on."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from support.random_histories import MORE
from support.shop import Shop, person, quick_folder

import muster
from muster.runs import InputError, Report

START = datetime(2026, 11, 20, 1, tzinfo=UTC)
EVERY = 4  # hours between evaluations, where there is a schedule


@dataclass(frozen=True)
class Audience:
    """What decides an audience: its YAML, the inputs that it reads, the audiences that it refers to."""

    content: Mapping[str, object]
    reads: frozenset[str] = frozenset()
    refers_to: tuple[str, ...] = ()


VIEWS = {"views": {"measure": "count"}}
AUDIENCES = {  # each after those that it refers to
    "plain": Audience({"where": "vip"}),
    "active": Audience({"where": "views > 0", "events": VIEWS}, frozenset({"events"})),
    "fed": Audience({"source": "memberships"}, frozenset({"feed"})),
    "mixed": Audience({"where": "vip", "source": "memberships"}, frozenset({"feed"})),
    "both": Audience({"where": "audience.plain OR audience.fed"}, refers_to=("plain", "fed")),
    "last": Audience({"where": "NOT audience.both AND audience.active"}, refers_to=("both", "active")),
}
RULED = ("plain", "active", "both", "last")  # those whose rule can break
INPUTS = {
    "profiles": "data/profiles/part.parquet",
    "events": "data/events/events.parquet",
    "feed": "data/memberships/feed.parquet",
}


@dataclass(frozen=True)
class Activation:
    """``hours`` is 0 for one that follows evaluations."""

    audience: str
    hours: int
    holds: bool

    @property
    def key(self) -> str:
        return f"out/{self.audience}-{self.hours}-{'hold' if self.holds else 'use'}"


@dataclass(frozen=True)
class Tick:
    """What is broken from here on, and then one command."""

    later: int  # hours after the tick before
    broken: frozenset[str]
    evaluate: tuple[str, ...] | None  # () is all; None is `muster run`


@dataclass
class Model:
    """E9, told one rule by one."""

    activations: Sequence[Activation]
    scheduled: bool
    evaluated: dict[str, list[datetime]] = field(default_factory=dict)
    failed: dict[str, tuple[datetime, datetime]] = field(default_factory=dict)
    newest_of_all: datetime | None = None
    finished: dict[str, datetime] = field(default_factory=dict)
    runs: dict[tuple[str, datetime], tuple[str, int]] = field(default_factory=dict)

    def newest(self, audience: str) -> datetime | None:
        return max(self.evaluated.get(audience, ()), default=None)

    def do(self, at: datetime, tick: Tick) -> int:
        """The exit code of the command."""
        requested = tick.evaluate is not None
        wanted = self._requested(at, tick.evaluate) if tick.evaluate is not None else self._owed(at)
        if wanted is None:
            return 2
        errors = self._evaluate(at, wanted, tick.broken, of_all=not tick.evaluate and len(wanted) == len(AUDIENCES))
        if wanted and "profiles" in tick.broken:
            return 2
        due = [(each, slot) for each in self.activations if (slot := self._slot(each, at, requested=requested))]
        if due and "profiles" in tick.broken:
            return 2
        tried = [self._run(each, slot, tick.broken) for each, slot in due]
        if not errors and all(tried):
            return 0
        return 1 if tried or errors < len(wanted) else 2

    def _requested(self, at: datetime, names: tuple[str, ...]) -> list[str] | None:
        """E6, E7; None when an evaluation would be before the newest one."""
        closed = set[str]()
        for name in reversed(AUDIENCES):
            if not names or name in names or any(name in AUDIENCES[other].refers_to for other in closed):
                closed.add(name)
        newest = {name: self.newest(name) for name in closed}
        if any(moment and moment > at for moment in newest.values()):
            return None
        return [name for name in AUDIENCES if name in closed and newest[name] != at]

    def _owed(self, at: datetime) -> list[str]:
        """S7: all by the schedule; E9: else the failed ones, with what they need and nobody ever evaluated."""
        newest = max((moment for moments in self.evaluated.values() for moment in moments), default=None)
        slot = at.replace(hour=at.hour // EVERY * EVERY, minute=0)
        if self.scheduled and not (newest and newest >= at) and (not self.newest_of_all or slot > self.newest_of_all):
            return list(AUDIENCES)
        if newest and newest > at:
            return []
        wanted = set(self.failed)
        for name in reversed(AUDIENCES):
            needed = any(name in AUDIENCES[other].refers_to for other in wanted)
            if needed and not self.evaluated.get(name):
                wanted.add(name)
        return [name for name in AUDIENCES if name in wanted]

    def _evaluate(self, at: datetime, names: Sequence[str], broken: frozenset[str], *, of_all: bool) -> int:
        """How many audiences failed."""
        bad = set[str]()
        for name in names:
            each = AUDIENCES[name]
            undecided = any(
                other in bad or (other not in names and (other in self.failed or not self.evaluated.get(other)))
                for other in each.refers_to
            )
            if undecided or {"profiles", name, *each.reads} & broken:
                bad.add(name)
        for name in names:
            if name in bad:
                self.failed[name] = (self.failed.get(name, (at,))[0], at)
            else:
                self.failed.pop(name, None)
                self.evaluated.setdefault(name, []).append(at)
        if of_all and len(bad) < len(names):
            self.newest_of_all = at
        return len(bad)

    def _slot(self, each: Activation, at: datetime, *, requested: bool) -> datetime | None:
        """S2, S4: the slot that is due, if any; `evaluate` exports only what follows evaluations."""
        if each.hours and requested:
            return None
        slot = at.replace(minute=0) if each.hours else self.newest(each.audience)
        finished = self.finished.get(each.key)
        return slot if slot and (finished is None or slot > finished) else None

    def _run(self, each: Activation, slot: datetime, broken: frozenset[str]) -> bool:
        """Whether a run that was tried succeeded (E9, X2, X6)."""
        failed = each.audience in self.failed
        works = bool(self.evaluated.get(each.audience)) and not (failed and each.holds)
        if "feed" in AUDIENCES[each.audience].reads & broken and not failed:
            works = False
        _, attempts = self.runs.get((each.key, slot), ("", 0))
        self.runs[each.key, slot] = ("succeeded" if works else "failed", attempts + 1)
        if works:
            self.finished[each.key] = slot
        return works


# The tool


@contextmanager
def shop_of(activations: Sequence[Activation], *, scheduled: bool) -> Iterator[tuple[Shop, dict[str, bytes]]]:
    """A workspace with all audiences, and its inputs as they are when they are whole."""
    with quick_folder() as folder:
        shop = Shop(folder / "shop", evaluation={"schedule": {"every": f"{EVERY}h"}} if scheduled else {})
        shop.parquet(INPUTS["profiles"], [person("a"), person("b", vip=False)])
        shop.events([{"profile_id": "a", "timestamp": START - timedelta(days=1)}])
        shop.feed([(name, "b", "realized", START - timedelta(days=1)) for name in ("fed", "mixed")])
        for name, each in AUDIENCES.items():
            shop.audience(name, **each.content)
        entries = [
            {
                "audience": each.audience,
                "id": each.key.removeprefix("out/"),
                "export": "full",
                "schedule": {"every": f"{each.hours}h"} if each.hours else "after_evaluation",
            }
            | ({} if each.holds else {"on_failed_evaluation": "use_newest"})
            for each in activations
        ]
        shop.destination("out", mapping=["profile_id"], activations=entries)
        yield shop, {name: (shop.root / path).read_bytes() for name, path in INPUTS.items()}


def break_and_mend(shop: Shop, broken: frozenset[str], whole: Mapping[str, bytes]) -> None:
    """Make what is broken broken, and all else whole."""
    for name, path in INPUTS.items():
        (shop.root / path).write_bytes(whole[name][:-20] if name in broken else whole[name])
    for name in RULED:
        content = dict(AUDIENCES[name].content)
        shop.audience(name, **content | ({"where": f"({content['where']}) AND missing"} if name in broken else {}))


def code_of(shop: Shop, at: datetime, tick: Tick) -> int:
    """The exit code of the tick's command, without its parsing and its tables."""

    def work(workspace: muster.OpenWorkspace) -> Report:
        if tick.evaluate is None:
            return muster.run(workspace, now=at)
        return muster.evaluate(workspace, tick.evaluate, now=at)

    try:
        return work(muster.open_workspace(shop.root)).exit_code
    except InputError as error:
        return error.exit_code


_TICK = st.builds(
    Tick,
    st.sampled_from((0, 1, 1, 2, 3, 5)),
    st.one_of(
        st.just(frozenset[str]()),
        st.frozensets(st.sampled_from((*RULED, "events", "feed", "profiles")), max_size=2),
    ),
    st.sampled_from((None, None, None, (), ("last",), ("plain", "fed"))),
)
_ACTIVATION = st.builds(Activation, st.sampled_from(tuple(AUDIENCES)), st.sampled_from((0, 1)), st.booleans())


@settings(max_examples=8 * MORE, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(_ACTIVATION, min_size=2, max_size=4, unique_by=lambda each: each.key),
    st.lists(_TICK, min_size=3, max_size=8),
    st.booleans(),
)
def test_failures_and_what_they_hold_are_those_of_the_model(
    activations: list[Activation], ticks: list[Tick], scheduled: bool
) -> None:
    """E9, S4, S5, S7, X1: which audiences are failed and since when, when each was evaluated, every run with its
    attempts, and the exit code of every command.
    """
    model, at = Model(activations, scheduled), START
    with shop_of(activations, scheduled=scheduled) as (shop, whole):
        for tick in ticks:
            at += timedelta(hours=tick.later)
            break_and_mend(shop, tick.broken, whole)
            assert code_of(shop, at, tick) == model.do(at, tick), f"{at}: {tick}"
            _compare(shop, model)
        event(f"held: {any(status == 'failed' for status, _ in model.runs.values())}")


def _compare(shop: Shop, model: Model) -> None:
    workspace = muster.open_workspace(shop.root)
    failed = {each.audience: (each.first_at, each.last_at) for each in muster.list_failed_audiences(workspace)}
    assert failed == model.failed
    found: dict[str, list[datetime]] = {}
    for each in reversed(muster.list_evaluations(workspace)):
        for one in each.audiences:
            found.setdefault(one.audience, []).append(each.at)
    assert found == model.evaluated
    runs = {(run.key, run.scheduled_time): (run.status, run.attempts) for run in muster.list_runs(workspace)}
    superseded = {name for name, (status, _) in runs.items() if status == "superseded"}
    assert all(model.runs.get(name, ("failed", 0))[0] == "failed" for name in superseded)
    assert {name: run for name, run in runs.items() if name not in superseded} == {
        name: run for name, run in model.runs.items() if name not in superseded
    }
