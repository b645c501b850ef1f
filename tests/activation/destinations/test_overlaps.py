"""Destinations and inputs in buckets: whether files of one could become the other's (F1)."""

from pathlib import Path
from typing import Any

import pytest
from support.shop import Shop

from muster.activation.config.workspace import load
from muster.activation.destinations.overlaps import refusals

MINIO = {"endpoint": "http://127.0.0.1:9000"}


def found(root: Path, inputs: dict[str, Any], **content: Any) -> str:
    """Why the one destination is refused, or nothing."""
    shop = Shop(root, profiles=inputs)
    shop.audience("all", where="true")
    shop.crm(**({"mapping": ["profile_id"], "manifest": False} | content))
    return refusals(load(root, {})).get("crm", "")


@pytest.mark.parametrize(
    ("path", "url", "file_name", "is_refused"),
    [
        ("s3://b/", "s3://b/p", "x_{date}", True),
        ("s3://b", "s3://b", "x_{date}", True),
        ("s3://b/p", "s3://b/p", "x_{date}", True),
        ("S3://B/p/", "s3://b//p", "x_{date}", True),
        ("s3://b/p", "s3://b/q", "x_{date}", False),
        ("s3://b/p", "s3://b", "{date}/p", False),
        ("s3://b/p", "s3://b", "p/{date}", True),
        ("s3://b/p", "s3://b/pq", "x_{date}", False),
        ("s3://b/p", "s3://c/p", "x_{date}", False),
        ("s3://b/p", "gs://b/p", "x_{date}", False),
        ("s3://b/*/part-*.csv", "s3://b/p", "part-{date}", True),
        ("s3://b/*/part-*.csv", "s3://b/p", "x-{date}", False),
        ("s3://b/p", "p", "x_{date}", False),
        ("data", "s3://data", "x_{date}", False),
    ],
)
def test_files_in_a_bucket_are_compared_with_inputs_there(
    tmp_path: Path, path: str, url: str, file_name: str, is_refused: bool
) -> None:
    """F1: a bucket's prefix is a folder, whose names can lie in an input's prefix or match an input's glob."""
    assert bool(found(tmp_path, {"path": path}, url=url, file_name=file_name)) is is_refused


def test_buckets_of_other_services_are_other_buckets(tmp_path: Path) -> None:
    """F1, X9: one name at another endpoint is another bucket."""
    path, url = "s3://b/p", "s3://b/p"
    assert not found(tmp_path, {"path": path, "connection": MINIO}, url=url)
    assert found(tmp_path, {"path": path, "connection": MINIO}, url=url, connection=MINIO).startswith(
        "destinations/crm.yml:2: url: 's3://b/p' is profiles.path of muster.yml (s3://b/p)"
    )


def test_an_activation_whose_names_lead_into_an_input_is_named(tmp_path: Path) -> None:
    """F1: of several activations around an input, the one whose files can lie there is named."""
    daily = {"audience": "all", "export": "full", "schedule": {"at": "05:00"}, "file_name": "{activation}/{date}"}
    entries = [daily | {"id": each} for each in ("out", "data", "profiles")]
    assert "files of crm/data" in found(tmp_path, {"path": "data"}, url=".", activations=entries)


def test_files_cannot_lie_in_the_path_of_a_source(tmp_path: Path) -> None:
    """F1, P1: what a destination writes into the path of a source would be read as its records."""
    source = {"path": "data/crm", "identities": [{"column": "id", "namespace": "CRMID", "primary": True}]}
    Shop(tmp_path).write("sources/crm.yml", source)
    reason = found(tmp_path, {"from": "sources"}, url="data/crm/out")
    assert "'data/crm/out' lies in path of sources/crm.yml (data/crm)" in reason
    assert not found(tmp_path, {"from": "sources"}, url="data/out")
