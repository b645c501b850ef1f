"""The checks of `validate` of activations that send messages: columns on the data, receivers, guards (V1, V3, X1)."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from muster.activation.errors import MistakeError, did_you_mean
from muster.activation.mapping.columns import bind
from muster.activation.mapping.held_namespaces import check_namespace
from muster.activation.mapping.layout import Layout, layout_of_messages
from muster.activation.model.messages import MessageActivation
from muster.activation.model.request_tree import usage
from muster.activation.model.workspace import STATUS_SOURCE, Column, SourceLocation
from muster.activation.profiles import namespaces
from muster.activation.rules.expressions import Moment
from muster.activation.session import Session
from muster.activation.wording import several


def checked_columns(activation: MessageActivation, session: Session) -> Layout:
    """The mapping bound to the newest snapshot; ``MistakeError`` where it does not fit, or a namespace that nobody has.

    ``session`` is that of the activation's merge policy, whose profiles can be read.
    """
    snapshot, moment = session.opened.snapshot, Moment(session.at, session.workspace.zone)
    problems: list[str] = []
    if activation.attributes_version:
        place = SourceLocation(activation.location.file, key="attributes_version")  # without a line: it is inherited
        column = Column(activation.attributes_version, "attributes_version", location=place)
        bind(column, snapshot, moment, problems)
    try:
        bound = layout_of_messages(activation, snapshot, moment)
    except MistakeError as error:
        raise MistakeError("\n".join((*str(error).splitlines(), *problems))) from error
    if problems:
        raise MistakeError("\n".join(problems))
    check_namespace(bound, activation.key, session.opened)
    return bound


def unheld_namespaces(activation: MessageActivation, session: Session) -> Iterator[str]:
    """A note for each namespace in ``identities`` in which no profile of a snapshot with rows has an id."""
    snapshot = session.opened.snapshot
    if not snapshot.rows or snapshot.reason_against_identities:
        return
    column = activation.identity_column
    for namespace in activation.identities or ():
        mapped = column is not None and column.source.endswith(f".{namespace}")  # an error of its own
        if not mapped and not session.opened.holds_namespace(snapshot, namespace):
            hint = did_you_mean(namespace, namespaces.held(snapshot))
            yield f"{activation.key}: no profile has an identity in the namespace {namespace!r} of identities{hint}"


def check_receiver(activation: MessageActivation, session: Session) -> None:
    """Connect to the receiver of an activation, and authenticate; ``ExportError`` where that fails."""
    from muster.activation.endpoints.opening import open_endpoint

    config = session.workspace
    destination = config.message_destinations[activation.destination]
    if activation.unset:
        return  # reported once, for all activations
    endpoint = open_endpoint(replace(destination, variables=config.variables), activation, config.root)
    try:
        endpoint.check()
    finally:
        endpoint.close()


def untold_statuses(activations: Sequence[MessageActivation]) -> Iterator[str]:
    """A note for each declared request that does not say who left: exits look as the others do (V6)."""
    for each in activations:
        used = usage(each.url or "", each.request, each.method)
        told = {column.target for column in each.mapping if column.source == STATUS_SOURCE} | {"status"}
        by_change = used.shape_by_change or used.method_by_change
        if each.enabled and each.payload == "request" and not by_change and used.names.isdisjoint(told):
            remedy = "use =status, a method for exited, or when: {realized: ..., exited: ...}"
            yield f"{each.key}: the request is the same for people who joined and who left; {remedy}"


def unguarded_messages(activations: Sequence[MessageActivation]) -> Iterator[str]:
    """A note that names the activations that send messages and have no guard, if there are any (X11, V11)."""
    exposed = [
        each.key for each in activations if each.enabled and not (each.guards.has_limit or each.guards.max_messages)
    ]
    if exposed:
        remedy = "write guards, such as {max_shrink: 30%, max_messages: 100000}, in muster.yml, a destination or each"
        yield f"{several(exposed)}: no guard stops a fault upstream from being told to a receiver; {remedy}"
