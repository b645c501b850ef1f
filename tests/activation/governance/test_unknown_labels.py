"""Labels of what no source has (G1, G2)."""

from pathlib import Path

import polars as pl
import pytest
from support.shop import Shop

from muster.activation.config.workspace import load
from muster.activation.errors import Problem
from muster.activation.governance.unknown_labels import Known, problems
from muster.activation.values.known_columns import Columns

PHONES = pl.List(pl.Struct({"namespace": pl.String(), "id": pl.String()}))
FILES = Columns({"id": pl.String(), "email": pl.String(), "ids": PHONES, "health": pl.Struct({"score": pl.Int64()})})


def found(root: Path, *, of_source: str = "", own: str = "", known: Known | None = None) -> list[Problem]:
    """The problems of one label of a source, or of muster.yml."""
    shop = Shop(root, profiles={"from": "sources"}, labels={own: ["I1"]} if own else {})
    identities = [{"column": "id", "namespace": "CRMID", "primary": True}, {"identity_map": "ids"}]
    labels = {of_source: ["I1"]} if of_source else {}
    shop.write("sources/crm.yml", {"path": "data/crm", "identities": identities, "labels": labels})
    return problems(load(root, {}), Known(sources={"crm": FILES}) if known is None else known)


@pytest.mark.parametrize("label", ["email", "health", "health.score", '"email"', "ids", "ids.Phone"])
def test_columns_of_a_source_may_have_labels(tmp_path: Path, label: str) -> None:
    """G2: a label is of a column in the source's files, of a field, or of a namespace in an identity map."""
    assert not found(tmp_path, of_source=label)


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("emial", "'emial': the files have no such column; did you mean 'email'?"),
        ("health.scor", "'health' has no field 'scor'; did you mean 'score'?"),
    ],
)
def test_a_label_of_a_column_that_the_source_lacks(tmp_path: Path, label: str, message: str) -> None:
    """G1: such a label would protect nothing; the mistake is in the source's file, on the label's line."""
    (problem,) = found(tmp_path, of_source=label)
    assert (problem.file, problem.key) == ("sources/crm.yml", f"labels.{label}")
    assert message in problem.message
    assert not found(tmp_path, of_source=label, known=Known())


def test_labels_of_sources(tmp_path: Path) -> None:
    """G1: `sources.<id>` names a source; one that is not there is a mistake with near names."""
    assert not found(tmp_path, own="sources.crm")
    (problem,) = found(tmp_path, own="sources.crn")
    assert "there is no source 'crn'; did you mean 'crm'?" in problem.message
