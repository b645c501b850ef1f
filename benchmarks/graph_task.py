"""Build the identity graph of generated sources in this process: ``python -m benchmarks.graph_task FOLDER DAY``.

Prints the CPU seconds of each step, and what was found, as JSON.
"""

import argparse
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

DAYS = ("2026-11-19", "2026-11-20")


def measured(folder: Path, day: str) -> dict[str, float | int]:
    """The CPU seconds of reading the sources and of building the graph, and the sizes of the graph."""
    from muster.activation.graph.build import identity_graph  # noqa: PLC0415  # the generator needs the days alone
    from muster.activation.inputs.paths import Inputs  # noqa: PLC0415
    from muster.activation.model.locations import SourceLocation  # noqa: PLC0415
    from muster.activation.model.sources import BUILT_IN, Source, SourceIdentity  # noqa: PLC0415
    from muster.activation.model.workspace import DEFAULT_LIMITS, ProfilesSource, Workspace  # noqa: PLC0415
    from muster.activation.sources.opened import open_source  # noqa: PLC0415
    from muster.activation.sources.records import read_records  # noqa: PLC0415

    def source(name: str, *identities: SourceIdentity, **keys: object) -> Source:
        return Source(name, name, name, identities, location=SourceLocation(f"sources/{name}.yml", 1), **keys)

    email, crm_id = SourceIdentity("email", "Email"), SourceIdentity("crm_id", "CRMID")
    sources = (
        source(
            "crm",
            SourceIdentity("crm_id", "CRMID", primary=True),
            email,
            SourceIdentity("phone", "Phone"),
            updated_at="updated_at",
        ),
        source(
            "app",
            SourceIdentity("device", "GAID", primary=True),
            email,
            crm_id,
            mode="changes",
            updated_at="updated_at",
        ),
        source(
            "web", SourceIdentity("ecid", "ECID", primary=True), email, crm_id, kind="events", timestamp="timestamp"
        ),
    )
    workspace = Workspace(
        folder.absolute(),
        "bench",
        ZoneInfo("UTC"),
        ProfilesSource("", from_sources=True),
        folder / ".muster",
        {},
        (),
        {},
        sources={each.id: each for each in sources},
    )
    at = datetime.fromisoformat(f"{day}T12:00:00").replace(tzinfo=UTC)
    inputs, costs, records = Inputs(workspace), {}, []
    for each in sources:
        opened = open_source(workspace, each, inputs, at, warn=print)
        start = time.process_time()
        records.append(read_records(opened, BUILT_IN))
        costs[f"reading {each.id}"] = time.process_time() - start
    start = time.process_time()
    graph = identity_graph(records, BUILT_IN, DEFAULT_LIMITS, "private")
    costs["graph"] = time.process_time() - start
    pairs = graph.links.select("a", "b").unique().height
    return costs | {
        "identities": graph.identities.height,
        "links": pairs,
        "graphs": graph.maps["graph"].n_unique(),
        "shared": graph.shared.height,
        "refused": graph.refused.height,
        "cut": graph.cut.height,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("day", choices=DAYS)
    words = parser.parse_args()
    sys.stdout.write(json.dumps(measured(words.folder, words.day)) + "\n")
