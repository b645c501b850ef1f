"""The numbers of a build, as the ledger keeps them: sizes, what the graph reports, merges and splits (P4 to P7)."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from muster.activation.graph.build import Graph
from muster.activation.sources.records import Records
from muster.activation.views.attributes import Attributes
from muster.activation.views.ids import Ids


def stats_of(graph: Graph, records: Sequence[Records], ids: Ids, columns: Attributes) -> dict[str, Any]:
    """The numbers of a build.

    ``profiles``, ``fragments``, ``identities`` (of all sources), ``links`` (as often as records state them); ``sizes``:
    how many graphs have so many identities; ``shared``, ``refused``, ``cut``; ``merged`` ids and ``split`` ones;
    ``sources``: what each has; ``unusable``: columns of sources that are none of the view, with the reasons.
    """
    sizes = graph.maps["graph"].rle().struct.field("len").alias("size")  # maps are sorted by graph
    graphs_by_size = sizes.value_counts(name="graphs").sort("size")
    return {
        "profiles": ids.profiles.height,
        "fragments": sum(each.fragments.height for each in records),
        "identities": graph.identities.height,
        "links": graph.links.height,
        "sizes": {str(size): graphs for size, graphs in graphs_by_size.iter_rows()},
        "shared": graph.shared.height,
        "refused": graph.refused.height,
        "cut": graph.cut.height,
        "merged": ids.merged.height,
        "split": ids.split.height,
        "sources": {each.opened.source.id: asdict(each.counts) for each in records},
        "unusable": dict(columns.columns.unusable),
    }
