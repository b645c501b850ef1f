"""Identities made comparable, and those dropped that name nobody (P2).

An id is trimmed, then normalized as its namespace says. Ids are compared and told apart as they are afterwards.
"""

import re
from collections.abc import Mapping, Sequence

import polars as pl

from muster.activation.model.sources import Namespace
from muster.activation.values import transforms

NOBODY = ("null", "none", "undefined", "anonymous", "invalid", "unknown", "nan", "0", "n/a")  # in any case
LONGEST = 1024  # characters of an id
MOST = 20  # identities of one record that links

# Why an identity is dropped, in the order in which reasons are looked for.
EMPTY, BLOCKED, BUILT_IN, TOO_LONG, PATTERN = "empty", "blocked", "built_in", "too_long", "pattern"
REASONS = (EMPTY, BLOCKED, BUILT_IN, TOO_LONG, PATTERN)
REASON_TYPE = pl.Enum(REASONS)


def namespace_of(namespaces: Mapping[str, Namespace], name: str) -> Namespace:
    """A namespace that is declared or built in; another one, which identity maps may hold, has the defaults (P2)."""
    return namespaces.get(name) or Namespace(name)


def normalized(ids: pl.Expr, namespace: Namespace) -> pl.Expr:
    """Ids (String) trimmed, and normalized in the steps of their namespace (P2); null where nothing is left."""
    return transforms.apply(namespace.normalize, ids.str.strip_chars(), pl.String())[0]


def why_dropped(ids: pl.Expr, namespace: Namespace) -> pl.Expr:
    """Why normalized ids (String) are dropped: the first reason (REASON_TYPE), null for an id that counts (P2).

    A null id counts as empty.
    """
    tests = {
        EMPTY: ids.is_null() | (ids == ""),
        BLOCKED: _is_blocked(ids, namespace),
        BUILT_IN: (ids.str.len_bytes() <= max(map(len, NOBODY))) & ids.str.to_lowercase().is_in(NOBODY),
        TOO_LONG: (ids.str.len_bytes() > LONGEST) & (ids.str.len_chars() > LONGEST),
        PATTERN: ids.str.contains(rf"\A(?:{namespace.pattern})\z").not_() if namespace.pattern else None,
    }
    found = pl.lit(None, dtype=REASON_TYPE)
    for reason, test in reversed(tests.items()):
        if test is not None:
            found = pl.when(test).then(pl.lit(reason, dtype=REASON_TYPE)).otherwise(found)
    return found


def cleaned(ids: pl.Expr, namespace: Namespace) -> pl.Expr:
    """Ids (String) as they are compared; null where an id is dropped (P2). For sources, feeds and events (P9, P12)."""
    ids = normalized(ids, namespace)
    return pl.when(why_dropped(ids, namespace).is_null()).then(ids)


def _is_blocked(ids: pl.Expr, namespace: Namespace) -> pl.Expr | None:
    """Whether ids are in the namespace's ``blocked``, or like one of ``blocked_like``; None where it has neither.

    Blocked ids count as written and as normalized. Patterns count in the case that normalized ids have.
    """
    tests = []
    if namespace.blocked:
        tests.append(ids.is_in([*namespace.blocked, *_normalized_texts(namespace.blocked, namespace)]))
    if namespace.blocked_like:
        tests.append(ids.str.contains("|".join(_like(each, namespace) for each in namespace.blocked_like)))
    return pl.any_horizontal(tests) if tests else None


def _normalized_texts(texts: Sequence[str], namespace: Namespace) -> list[str]:
    ids = pl.DataFrame({"id": texts}, schema={"id": pl.String})
    return ids.select(normalized(pl.col("id"), namespace))["id"].drop_nulls().to_list()


def _like(pattern: str, namespace: Namespace) -> str:
    """A SQL LIKE pattern as a regular expression: ``%`` is any text, ``_`` one character, all else itself."""
    for step in namespace.normalize:
        pattern = {"lower": pattern.lower(), "upper": pattern.upper()}.get(step, pattern)
    wild = {"%": ".*", "_": "."}
    return rf"(?s)\A{''.join(wild.get(each) or _escaped(each) for each in pattern)}\z"


def _escaped(character: str) -> str:
    """A character as itself in a regular expression of Polars, whose syntax takes fewer escapes than Python's."""
    return rf"\x{{{ord(character):X}}}" if not character.isalnum() else re.escape(character)
