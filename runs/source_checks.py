"""What `validate` reads of sources of profiles: each of them, then the view of each merge policy in memory (P)."""

from collections.abc import Callable, Iterator, Mapping

from muster.activation.errors import InputError
from muster.activation.model.sources import DEFAULT_POLICY, event_sources, record_sources
from muster.activation.model.workspace import Workspace
from muster.activation.session import Session
from muster.activation.sources.opened import OpenedSource, refuse_stale
from muster.activation.sources.records import read_records
from muster.activation.sources.reserved_columns import refuse_reserved
from muster.activation.wording import counted

_MANY = 0.01  # the share of identities beyond which ``max_links`` stops more than mistakes


def policies_to_check(workspace: Workspace) -> list[str]:
    """The merge policies that an audience uses or muster.yml declares, in the order of muster.yml."""
    used = {each.merge_policy for each in workspace.audiences.values()} or {DEFAULT_POLICY}
    declared = {each.id for each in workspace.merge_policies.values() if each.location.line}
    return [each for each in workspace.merge_policies if each in used | declared]


def read_sources(session: Session, add: Callable[[Exception], None]) -> Mapping[str, OpenedSource]:
    """Every source that can be opened, by id; each that cannot be used becomes a problem.

    What a merge policy reads is checked with the view of the policy, the records of other sources here.
    """
    config, found = session.workspace, {}
    read = {
        source.id
        for name in policies_to_check(config)
        for sources in (record_sources, event_sources)
        for source in sources(config.merge_policies[name], config.sources)
    }
    for source in config.sources.values():
        try:
            opened = found[source.id] = session.opened.source(source)
            session.opened.freshness.check_source(opened, refuse_stale)
            refuse_reserved(source, opened.table.columns.names)
            if source.id not in read:
                read_records(opened, config.namespaces)
        except InputError as error:
            add(error)
    return found


def rename_notes(opened: OpenedSource) -> Iterator[str]:
    """A note for each name under ``columns:`` that hides another column of the files (P8).

    A struct whose field takes its name, as in ``loyalty: loyalty.points``, is meant.
    """
    source = opened.source
    renamed = {*source.columns.values()}
    for target, path in source.columns.items():
        if target in opened.table.columns.names and target not in renamed and path.partition(".")[0] != target:
            yield (
                f"{source.location.file}: columns.{target}: the files have a column {target!r} too, which nobody sees, "
                f"as {path!r} takes its name; give it another name, such as {source.id}_{target}: {target}"
            )


def view_notes(session: Session) -> Iterator[str]:
    """A note when so many identities reach ``max_links`` that the limit stops more than mistakes (P4)."""
    stats, limits = session.opened.view_stats, session.workspace.identity_graph
    identities, shared = stats.get("identities", 0), stats.get("shared", 0)
    if shared > _MANY * identities:
        yield (
            f"identity_graph in muster.yml: {shared:,} of {counted(identities, 'identity', 'identities')} of the merge "
            f"policy {session.policy!r} have more than {limits.max_links} neighbours, and link nothing; raise max_links"
        )
