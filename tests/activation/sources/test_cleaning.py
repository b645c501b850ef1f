"""Identities are cleaned before they are compared (P2)."""

import polars as pl
import pytest

from muster.activation.model.sources import BUILT_IN, Namespace
from muster.activation.sources.cleaning import cleaned, namespace_of, normalized, why_dropped

EMAIL = Namespace(
    "Email", "email", 2, normalize=("trim", "lower"), blocked=("None@None.com",), blocked_like=("%@Till_.acme.example",)
)


def found(namespace: Namespace, text: str) -> tuple[str | None, str | None]:
    """What counts of an id, and why it is dropped."""
    ids = pl.DataFrame({"id": [text]}).with_columns(normalized(pl.col("id"), namespace).alias("text"))
    reason = ids.select(why_dropped(pl.col("text"), namespace)).item()
    return ids.select(cleaned(pl.col("id"), namespace)).item(), reason


@pytest.mark.parametrize(
    ("namespace", "text", "expected"),
    [
        (Namespace("Card"), "\t A1\u00a0\n", ("A1", None)),  # trimmed in every namespace
        (EMAIL, " Ann@X.com ", ("ann@x.com", None)),
        (EMAIL, "   ", (None, "empty")),
        (EMAIL, "none@NONE.com", (None, "blocked")),  # whatever the case of the entry
        (EMAIL, "a@till7.acme.example", (None, "blocked")),
        (EMAIL, "a@till77.acme.example", ("a@till77.acme.example", None)),  # `_` is one character
        (EMAIL, "a@till7xacme.example", ("a@till7xacme.example", None)),  # a dot is a dot
        (EMAIL, "N/A", (None, "built_in")),
        (Namespace("Card"), "NaN", (None, "built_in")),
        (Namespace("Card"), "00", ("00", None)),
        (Namespace("Card"), "ü" * 1024, ("ü" * 1024, None)),  # characters, not bytes
        (Namespace("Card"), "a" * 1025, (None, "too_long")),
        (BUILT_IN["ECID"], "1" * 38, ("1" * 38, None)),
        (BUILT_IN["ECID"], "1" * 39, (None, "pattern")),  # the whole id matches
        (Namespace("Card", pattern="a|b"), "ab", (None, "pattern")),
        (Namespace("Card", blocked=("0",)), "0", (None, "blocked")),  # the first reason that applies
    ],
)
def test_cleaning(namespace: Namespace, text: str, expected: tuple[str | None, str | None]) -> None:
    """P2: ids are trimmed, normalized, and dropped for the first reason that applies."""
    assert found(namespace, text) == expected


def test_a_step_that_leaves_nothing_leaves_an_empty_id() -> None:
    """P2: what is no phone number of its region has no normalized id, and counts as empty."""
    assert found(Namespace("Phone", "phone", normalize=("e164(DE)",)), "no number") == (None, "empty")
    assert found(Namespace("Phone", "phone", normalize=("e164(DE)",)), "030 123456") == ("+4930123456", None)


def test_a_namespace_that_nobody_declared_has_the_defaults() -> None:
    """P2: identity maps may hold other namespaces; these are of type other, priority 9, not unique."""
    assert namespace_of(BUILT_IN, "Loyalty") == Namespace("Loyalty", "other", 9)
    assert namespace_of(BUILT_IN, "Email") is BUILT_IN["Email"]


@pytest.mark.parametrize("word", ["null", "none", "undefined", "anonymous", "invalid", "unknown", "nan", "0", "n/a"])
def test_words_that_name_nobody(word: str) -> None:
    """P2: these words are dropped in every namespace, in any case, and only as whole ids."""
    for text in (word, word.upper(), f" {word.title()} "):
        assert found(Namespace("Card"), text) == (None, "built_in")
    assert found(Namespace("Card"), f"{word}1")[1] is None
