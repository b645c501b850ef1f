"""Profiles from sources as a careful DuckDB user makes them: ``profiles_duckdb KIND DATA DAY OUT``.

``links``: clean, link, connected components, a profile for each component with a record, its identity map, and the
newest value of each column. An identity is a 64-bit hash, so no text is joined; components are found by hooking each
label to its smallest neighbour, jumping, and contracting the edges, until no edge is left. Identities with more than
100 neighbours link nothing. There is no rule about unique namespaces and no limit of size, and nothing is kept: the
second day costs what the first one did, and ids change when somebody gains a smaller identity.

``fragments``: the newest value of each column of three sources, by one pass and a group of ``arg_max``.
"""

import sys
from pathlib import Path

import duckdb

from benchmarks.generate_sources import SOURCES

_MAX_LINKS = 100
_NOBODY = "'null', 'none', 'undefined', 'anonymous', 'invalid', 'unknown', 'nan', '0', 'n/a', ''"
_PRIORITY = {"CRMID": 1, "Account": 2, "Email": 2, "Phone": 3, "ECID": 5}
_COLUMNS = ("crm_id", "email", "first", "last", "city", "country", "points", "spent", "born", "newsletter", "tier")
_ID = "left(sha256({text}), 32)"


def links(database: duckdb.DuckDBPyConnection, data: Path, day: str, out: Path) -> None:
    """Write the profiles of the identity graph as of 02:00 of a day."""
    crm, shop = (f"read_parquet('{data}/{name}/{day}.parquet')" for name in ("crm", "shop"))
    web = f"(FROM read_parquet('{data}/web/*.parquet') WHERE timestamp <= TIMESTAMPTZ '{day} 02:00:00+00')"
    sources = {
        crm: {"CRMID": "crm_id", "Email": "email", "Phone": "phone"},
        shop: {"Account": "account", "Email": "email"},
        web: {"ECID": "ecid", "Email": "email", "Account": "account"},
    }
    _identities(database, sources)
    _edges(database, sources)
    _components(database)
    values = f"""
        SELECT hash('CRMID' || chr(0) || trim(crm_id)) AS node, updated_at, 1 AS place, email, phone, city,
            NULL AS points FROM {crm}
        UNION ALL
        SELECT hash('Account' || chr(0) || trim(account)), updated_at, 2, email, NULL, NULL, points FROM {shop}
        """
    newest = ", ".join(
        f"arg_max({name}, (updated_at, -place)) FILTER ({name} IS NOT NULL) AS {name}"
        for name in ("email", "phone", "city", "points", "updated_at")
    )
    maps = f"""
        SELECT label, {_ID.format(text="arg_min(namespace || chr(0) || id, (priority, namespace, id))")} AS profile_id,
            list_sort(list({{'namespace': namespace, 'id': id}})) AS identity_map
        FROM labels JOIN identities USING (node) GROUP BY label"""
    database.execute(f"""COPY (
        WITH merged AS (SELECT label, {newest} FROM ({values}) JOIN labels USING (node) GROUP BY label)
        SELECT profile_id, identity_map, merged.* EXCLUDE (label) FROM merged JOIN ({maps}) USING (label)
        ORDER BY profile_id) TO '{out}' (FORMAT parquet, COMPRESSION zstd)""")


def _identities(database: duckdb.DuckDBPyConnection, sources: dict[str, dict[str, str]]) -> None:
    """Each cleaned identity once: node, namespace, id, priority."""
    rows = " UNION ALL ".join(
        f"SELECT DISTINCT '{namespace}' AS namespace, {_cleaned(namespace, column)} AS id FROM {source}"
        for source, columns in sources.items()
        for namespace, column in columns.items()
    )
    priority = " ".join(f"WHEN '{name}' THEN {each}" for name, each in _PRIORITY.items())
    database.execute(f"""CREATE TEMP TABLE identities AS
        SELECT DISTINCT hash(namespace || chr(0) || id) AS node, namespace, id,
            CASE namespace {priority} END AS priority
        FROM ({rows}) WHERE {_counts()}""")


def _edges(database: duckdb.DuckDBPyConnection, sources: dict[str, dict[str, str]]) -> None:
    """Each link once, the smaller node first, without those of shared identities."""
    pairs = []
    for source, columns in sources.items():
        names = list(columns)
        pairs += [
            f"SELECT {_node(one, columns[one])} AS one, {_node(other, columns[other])} AS other FROM {source}"
            for place, one in enumerate(names)
            for other in names[place + 1 :]
        ]
    database.execute(f"""CREATE TEMP TABLE links AS SELECT DISTINCT least(one, other) AS a, greatest(one, other) AS b
        FROM ({" UNION ALL ".join(pairs)}) WHERE one IS NOT NULL AND other IS NOT NULL""")
    database.execute(f"""CREATE TEMP TABLE shared AS
        SELECT node FROM (SELECT a AS node FROM links UNION ALL SELECT b FROM links) JOIN identities USING (node)
        WHERE namespace <> 'CRMID' GROUP BY node HAVING count(*) > {_MAX_LINKS}""")
    database.execute("""CREATE TEMP TABLE edges AS SELECT a, b FROM links
        WHERE a NOT IN (SELECT node FROM shared) AND b NOT IN (SELECT node FROM shared)""")


def _components(database: duckdb.DuckDBPyConnection) -> None:
    """The label of each node: equal for all nodes of a component."""
    database.execute("CREATE TEMP TABLE labels AS SELECT node, node AS label FROM identities")
    while _number(database, "SELECT count(*) FROM edges"):
        database.execute("CREATE OR REPLACE TEMP TABLE hooks AS SELECT b AS node, min(a) AS to_ FROM edges GROUP BY b")
        while True:
            database.execute("""CREATE OR REPLACE TEMP TABLE jumped AS
                SELECT one.node, coalesce(other.to_, one.to_) AS to_, other.to_ IS NOT NULL AS moved
                FROM hooks AS one LEFT JOIN hooks AS other ON other.node = one.to_""")
            database.execute("CREATE OR REPLACE TEMP TABLE hooks AS SELECT node, to_ FROM jumped")
            if not _number(database, "SELECT count(*) FROM jumped WHERE moved"):
                break
        database.execute("""CREATE OR REPLACE TEMP TABLE labels AS
            SELECT labels.node, coalesce(to_, label) AS label FROM labels LEFT JOIN hooks ON hooks.node = label""")
        database.execute("""CREATE OR REPLACE TEMP TABLE edges AS
            SELECT DISTINCT least(one, other) AS a, greatest(one, other) AS b FROM (
                SELECT coalesce(x.to_, a) AS one, coalesce(y.to_, b) AS other
                FROM edges LEFT JOIN hooks AS x ON x.node = a LEFT JOIN hooks AS y ON y.node = b)
            WHERE one <> other""")


def _number(database: duckdb.DuckDBPyConnection, query: str) -> int:
    found = database.execute(query).fetchone()
    return int(found[0]) if found else 0


def _cleaned(namespace: str, column: str) -> str:
    return f"lower(trim({column}))" if namespace == "Email" else f"trim({column})"


def _counts() -> str:
    return f"id IS NOT NULL AND lower(id) NOT IN ({_NOBODY}) AND (namespace <> 'ECID' OR length(id) = 38)"


def _node(namespace: str, column: str) -> str:
    cleaned = _cleaned(namespace, column)
    return f"CASE WHEN lower({cleaned}) NOT IN ({_NOBODY}) THEN hash('{namespace}' || chr(0) || {cleaned}) END"


def fragments(database: duckdb.DuckDBPyConnection, data: Path, day: str, out: Path) -> None:
    """Write the merged values of three sources; on ties the first source counts."""
    rows = " UNION ALL ".join(
        f"SELECT *, {place} AS place FROM read_parquet('{data}/{source}/{day}.parquet')"
        for place, source in enumerate(SOURCES)
    )
    newest = ", ".join(
        f"arg_max({name}, (updated_at, -place)) FILTER ({name} IS NOT NULL) AS {name}" for name in _COLUMNS
    )
    database.execute(f"""COPY (
        SELECT {_ID.format(text="'CRMID' || chr(0) || trim(crm_id)")} AS profile_id,
            [{{'namespace': 'CRMID', 'id': trim(crm_id)}}] AS identity_map, {newest}, max(updated_at) AS updated_at
        FROM ({rows}) GROUP BY trim(crm_id) ORDER BY profile_id) TO '{out}' (FORMAT parquet, COMPRESSION zstd)""")


def main() -> None:
    """Make the profiles that the command line asks for."""
    what, data, day, out = sys.argv[1], Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4])
    out.parent.mkdir(parents=True, exist_ok=True)
    database = duckdb.connect()
    database.execute("SET TimeZone = 'UTC'")
    (links if what == "links" else fragments)(database, data, day, out)


if __name__ == "__main__":
    main()
