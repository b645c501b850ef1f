"""New profile ids: made of the smallest identity of a graph, so that equal inputs give equal ids (P7)."""

import hashlib
import hmac
from collections.abc import Iterator
from itertools import count

import polars as pl
from polars_hash import CryptographicHashingNameSpace

from muster.activation.views.order import smallest_rows, text

_DIGITS = 32  # of an id


def new_ids(identities: pl.DataFrame, ranks: pl.Expr, held: pl.Series, id_key: str) -> pl.DataFrame:
    """An id for each graph: ``graph`` (UInt32), ``profile_id``, and the identity that it is made of.

    ``identities`` has ``graph``, ``namespace`` and ``id`` of graphs without an id; ``held`` (String) are the ids of the
    other graphs of this build. An id that another graph holds is not given: the next identity's is.
    """
    places = identities.select(ranks.alias("place"))["place"]
    smallest = identities[smallest_rows(identities["graph"], places, identities["id"])]
    made = smallest.select("graph", _id_expression(id_key).alias("profile_id"), "namespace", "id")
    few, many = sorted((made["profile_id"], held), key=len)
    taken = made["profile_id"].is_in(many.filter(many.is_in(few.implode())).implode())
    free = made.filter(~taken)
    if free["profile_id"].n_unique() < free.height or free.height < made.height:
        free = _first_of_each(free, ranks)
        others = identities.join(free.select("graph"), on="graph", how="anti")
        return pl.concat([free, _others(others, ranks, pl.concat([held, free["profile_id"]]), id_key)])
    return free


def _first_of_each(made: pl.DataFrame, ranks: pl.Expr) -> pl.DataFrame:
    """The graphs whose identity comes first among those with one id."""
    ordered = made.sort("profile_id", ranks, "namespace", "id")
    return ordered.unique("profile_id", keep="first", maintain_order=True)


def _others(identities: pl.DataFrame, ranks: pl.Expr, held: pl.Series, id_key: str) -> pl.DataFrame:
    """Ids for graphs, in the order of their smallest identities, whose first choice is another graph's.

    Of the ids that are held, only those that may be wanted are looked up.
    """
    ordered = identities.sort(ranks, "namespace", "id").select("graph", "namespace", "id")
    chosen = ordered.select(_id_expression(id_key).alias("profile_id"))["profile_id"]
    taken, wanted = set(held.filter(held.is_in(chosen.implode()))), set(chosen)
    made = []
    for graph, rows in ordered.partition_by("graph", as_dict=True, maintain_order=True).items():
        for namespace, id_, found in _choices(rows, id_key):
            if found not in taken and (found in wanted or not (held == found).any()):
                taken.add(found)
                made.append((graph[0], found, namespace, id_))
                break
    schema = {"graph": pl.UInt32, "profile_id": pl.String, "namespace": pl.String, "id": pl.String}
    return pl.DataFrame(made, schema, orient="row")


def _choices(identities: pl.DataFrame, id_key: str) -> Iterator[tuple[str, str, str]]:
    """The ids that a graph may take, in order, each behind the identity that it is made of."""
    rows = identities.select("namespace", "id").rows()
    for namespace, id_ in rows:
        yield namespace, id_, made_of(namespace, id_, id_key)
    namespace, id_ = rows[0]
    for number in count(2):
        yield namespace, id_, made_of(namespace, f"{id_}\0{number}", id_key)


def made_of(namespace: str, id_: str, id_key: str) -> str:
    """The profile id that is made of an identity: 32 hex digits of SHA-256, or of HMAC-SHA-256 with a key."""
    message = f"{namespace}\0{id_}".encode()
    if id_key:
        return hmac.new(id_key.encode(), message, "sha256").hexdigest()[:_DIGITS]
    return hashlib.sha256(message).hexdigest()[:_DIGITS]


def _id_expression(id_key: str) -> pl.Expr:
    """``made_of`` the columns ``namespace`` and ``id``."""
    hashes = CryptographicHashingNameSpace(text())
    digest = hashes.hmac_sha256(key=id_key) if id_key else hashes.sha2_256()
    return digest.str.head(_DIGITS)
