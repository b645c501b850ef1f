"""What muster delivered, compared with what the model says: every file, every count, every reject."""

from typing import Any

import polars as pl
from support import model
from support.shop import Shop


def compare(shop: Shop, expected: model.Shop) -> None:
    found = {_name(run): run for run in shop.runs() if run["status"] == "succeeded"}
    wanted = {
        (each.key, each.trigger, each.slot.strftime("%Y-%m-%dT%H:%M:%SZ")): each
        for each in expected.done
        if each.export
    }
    assert found.keys() == wanted.keys()
    for name, done in wanted.items():
        assert done.export
        run = found[name]
        [file] = run["files"]
        content = (shop.root / file["path"]).read_bytes().decode()
        expected_content = model.csv(done.by, done.export.rows)
        assert content == expected_content, f"{name}: found {content!r}, not the model's file {expected_content!r}"
        assert {key: run[key] for key in done.export.counts} == done.export.counts, name
        assert file["rows"] == len(done.export.rows), name
        assert _rejects(shop, run) == done.export.excluded, name


def _name(run: dict[str, Any]) -> tuple[str, str, str]:
    return f"{run['destination']}/{run['activation']}", run["trigger"], run["scheduled_time"]


def _rejects(shop: Shop, run: dict[str, Any]) -> dict[str, str]:
    """What `runs rejects` reads."""
    file = shop.root / f".muster/rejects/{run['run_id']}.parquet"
    return dict(pl.read_parquet(file).iter_rows()) if file.exists() else {}
