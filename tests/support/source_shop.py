"""The real tool, and the model, put through a world of ``source_worlds``: its Parquet, its YAML, its days."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from support import model
from support.shop import Shop, quick_folder
from support.source_model.shop import Said, SourceShop
from support.source_model.words import File, MergePolicy, Namespace, Source
from support.source_worlds import CONSENT, CONTENTS, MAP, SCHEMAS, TIMES, Tick, World, audience

from muster.activation.errors import RefusedError
from muster.runs import Report, evaluate, export, open_workspace, run


@contextmanager
def shop(world: World) -> Iterator[Shop]:
    """A workspace with all that a world's sources ever hold: what is to come is not seen."""
    with quick_folder() as folder:
        made = Shop(folder / "shop")
        write(made, world)
        yield made


def write(made: Shop, world: World) -> None:
    """The YAML and the Parquet of a world."""
    setup = world.setup
    made.settings.pop("profiles")
    made.set(
        profiles={"from": "sources"} | ({"id_key": setup.id_key} if setup.id_key else {}),
        namespaces={each.id: _namespace(each) for each in setup.namespaces.values()},
        identity_graph={"max_identities": setup.limits.max_identities, "max_links": setup.limits.max_links},
        merge_policies={each.id: _policy(each) for each in setup.policies.values()},
        guards={"max_shrink": "none"},
        custom_actions={f"act-{each}": None for each in CONSENT},
    )
    for source in setup.sources.values():
        made.write(f"sources/{source.id}.yml", _source(source))
        for file in world.files[source.id]:
            table(made.root / f"data/{source.id}/{file.name}.parquet", source.id, file)
    made.settings["memberships"] = {"path": "data/memberships"}
    made.set()
    feed(made, (), "none")
    for each in world.activations:
        rule, policy = each.audience.split("-", 1)
        made.audience(each.audience, **CONTENTS[rule], merge_policy=policy)
        _activate(made, each, world.guards.get(each.key, (None, None)))
    for consent in {each.id for activation in world.activations for each in activation.policies}:
        made.write(f"policies/{consent}.yml", {"actions": [f"act-{consent}"], **CONSENT[consent][1]})


def _namespace(namespace: Namespace) -> dict[str, Any]:
    content: dict[str, Any] = {"type": namespace.type, "priority": namespace.priority, "unique": namespace.unique}
    for key in ("normalize", "blocked", "blocked_like"):
        content |= {key: list(getattr(namespace, key))} if getattr(namespace, key) else {}
    return content | ({"pattern": namespace.pattern} if namespace.pattern else {})


def _policy(policy: MergePolicy) -> dict[str, Any]:
    content: dict[str, Any] = {
        "graph": policy.graph,
        "attributes": {"precedence": list(policy.precedence)} if policy.precedence else "newest",
    }
    return content | ({"sources": list(policy.sources)} if policy.sources else {})


def _source(source: Source) -> dict[str, Any]:
    identities: list[dict[str, Any]] = [
        {"column": column, "namespace": namespace} if namespace else {"identity_map": column}
        for column, namespace in source.fields
    ]
    identities[0]["primary"] = True
    content: dict[str, Any] = {"path": f"data/{source.id}", "kind": source.kind, "identities": identities}
    if source.kind == "records":
        content["mode"] = source.mode
    for key in ("updated_at", "deleted", "timestamp"):
        content |= {key: getattr(source, key)} if getattr(source, key) else {}
    return content | ({"columns": dict(source.columns)} if source.columns else {})


def table(path: Path, source: str, file: File) -> None:
    """A file of a source as Parquet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    schema = {name: dtype for name, dtype in SCHEMAS[source].items() if dtype != MAP}
    frame = pl.DataFrame([[row[name] for name in schema] for row in file.rows], schema=schema, orient="row")
    made = frame.to_arrow()
    for name in SCHEMAS[source].keys() - schema.keys():
        maps = pa.array([row[name] for row in file.rows], pa.map_(pa.string(), pa.string()))
        made = made.append_column(name, maps)
    pq.write_table(made, path)


FEED = {
    "audience_id": pl.String,
    "profile_id": pl.String,
    "namespace": pl.String,
    "id": pl.String,
    "status": pl.String,
    "last_qualification_time": TIMES,
    "valid_until": TIMES,
}


def feed(made: Shop, said: Sequence[Said], name: str) -> None:
    """A membership file that names people by profile id, or by namespace and id (P12)."""
    rows = [
        (
            each.audience,
            None if each.namespace else each.profile,
            each.namespace or None,
            each.profile if each.namespace else None,
            *(each.status, each.time, each.until),
        )
        for each in said
    ]
    made.parquet(f"data/memberships/{name}.parquet", pl.DataFrame(rows, schema=FEED, orient="row"))


def _activate(made: Shop, each: model.Activation, guards: tuple[float | None, int | None]) -> None:
    destination, name = each.key.split("/")
    shrink, exited = guards
    made.destination(
        destination,
        mapping=["profile_id"],
        marketing_actions=[f"act-{policy.id}" for policy in each.policies],
        activations=[
            {
                "audience": each.audience,
                "id": name,
                "export": "incremental" if each.incremental else "full",
                "schedule": {"every": f"{each.hours}h"} if each.hours else "after_evaluation",
                "mapping": [
                    {"source": column.source, "target": column.target, "mandatory": column.mandatory}
                    for column in each.mapping
                ],
                "deduplicate": list(each.deduplicate),
                "changes": list(each.changes),
                "guards": {
                    "max_shrink": "none" if shrink is None else f"{shrink:.0%}",
                    "max_exited": "none" if exited is None else exited,
                },
            }
        ],
    )


def live(made: Shop, tick: Tick, activations: Sequence[model.Activation]) -> list[Report]:
    """Do what a tick says; a request may be refused (X7)."""
    reports = []
    if tick.said:
        feed(made, tick.said, f"feed-{tick.at:%Y%m%d%H}")
    if tick.evaluate:
        reports.append(evaluate(open_workspace(made.root), now=tick.at, allow_empty_memberships=True))
    only = [activations[each].key for each in tick.run] if tick.run is not None else []
    if tick.run is None or only:
        reports.append(run(open_workspace(made.root), now=tick.at, only=only, allow_empty_memberships=True))
    if tick.request is not None:
        with suppress(RefusedError):
            reports.append(export(open_workspace(made.root), [activations[tick.request].key], now=tick.at))
    return reports


def thinker(world: World) -> SourceShop:
    """The model of a world before its first day."""
    return SourceShop(
        world.setup,
        world.files,
        {each.audience: audience(each) for each in world.activations},
        world.activations,
        {name: consent for name, (consent, _) in CONSENT.items()},
        world.guards,
    )


def think(expected: SourceShop, tick: Tick) -> None:
    """What the model makes of a tick."""
    expected.messages += tick.said
    if tick.evaluate:
        expected.evaluate(tick.at)
    only = [expected.activations[each].key for each in tick.run] if tick.run is not None else None
    expected.run(tick.at, only)
    if tick.request is not None:
        expected.on_demand(expected.activations[tick.request].key, tick.at)
