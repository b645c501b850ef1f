"""The outbox of a run on disk: all that is going to be sent, written and synced before the first request (V8).

.muster/outbox/<destination>/<activation>/<run>.<comparison>/
├── people.parquet       the people to send, as ``profile_changes`` made them
├── requests-1.parquet   the requests of the first batch: the columns of ``messages.requests`` without parts, and those
│                        of ``PLACED``
├── entries-1.parquet    their entries: the columns of ``messages.requests``, with ``size(k)`` in the place of each text
├── ...                  a pair for each batch
├── texts                the bodies of all requests, one after another, with ``REQUEST_ID`` in the place of ids
└── answers.log          what happened since (``answer_log``)

A body is kept as one piece, because nearly all requests are sent whole; sizes say where its parts and texts are.
"""

import hashlib
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import polars as pl

from muster.activation.errors import ExportError
from muster.activation.frames import engine
from muster.activation.messages import requests as columns
from muster.activation.messages.requests import Batch
from muster.activation.model.history import Run, StoredFile
from muster.activation.outbox import answer_log
from muster.activation.state import state_paths
from muster.activation.state.files import State
from muster.activation.system.disk import create_file, make_folder, own_file, sync
from muster.activation.system.os_errors import system_message

TEXTS = "texts"
PEOPLE = "people.parquet"
FIRST, ENTRIES, AT, SIZE, PART_SIZES = "first", "entries", "at", "size", "part_sizes"
PLACED = {
    FIRST: pl.UInt32(),  # the row of the request's first entry among all entries
    ENTRIES: pl.UInt32(),  # how many it has
    AT: pl.UInt64(),  # where its body begins in ``texts``, in bytes
    SIZE: pl.UInt64(),  # of the body
    PART_SIZES: pl.List(pl.UInt32()),  # of the constant parts, in bytes
}
BODY = "body"


def size(place: int) -> str:
    """The column with the bytes of what an entry puts into the list at a place (UInt32); null where it puts nothing."""
    return f"size:{place}"


def write_outbox(state: State, run: Run, people: pl.DataFrame, batches: Iterable[Batch]) -> dict[str, Any]:
    """Write the outbox of a run's comparison, and return the record of it for ``Run.outbox``.

    Once this returns, the outbox survives a power cut. ``ExportError`` when the system refuses; nothing is left then.
    """
    folder = state_paths.outbox_folder(run.destination, run.activation, run.run_id, run.compared or 1)
    path = state.folder / folder
    _remove(path)
    try:
        make_folder(path, state.file_mode)
        return _written(state, folder, run, people, batches)
    except OSError as error:
        _remove(path)
        shown = f"{state.folder.name}/{folder}"
        raise ExportError(f"{shown}: the outbox cannot be written: {system_message(error)}") from error
    except BaseException:
        _remove(path)
        raise


def remove_outbox(state: State, record: dict[str, Any]) -> None:
    """Remove an outbox whose run ended (V12), and the folders above it that are empty then."""
    path = state.folder / record["folder"]
    _remove(path)
    for parent in (path.parent, path.parent.parent, path.parent.parent.parent):
        if parent.is_dir() and not any(parent.iterdir()):
            parent.rmdir()


def _remove(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)


def _written(state: State, folder: str, run: Run, people: pl.DataFrame, batches: Iterable[Batch]) -> dict[str, Any]:
    requests, entries = list[StoredFile](), list[StoredFile]()
    path = state.folder / folder
    create_file(path / TEXTS, state.file_mode)
    with open(path / TEXTS, "r+b", opener=own_file) as file:  # Path.open takes no opener
        texts = _Texts(file)
        for number, batch in enumerate(batches, start=1):
            placed, measured = texts.add(batch)
            requests.append(state.write(placed, f"{folder}/requests-{number}.parquet"))
            entries.append(state.write(measured, f"{folder}/entries-{number}.parquet"))
    sync(path / TEXTS)
    stored = state.write(people, f"{folder}/{PEOPLE}")
    answer_log.create(path, state.file_mode, answer_log.name_of(run.run_id, run.compared or 1))
    sync(path)
    return {
        "folder": folder,
        "people": stored.record,
        "requests": [each.record for each in requests],
        "entries": [each.record for each in entries],
        "texts": StoredFile(f"{folder}/{TEXTS}", texts.hash.hexdigest(), texts.at).record,
        "totals": {"requests": texts.requests, "entries": texts.entries, "bytes": texts.at},
    }


@dataclass
class _Texts:
    """The file of bodies, as it grows, and what was written to it."""

    file: IO[bytes]
    at: int = 0  # bytes
    requests: int = 0
    entries: int = 0
    phase: int = 0
    hash: Any = field(default_factory=hashlib.sha256)

    def add(self, batch: Batch) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Write the bodies of a batch, and return the columns of its requests and entries as the outbox has them."""
        bodies, entries = engine.collect_all(
            [bodies_of(batch), _measured(batch.entries)], batch.entries.height + batch.requests.height
        )
        placed = engine.collect_inside(_placed(bodies, self.at, self.entries))
        self._check(batch, placed)
        for body in _encoded(bodies[BODY]):
            self.file.write(body)
            self.hash.update(body)
            self.at += len(body)
        self.requests += placed.height
        self.entries += entries.height
        return placed, entries

    def _check(self, batch: Batch, placed: pl.DataFrame) -> None:
        """Raise ``ValueError`` where the contract of ``messages.requests`` is broken: sending would go wrong."""
        numbers, phases = placed[columns.REQUEST].to_list(), placed[columns.PHASE].to_list()
        if numbers != list(range(self.requests, self.requests + len(numbers))):
            raise ValueError("requests are not numbered one after another")
        if phases != sorted(phases) or (phases and phases[0] < self.phase):
            raise ValueError("phases do not ascend")
        if placed[ENTRIES].null_count() or placed[ENTRIES].sum() != batch.entries.height:
            raise ValueError("requests and entries do not belong together")
        self.phase = phases[-1] if phases else self.phase


def _encoded(bodies: pl.Series) -> Iterator[bytes]:
    for body in bodies:
        yield body.encode()


def lists_of(names: Iterable[str]) -> int:
    """How many lists a body has whose texts, or sizes of texts, stand under these column names."""
    return sum(name.startswith(("text:", "size:")) for name in names)


def bodies_of(batch: Batch) -> pl.LazyFrame:
    """Requests with ``BODY`` (String, with ``REQUEST_ID`` in the place of ids), ``ENTRIES`` and ``PART_SIZES``."""
    requests, lists = batch.requests, lists_of(batch.entries.columns)
    parts = [pl.col(columns.part(k)) if columns.part(k) in requests.columns else pl.lit("") for k in range(lists + 1)]
    texts = [columns.text(k) for k in range(lists)]
    joined = (
        batch.entries.lazy()
        .group_by(columns.REQUEST, maintain_order=True)
        .agg(pl.len().cast(pl.UInt32).alias(ENTRIES), *(pl.col(text).drop_nulls().str.join(",") for text in texts))
    )
    pieces = [parts[0], *(piece for text, part in zip(texts, parts[1:], strict=True) for piece in (pl.col(text), part))]
    return (
        requests.lazy()
        .join(joined, on=columns.REQUEST, how="left", maintain_order="left")
        .select(
            *columns.REQUEST_TYPES,
            ENTRIES,
            pl.concat_list(part.str.len_bytes() for part in parts).alias(PART_SIZES),
            pl.concat_str(pieces).alias(BODY),
        )
    )


def _placed(bodies: pl.DataFrame, at: int, first: int) -> pl.LazyFrame:
    """Requests with the columns of ``PLACED``; their bodies and entries begin behind those of earlier batches."""
    sizes = pl.col(BODY).str.len_bytes().cast(pl.UInt64)
    return bodies.lazy().select(
        *columns.REQUEST_TYPES,
        (pl.col(ENTRIES).cum_sum() - pl.col(ENTRIES) + first).cast(pl.UInt32).alias(FIRST),
        ENTRIES,
        (sizes.cum_sum() - sizes + at).alias(AT),
        sizes.alias(SIZE),
        PART_SIZES,
    )


def _measured(entries: pl.DataFrame) -> pl.LazyFrame:
    return entries.lazy().select(
        *columns.ENTRY_TYPES,
        *(pl.col(columns.text(k)).str.len_bytes().alias(size(k)) for k in range(lists_of(entries.columns))),
    )
