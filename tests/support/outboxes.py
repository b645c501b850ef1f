"""Outboxes of a few people, an endpoint that answers as a test says, and a clock that does not wait."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from muster.activation.endpoints.protocol import Answer, Outgoing
from muster.activation.messages import requests as columns
from muster.activation.messages.requests import ENTRY_TYPES, REQUEST_ID, REQUEST_TYPES, Batch
from muster.activation.model.history import Run
from muster.activation.outbox.outcomes import OUTCOME, REASON, Outcomes
from muster.activation.outbox.reading import Outbox, open_outbox
from muster.activation.outbox.writing import write_outbox
from muster.activation.profile_changes.people import WAS_REFUSED
from muster.activation.state.files import State

OK, REFUSED = Answer("accepted"), Answer("refused", "422")
RUN = Run("crm.all.1", "crm", "all", "", "scheduled", "", datetime(2026, 11, 20, tzinfo=UTC), "delivering", compared=1)


@dataclass(frozen=True)
class Planned:
    """A request that a test plans: the persons of its entries, one entry each."""

    persons: Sequence[int]
    phase: int = 0
    is_too_large: bool = False


def texts_of(person: int) -> str:
    """What the body has of a person."""
    return f'{{"id":"p{person}"}}'


def batches(
    planned: Sequence[Planned],
    *,
    each: int = 1000,
    is_stream: bool = False,
    url: str = "https://crm.example/profiles",
) -> Iterator[Batch]:
    """The plan as ``messages`` would give it, so many requests a batch."""
    for first in range(0, len(planned), each):
        some = list(enumerate(planned))[first : first + each]
        requests = {
            columns.REQUEST: [number for number, _ in some],
            columns.PHASE: [request.phase for _, request in some],
            columns.METHOD: ["" if is_stream else "POST" for _ in some],
            columns.URL: ["" if is_stream else url for _ in some],
            columns.REFUSED_AS: [columns.TOO_LARGE if request.is_too_large else None for _, request in some],
        }
        frame = pl.DataFrame(requests, schema=REQUEST_TYPES)
        if not is_stream:
            frame = frame.with_columns(
                pl.lit(f'{{"request":"{REQUEST_ID}","data":[').alias(columns.part(0)),
                pl.lit('],"keys":[').alias(columns.part(1)),
                pl.lit("]}").alias(columns.part(2)),
            )
        entries = [(number, person) for number, request in some for person in request.persons]
        told = {
            columns.REQUEST: [number for number, _ in entries],
            columns.PERSON: [person for _, person in entries],
            columns.AUDIENCE: [None for _ in entries],
            columns.IS_EXIT: [False for _ in entries],
            columns.IDENTIFIERS: [None for _ in entries],
        }
        texts = {columns.text(0): [texts_of(person) for _, person in entries]}
        if not is_stream:
            texts[columns.text(1)] = [None if person % 3 == 0 else f'"k{person}"' for _, person in entries]
        yield Batch(frame, pl.DataFrame(told | texts, schema={**ENTRY_TYPES, **dict.fromkeys(texts, pl.String())}))


def people(number: int, refused_before: Iterable[int] = ()) -> pl.DataFrame:
    """So many people to send."""
    before = set(refused_before)
    return pl.DataFrame(
        {"profile_id": [f"p{each}" for each in range(number)], WAS_REFUSED: [each in before for each in range(number)]}
    )


def written(
    folder: Path,
    planned: Sequence[Planned] | Sequence[Sequence[int]],
    *,
    refused_before: Iterable[int] = (),
    each: int = 1000,
    is_stream: bool = False,
    url: str = "https://crm.example/profiles",
) -> Outbox:
    """An outbox of the planned requests in a new state folder."""
    state = State(folder, 0o600)
    for name in ("tmp",):
        (folder / name).mkdir(parents=True, exist_ok=True)
    plan = [request if isinstance(request, Planned) else Planned(request) for request in planned]
    count = 1 + max((person for request in plan for person in request.persons), default=-1)
    made = batches(plan, each=each, is_stream=is_stream, url=url)
    record = write_outbox(state, RUN, people(count, refused_before), made)
    return open_outbox(state, replace(RUN, outbox=record), is_fresh=True)


def reopened(outbox: Outbox) -> Outbox:
    """The outbox as the next command opens it."""
    return open_outbox(State(outbox.state.folder, 0o600), outbox.run)


def told(outcomes: Outcomes) -> list[tuple[int, int, str, str | None]]:
    """Request, person, outcome and reason of each entry."""
    return outcomes.entries.select(columns.REQUEST, columns.PERSON, OUTCOME, REASON).collect().rows()


def by_person(outcomes: Outcomes) -> dict[int, str]:
    """The outcome of each person, who is in one request."""
    return {person: outcome for _, person, outcome, _ in told(outcomes)}


def persons_in(outgoing: Outgoing) -> list[int]:
    """The persons whom a request tells."""
    import json  # noqa: PLC0415

    if outgoing.records:
        return [int(record.partition_key[1:]) for record in outgoing.records]
    return [int(each["id"][1:]) for each in json.loads(outgoing.body)["data"]]


class Killed(BaseException):
    """The process ends here."""


@dataclass
class FakeEndpoint:
    """Answers as ``rule`` says, and records each try; checks that no two requests with one person are under way."""

    rule: Callable[[Outgoing, int], Answer] = lambda outgoing, tries: OK  # noqa: ARG005
    sent: list[Outgoing] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    most_busy: int = 0
    clock: Any = None
    is_stopped: bool = False
    _busy: dict[str, set[int]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, outgoing: Outgoing) -> Answer:
        """Try a request."""
        persons = set(persons_in(outgoing))
        with self._lock:
            assert all(persons.isdisjoint(others) for others in self._busy.values()), "two requests with one profile"
            self._busy[outgoing.id] = persons
            self.most_busy = max(self.most_busy, len(self._busy))
            self.sent.append(outgoing)
            self.times.append(self.clock.seconds() if self.clock else 0.0)
            tries = sum(each.id == outgoing.id for each in self.sent)
        try:
            return self.rule(outgoing, tries)
        finally:
            with self._lock:
                del self._busy[outgoing.id]

    def check(self, *, send_test: bool) -> str:
        """Say that all is well."""
        return f"well: {send_test}"

    def stop(self) -> None:
        """Note it."""
        self.is_stopped = True

    def close(self) -> None:
        """Nothing is open."""


@dataclass
class FakeClock:
    """A clock that goes on as soon as somebody waits, to the earliest moment that anybody waits for."""

    time: float = 0.0
    _waiting: list[float] = field(default_factory=list)

    def seconds(self) -> float:
        """The time that it shows."""
        return self.time

    def wait(self, changed: threading.Condition, seconds: float | None) -> None:
        """Let others run a moment, then go on."""
        until = self.time + (seconds or 0.0)
        self._waiting.append(until)
        changed.wait(0.002)
        if min(self._waiting) == until:
            self.time = max(self.time, until)
        self._waiting.remove(until)


def refusing(*bad: int, reason: str = "422") -> Callable[[Outgoing, int], Answer]:
    """A rule that refuses requests with one of these persons."""
    return lambda outgoing, tries: Answer("refused", reason) if {*bad} & {*persons_in(outgoing)} else OK  # noqa: ARG005
