"""The bodies of requests that are made again: as they stand in the texts of an outbox, without an outbox (V8, V11)."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import polars as pl

from muster.activation.frames import engine
from muster.activation.messages import requests as columns
from muster.activation.messages.requests import REQUEST_ID, Batch
from muster.activation.outbox.reading import key_of
from muster.activation.outbox.writing import BODY, ENTRIES, bodies_of


@dataclass(frozen=True)
class Body:
    """One request that is made again."""

    number: int
    method: str  # empty for streams
    url: str
    entries: int
    is_sent: bool  # not one that is refused before it is sent
    body: bytes  # with ``REQUEST_ID`` in the place of the id
    records: tuple[str, ...] = ()  # of a stream

    def filled(self, request_id: str) -> bytes:
        """The bytes that are sent; of a stream a record a line."""
        if not self.method:
            return "".join(f"{each}\n" for each in self.records).replace(REQUEST_ID, request_id).encode()
        return self.body.replace(REQUEST_ID.encode(), request_id.encode())

    def key(self, run_id: str, compared: int, request_id: str) -> str:
        """The Idempotency-Key of an HTTP request."""
        return key_of(run_id, compared, self.method, self.url.replace(REQUEST_ID, request_id), self.filled(request_id))


def digest_of_bodies(batches: Iterable[Batch], each: Callable[[Body], None] | None = None) -> str:
    """The SHA-256 of all bodies, as the record of an outbox has it; ``each`` is called with every body, in order."""
    digest = hashlib.sha256()
    for batch in batches:
        if batch.requests.is_empty():
            continue
        frame = engine.collect_inside(bodies_of(batch))
        is_stream = not (frame[columns.METHOD] != "").any()
        records = _records(batch) if is_stream and each else {}
        for row in frame.iter_rows(named=True):
            body = row[BODY].encode()
            digest.update(body)
            if each:
                number = row[columns.REQUEST]
                told = (number, row[columns.METHOD], row[columns.URL], row[ENTRIES], row[columns.REFUSED_AS] is None)
                each(Body(*told, body, records.get(number, ())))
    return digest.hexdigest()


def _records(batch: Batch) -> dict[int, tuple[str, ...]]:
    """The records of each request of a stream."""
    texts = batch.entries.lazy().group_by(columns.REQUEST, maintain_order=True).agg(pl.col(columns.text(0)))
    return {number: tuple(found) for number, found in engine.collect_inside(texts).iter_rows()}
