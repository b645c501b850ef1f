"""A search of a whole state folder for somebody who was forgotten: file names, bytes, values of Parquet and SQLite."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import polars as pl
from support.shop import Shop


def holding(shop: Shop, *words: str) -> list[str]:
    """The files of the state that have one of these words, which are long enough to be in no checksum."""
    return sorted({name for name, text in _texts(shop.root / ".muster") if any(word in text for word in words)})


def holding_value(shop: Shop, value: str) -> list[str]:
    """The Parquet files of the state that have exactly this value in a column of text, or in a list of text."""
    folder = shop.root / ".muster"
    found = set()
    for path in folder.rglob("*.parquet"):
        frame = pl.read_parquet(path)
        texts = frame.select(pl.col(pl.String), pl.col(pl.List(pl.String)).list.join("\0"))
        if any(value in str(each).split("\0") for row in texts.rows() for each in row):
            found.add(path.relative_to(folder).as_posix())
    return sorted(found)


def _texts(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        yield name, name
        if path.is_file():
            yield name, path.read_bytes().decode("latin-1")
        if path.suffix == ".parquet" and not name.startswith("damaged-"):
            yield name, str(pl.read_parquet(path).to_dicts())
            yield name, str(pl.read_parquet_metadata(path))
        elif path.suffix == ".sqlite":
            yield name, str(_rows(path))


def _rows(path: Path) -> list[list[tuple[object, ...]]]:
    with sqlite3.connect(path) as ledger:
        tables = [row[0] for row in ledger.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return [ledger.execute(f"SELECT * FROM {table}").fetchall() for table in tables]  # our own names
