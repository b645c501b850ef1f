"""The basis of a run that sends messages: what must be as it was for an interrupted run to go on (V8).

That is the evaluations, the files of profiles and feeds, who is forgotten, policies, and the config of the activation.
"""

import json
from hashlib import sha256

from muster.activation.config.cache_format import Plain, to_plain
from muster.activation.errors import DataError
from muster.activation.inputs.buckets import BucketPath
from muster.activation.inputs.finding import fixed_folder, walk
from muster.activation.inputs.paths import InputPath
from muster.activation.instants import iso
from muster.activation.model.messages import MessageActivation
from muster.activation.sending.looking import digest_of_plain
from muster.activation.sending.seen_files import files_seen, input_paths
from muster.activation.session import Session
from muster.activation.state.ledger import evaluations_table, forgotten_table

_PLACES = ("SourceLocation",)  # where something is written in a file: a line that moves changes nothing


def basis_of(activation: MessageActivation, session: Session) -> str | None:
    """A digest of the basis at the session's instant; None where not all of it is known, so that no run goes on."""
    workspace, ledger = session.workspace, session.ledger
    files = files_seen(workspace, activation) or _files_listed(activation, session)
    if files is None:
        return None
    policy = {workspace.audiences[each].merge_policy for each in activation.audience_ids if each in workspace.audiences}
    told = [each.id for each in workspace.audiences.values() if each.merge_policy in policy]
    names = sorted({*told, *activation.audience_ids}) if activation.unmapped_audiences else activation.audience_ids
    evaluated = [evaluations_table.newest(ledger, each, session.at) for each in names]
    return sha256(
        json.dumps(
            [
                [each and [each.audience, iso(each.at), each.stored.record] for each in evaluated],
                files,
                forgotten_table.fingerprint(ledger),
                _config(activation, session),
            ],
            sort_keys=True,
        ).encode()
    ).hexdigest()


def _files_listed(activation: MessageActivation, session: Session) -> list[list[object]] | None:
    """What listings say of the files of inputs where some are in a bucket; None where they cannot be listed."""
    inputs, workspace = session.opened.inputs, session.workspace
    names = {each.path: each.location.file for each in workspace.sources.values()}
    names |= {workspace.profiles.path: "profiles"}
    names |= {workspace.memberships.path: "memberships"} if workspace.memberships else {}
    found: list[list[object]] = []
    try:
        for path in input_paths(workspace, activation):
            root = fixed_folder(inputs.at(path, names[path]))
            found += [[str(file), _version(file)] for file in (walk(root) if root.is_dir() else [root])]
    except (DataError, OSError):
        return None
    return found


def _version(file: InputPath) -> object:
    """What another version of a file differs by: the listing's word for it; of this machine size, times and number."""
    if isinstance(file, BucketPath):
        return file.version
    found = file.stat()
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


def _config(activation: MessageActivation, session: Session) -> str:
    workspace = session.workspace
    nouns = [activation, workspace.message_destinations[activation.destination], workspace.profiles]
    nouns += [each for each in (workspace.memberships, workspace.events) if each]
    nouns += [*workspace.policies.values(), *workspace.labels, *workspace.sources.values()]
    nouns += [*workspace.merge_policies.values(), workspace.identity_graph]
    return digest_of_plain([_without_places(to_plain(each)) for each in nouns], workspace.variables)


def _without_places(items: list[list[Plain]]) -> list[list[Plain]]:
    """Plain data in which every place in a file is the same one."""
    return [[item[0]] if item[0] in _PLACES else item for item in items]
