"""The columns of requests and of their entries, as ``messages`` makes them and the outbox keeps them (V6 to V9).

A request's body is its constant parts with a list of texts between each two of them: the list at place ``k`` has the
texts ``text(k)`` of the request's entries in their order, joined by a comma; null texts are left out. So a half of a
request is made of a half of its entries. In all parts and texts ``REQUEST_ID`` stands for the id of the request, which
no other character of JSON can be. The records of a stream are the texts at place 0 alone.

Requests
request         UInt32: ascending from 0, in the order of sending
phase           UInt8: every request of a lower phase is answered before the first of a higher one is sent (V9)
                phases ascend with requests
method          String; url String: with values filled in, without what authentication adds; empty for streams
refused_as      String: the reason for which the request, of one entry, is refused unsent: it is larger than the service
                takes (``TOO_LARGE``), or its url lacks a value (``NO_URL``); null for one that is sent
part(k)         String: the constant parts, from place 0 to the number of lists, of the requests with the most lists;
                empty behind the last part of others; streams have none

Entries
request         UInt32; person UInt32: the row of the people to send; both ascending within a request
audience        UInt16: the place of the told audience that the entry is about; null: about all of them
is_exit         Boolean: tells exits alone
identifiers     List(String): the identifiers in the one mapped namespace that the entry tells; null without one (M5)
text(k)         String

Entries that wait for others (V7) are part of no request: they have person, audience, is_exit and identifiers alone.
"""

from dataclasses import dataclass

import polars as pl

REQUEST_ID = "\x00"
REQUEST, PHASE, METHOD, URL, REFUSED_AS = "request", "phase", "method", "url", "refused_as"
PART_PREFIX, TEXT_PREFIX = "part:", "text:"
TOO_LARGE, NO_URL = "too_large", "no_value_in_url"  # reasons of requests that are refused unsent (V7, V6)
PERSON, AUDIENCE, IS_EXIT, IDENTIFIERS = "person", "audience", "is_exit", "identifiers"
ENTRY_TYPES = {
    REQUEST: pl.UInt32(),
    PERSON: pl.UInt32(),
    AUDIENCE: pl.UInt16(),
    IS_EXIT: pl.Boolean(),
    IDENTIFIERS: pl.List(pl.String()),
}
WAITING_TYPES = {name: dtype for name, dtype in ENTRY_TYPES.items() if name != REQUEST}
REQUEST_TYPES = {
    REQUEST: pl.UInt32(),
    PHASE: pl.UInt8(),
    METHOD: pl.String(),
    URL: pl.String(),
    REFUSED_AS: pl.String(),
}


@dataclass(frozen=True, eq=False)
class Batch:
    """Some requests in their order, and all entries of each: batches follow one another, and no request is in two."""

    requests: pl.DataFrame
    entries: pl.DataFrame  # in the order of requests
    waiting: pl.DataFrame | None = None  # entries that no request has, as they wait for others; None without any
    bytes: int = 0  # of the bodies, or of the records of a stream


def part(place: int) -> str:
    """The column with the constant part of bodies before the list at a place, or behind the last one."""
    return f"{PART_PREFIX}{place}"


def text(place: int) -> str:
    """The column with what an entry puts into the list at a place."""
    return f"{TEXT_PREFIX}{place}"


def request_id(run_id: str, compared: int, number: int) -> str:
    """The id of a request, by its run, the comparison's number within the run, and its own."""
    return f"{run_id}-{compared}-{number}"
