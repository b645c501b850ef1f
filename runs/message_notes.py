"""Notes of `plan` about delivered rows of activations that send messages (X9, V2, V4)."""

from collections.abc import Iterator

from muster.activation.model.history import MessageBaseline
from muster.activation.model.messages import MessageActivation
from muster.activation.state.ledger import message_baselines_table
from muster.activation.wording import several
from muster.runs.sessions import LedgerView


def message_notes(view: LedgerView) -> Iterator[str]:
    """Notes about rows without an activation or of another place, other aliases, and audiences that were taken out."""
    for baseline in message_baselines_table.list_all(view.ledger):
        activation = view.workspace.message_activation(baseline.key)
        if activation is None:
            moved = f"`muster baseline move {baseline.key} NEW` if it was renamed"
            yield f"the delivered rows of {baseline.key} have no activation: {moved}"
            continue
        digest = view.workspace.message_destinations[activation.destination].place_digest
        if digest not in {None, baseline.place_digest}:
            yield (
                f"{baseline.key}: the place changed from {baseline.place}: the new place holds nothing yet, so its "
                "next run tells of everybody"
            )
            continue
        yield from _about_audiences(activation, baseline)


def _about_audiences(activation: MessageActivation, baseline: MessageBaseline) -> Iterator[str]:
    """Notes about audiences that the receiver knows otherwise than the config says now (V2, V4)."""
    told = {(each["audience"], each["alias"]) for each in baseline.made.get("audiences", ())}
    names, aliases = {name for name, _ in told}, dict(told)
    for each in activation.audiences:
        if each.id in names and (each.id, each.alias) not in told:
            then, now = aliases[each.id] or each.id, each.shown
            yield (
                f"{activation.key}: audience {each.id!r} was called {then!r} there and is {now!r} now: it starts anew "
                "under that name, so all of its members are sent"
            )
    gone = sorted(names.difference(activation.audience_ids))
    if gone:
        were = "was" if len(gone) == 1 else "were"
        names_gone = several([repr(name) for name in gone])
        yield (
            f"{activation.key}: {names_gone} {were} taken out: nothing is sent of that; what was delivered is "
            "remembered, and who withdraws consent still exits"
        )
