"""Entries packed into requests: as many in each as limits allow, those of one request about one key (V7).

Entries come in their order, in frames; a request that is not full yet waits for the entries of the next frame. The
body of a request is never larger than the limit, whatever the number in the id of the request is.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from muster.activation.endpoints.protocol import Limits
from muster.activation.frames import engine
from muster.activation.frames.columns import PROFILE_ID
from muster.activation.messages.entries import NAMESPACE, TELLS_EXIT
from muster.activation.messages.rendered import SHAPE
from muster.activation.messages.requests import (
    AUDIENCE,
    IS_EXIT,
    NO_URL,
    PERSON,
    REFUSED_AS,
    REQUEST,
    REQUEST_ID,
    TOO_LARGE,
    URL,
    part,
    request_id,
    text,
)
from muster.activation.model.messages import Aggregation
from muster.activation.profile_changes.people import PENDING_SINCE

HEAD, SIZE = "head", "size"  # bytes of the constant parts and of an entry's texts: of a body head + sizes
HTTP_DEFAULT = Limits(entries=100, bytes=1_000_000)
_LARGEST_NUMBER = 10**9
_MOST_OPEN = 1 << 17  # entries of requests that are not full, beyond which all of them are closed


@dataclass(frozen=True)
class Packed:
    """Rendered entries with their requests, numbered in order from 0; and entries that wait for others."""

    entries: pl.DataFrame
    waiting: pl.DataFrame


def limits_of(aggregation: Aggregation, service: Limits, *, is_http: bool) -> Limits:
    """What one request may hold: what is configured, and never more than the service takes (V7)."""
    asked = Limits(aggregation.max_profiles, aggregation.max_bytes)
    if is_http and asked == Limits():
        asked = HTTP_DEFAULT
    entries, bytes_ = _least(asked.entries, service.entries), _least(asked.bytes, service.bytes)
    return Limits(entries, bytes_, service.entry_bytes, service.overhead)


def _least(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)


class Packer:
    """Packs the entries of one pass over the people."""

    def __init__(
        self,
        aggregation: Aggregation,
        limits: Limits,
        lists: int,
        run: tuple[str, int],
        at: datetime,
        *,
        waits: bool,
        is_stream: bool,
    ) -> None:
        """``run`` is the id of the run, and the number of the comparison in it; ``waits``: ``max_age`` counts."""
        self._aggregation, self._limits = aggregation, limits
        self._lists, self._is_stream = lists, is_stream
        self._id_growth = len(request_id(*run, _LARGEST_NUMBER)) - len(REQUEST_ID)
        max_age = aggregation.max_age if waits and aggregation.kind == "configurable" else timedelta(0)
        self._until = at - max_age if max_age else None
        self._at = at
        self._open: pl.DataFrame | None = None

    def pack(self, entries: pl.DataFrame) -> Packed:
        """Put further entries, as they are rendered, into requests: those of requests that are full."""
        return self._packed(entries, is_last=False)

    def rest(self) -> Packed | None:
        """The requests that are not full; None without any."""
        entries, self._open = self._open, None
        return None if entries is None or entries.is_empty() else self._packed(entries, is_last=True)

    def _packed(self, entries: pl.DataFrame, *, is_last: bool) -> Packed:
        sized = self._sized(entries)
        if self._open is not None:
            sized = pl.concat([self._open, sized], how="diagonal")
        numbers, full = self._numbers(sized)
        numbered = sized.with_columns(pl.Series(REQUEST, numbers, dtype=pl.UInt32))
        opened = ~numbered[REQUEST].is_in(pl.Series(full, dtype=pl.UInt32).implode())
        if is_last or int(opened.sum()) > _MOST_OPEN:
            waits, self._open = self._waits(numbered, opened), None
            return Packed(_in_order(numbered.filter(~waits)), numbered.filter(waits))
        self._open = sized.filter(opened)
        return Packed(_in_order(numbered.filter(~opened)), numbered.clear())

    def _sized(self, entries: pl.DataFrame) -> pl.DataFrame:
        """The entries with ``head`` and ``size``, bytes of the constant parts and of the texts, and a reason."""
        if HEAD in entries.columns:
            return entries
        parts = [name for k in range(self._lists + 1) if (name := part(k)) in entries.columns]
        texts = [name for k in range(self._lists) if (name := text(k)) in entries.columns]
        head, size = self._length(parts), self._length(texts)
        if self._is_stream:  # which counts the key of a record too
            size += pl.col(PROFILE_ID).str.len_bytes().cast(pl.Int64) + self._limits.overhead
        else:  # a comma stands before each text but the first of a list
            commas = pl.sum_horizontal(pl.col(name).is_not_null().cast(pl.Int64) for name in texts or [PERSON])
            head, size = (head - commas, size + commas) if texts else (head, size)
        most, largest = self._limits.bytes, self._limits.entry_bytes
        reasons = [pl.when(pl.col(URL).is_null()).then(pl.lit(NO_URL))]
        for bytes_, limit in ((pl.col(HEAD) + pl.col(SIZE), most), (pl.col(SIZE), largest)):
            if limit is not None:
                reasons.append(pl.when(bytes_ > limit).then(pl.lit(TOO_LARGE)))
        sized = entries.lazy().with_columns(head.alias(HEAD), size.alias(SIZE))
        return engine.collect_inside(sized.with_columns(pl.coalesce(*reasons).alias(REFUSED_AS)))

    def _length(self, names: list[str]) -> pl.Expr:
        """The bytes of some texts together, with ids of requests of the greatest length."""
        lengths = [
            pl.col(name).str.len_bytes().cast(pl.Int64)
            + pl.col(name).str.count_matches(REQUEST_ID, literal=True).cast(pl.Int64) * self._id_growth
            for name in names
        ]
        return pl.sum_horizontal(lengths) if lengths else pl.lit(0, pl.Int64)

    def _keys(self, entries: pl.DataFrame) -> list[str]:
        """For each entry a text that is equal for two that one request can hold."""
        names = [part(k) for k in range(self._lists + 1) if part(k) in entries.columns]
        columns = [pl.col(name).fill_null("") for name in (URL, *names)]
        columns.append(pl.col(SHAPE).cast(pl.String))
        key = self._aggregation.key if self._aggregation.kind == "configurable" else ()
        about = {"audience": AUDIENCE, "status": IS_EXIT, "namespace": NAMESPACE}
        columns += [pl.col(about[each]).cast(pl.String).fill_null("") for each in key]
        found = entries.lazy().select(pl.concat_str(columns, separator="\x01").alias("key"))
        return engine.collect_inside(found)["key"].to_list()

    def _numbers(self, entries: pl.DataFrame) -> tuple[list[int], list[int]]:
        """The request of each entry, numbered as requests are opened, and the requests that are full."""
        most, largest = self._limits.entries or len(entries) + 1, self._limits.bytes
        number = 0
        numbers: list[int] = []
        full: list[int] = []
        opened: dict[str, list[int]] = {}  # by key: the number of a request, its entries, its bytes
        columns = (self._keys(entries), *(entries[name].to_list() for name in (HEAD, SIZE, REFUSED_AS)))
        for key, head, size, refused_as in zip(*columns, strict=True):
            if refused_as:
                full.append(number)
                numbers.append(number)
                number += 1
                continue
            request = opened.get(key)
            if request is not None and largest is not None and request[2] + size > largest:
                full.append(request[0])
                request = None
            if request is None:
                request = opened[key] = [number, 0, head]
                number += 1
            request[1] += 1
            request[2] += size
            numbers.append(request[0])
            if request[1] >= most:
                full.append(request[0])
                del opened[key]
        return numbers, full

    def _waits(self, numbered: pl.DataFrame, opened: pl.Series) -> pl.Series:
        """Whether each entry waits: it tells no exit, and its request is not full, and has young changes alone (V7)."""
        if self._until is None:
            return pl.Series([False]).new_from_index(0, numbered.height)
        oldest = pl.col(PENDING_SINCE).fill_null(self._at).filter(~pl.col(TELLS_EXIT)).min().over(REQUEST)
        waits = pl.lit(opened) & ~pl.col(TELLS_EXIT) & (oldest > self._until)
        return engine.collect_inside(numbered.lazy().select(waits.fill_null(value=False).alias("waits")))["waits"]


def _in_order(entries: pl.DataFrame) -> pl.DataFrame:
    """The entries by request, numbered on from 0."""
    ranked = entries.with_columns(pl.col(REQUEST).rank("dense").cast(pl.UInt32) - 1)
    return ranked.sort(REQUEST, maintain_order=True)
