"""Earlier runs judged by today's labels and policies, before their files are written again (G3).

A run is read as far as it is known: by the mapping and the deduplication keys of its recipe, and by its audience as the
audience is today; of an audience that is gone, by the labels that the run recorded. The marketing actions are those of
the destination today, or those that the run recorded where the destination is gone.
"""

from pathlib import Path
from typing import Any

from muster.activation.errors import RefusedError
from muster.activation.export import recipe_record
from muster.activation.model.activation import AnyActivation
from muster.activation.model.history import Run
from muster.activation.sending.recipe import recipe_of
from muster.activation.session import Session
from muster.activation.state.ledger import inputs_table
from muster.activation.stores import urls
from muster.activation.stores.kinds import kind_of


def refuse_forbidden(run: Run, session: Session, *, remedy: str = "") -> None:
    """``RefusedError`` when today's policies forbid what a run delivered; ``remedy`` ends the message.

    A run without a recipe cannot be written again: that is refused elsewhere.
    """
    recipe = inputs_table.get(session.ledger, run.recipe or "")
    if recipe is None:
        return
    before = inputs_table.get(session.ledger, run.governance or "")
    written = _activation_of(run, recipe, session)
    judgement = session.judge.of_earlier(run, written, before)
    if judgement.violations:
        told, what = "; ".join(map(str, judgement.violations)), "files" if run.audiences is None else "messages"
        raise RefusedError(
            f"run {run.run_id} of {run.key}: its {what} are forbidden by the policies of today: {told}{remedy}"
        )


def _activation_of(run: Run, recipe: dict[str, Any], session: Session) -> AnyActivation:
    """The activation as it was at that run; of a run of messages whose recipe keeps none, as it is today."""
    if run.audiences is None:
        return recipe_record.activation_of(run, recipe)
    kept, now = recipe_of(run, recipe), session.workspace.message_activation(run.key)
    if now is None or kept is None:
        raise RefusedError(f"{run.key} is not in the config, so nothing says how its messages are made: put it back")
    return kept.activation_of(now)


def refuse_destination(folder: Path, session: Session) -> None:
    """``RefusedError`` for a folder that is that of a destination, or lies in it: receivers take files from there."""
    root, place = session.root, folder.resolve()
    for destination in session.workspace.destinations.values():
        if destination.unset or kind_of(url := urls.normalise(destination.url, root)).is_remote:
            continue
        if place.is_relative_to(urls.local_path(url, root).resolve()):
            raise RefusedError(
                f"{folder}: lies in the folder of the destination {destination.id!r}, and --as-recorded is for an "
                f"audit; give another folder with --to"
            )
