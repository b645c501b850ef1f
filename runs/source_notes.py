"""Notes of `validate` about profiles from sources: what is allowed, and may not be what its owner means (P7, P11)."""

from collections.abc import Callable, Iterator

from muster.activation.config.sources import files_of_sources
from muster.activation.governance.applying import consent_policies
from muster.activation.model.sources import Namespace, record_sources
from muster.activation.model.workspace import Workspace
from muster.activation.wording import first_names, several


def source_notes(workspace: Workspace, held: Callable[[], frozenset[str] | None]) -> Iterator[str]:
    """The notes about a workspace whose profiles are made of sources; where they have a path, on files in sources/.

    ``held`` gives the namespaces of the profiles, as an identity map may have any; None while nobody knows them.
    """
    if workspace.profiles.from_sources:
        yield from _unused_namespaces(workspace, held)
        yield from _ids_without_key(workspace)
        yield from _mixed_destinations(workspace)
        yield from _unread_answers(workspace)
    elif files := files_of_sources(workspace.root):
        yield (
            f"{first_names(files, 3)}: not read, as profiles have a path; profiles: {{from: sources}} in muster.yml "
            "makes them of sources"
        )


def _unused_namespaces(workspace: Workspace, held: Callable[[], frozenset[str] | None]) -> Iterator[str]:
    """A note for each declared namespace of which no column and no identity map has an identity."""
    used = {each.namespace for source in workspace.sources.values() for each in source.identities}
    unused = [each for each in workspace.namespaces.values() if each.is_declared and each.id not in used]
    in_maps = held() if unused and None in used else frozenset[str]()
    if in_maps is not None:
        yield from (_unused(each) for each in unused if each.id not in in_maps)


def _unused(namespace: Namespace) -> str:
    where = f"{namespace.location.file}:{namespace.location.line}: {namespace.location.key}"
    return f"{where}: no source has identities of the namespace {namespace.id!r}; correct the name, or remove it"


def _ids_without_key(workspace: Workspace) -> Iterator[str]:
    if not workspace.id_key:
        yield (
            "profile ids are made without a key: who knows an e-mail address or a number can compute the id that "
            'belongs to it; set one with profiles: {from: sources, id_key: "${MUSTER_ID_KEY}"}, before ids are given'
        )


def _mixed_destinations(workspace: Workspace) -> Iterator[str]:
    """A note for each destination that gets profiles of several merge policies, whose ids have nothing in common."""
    keys: dict[str, dict[str, list[str]]] = {}
    for each in workspace.all_activations:
        policy = workspace.merge_policy_of(each)
        if each.enabled and policy is not None:
            keys.setdefault(each.destination, {}).setdefault(policy, []).append(each.key)
    for destination, policies in keys.items():
        if len(policies) > 1:
            named = several([f"{policy!r} ({first_names(names, 3)})" for policy, names in sorted(policies.items())])
            found = workspace.destinations.get(destination) or workspace.message_destinations[destination]
            where = found.location.file
            yield (
                f"{where}: its activations are of the merge policies {named}: one person has "
                f"another profile id in each, and may be two people for the receiver"
            )


def _unread_answers(workspace: Workspace) -> Iterator[str]:
    """A note for each consent policy of which no source counts for an activation, so that nobody has an answer (G4)."""
    keys: dict[tuple[str, str], list[str]] = {}
    for each in workspace.all_activations:
        merged_by = workspace.merge_policy_of(each)
        if each.enabled and merged_by is not None:
            merge_policy = workspace.merge_policies[merged_by]
            read = {source.id for source in record_sources(merge_policy, workspace.sources)}
            for policy in consent_policies(each, workspace):
                if policy.consent_from and read.isdisjoint(policy.consent_from):
                    keys.setdefault((policy.id, merge_policy.id), []).append(each.key)
    for (policy_id, merged), named in keys.items():
        sources = several([repr(each) for each in workspace.policies[policy_id].consent_from])
        yield (
            f"{first_names(named, 3)}: policy {policy_id!r} is judged by {sources} alone, which the merge policy "
            f"{merged!r} does not read, so that nobody has an answer"
        )
