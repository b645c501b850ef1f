"""From the inputs of a command to what is opened of them: with a path of profiles, or by merge policy (D2, E8, P10)."""

from muster.activation.inputs.paths import Inputs
from muster.activation.model.history import AudienceEvaluation
from muster.activation.model.sources import DEFAULT_POLICY
from muster.activation.model.warning_log import WarningLog
from muster.activation.model.workspace import InputName, Workspace
from muster.activation.profiles.freshness import Freshness
from muster.activation.profiles.opened import Opened, RecordedInputs
from muster.activation.profiles.shared_inputs import SharedInputs
from muster.activation.profiles.snapshots import snapshot_of
from muster.activation.state.files import State
from muster.activation.state.ledger.database import Ledger


def newest_inputs(shared: SharedInputs) -> Opened:
    """The newest inputs at an instant, none of them opened yet; with sources, those of the merge policy ``default``."""
    return _of_policy(shared) if shared.workspace.profiles.from_sources else Opened(shared)


def recorded_inputs(workspace: Workspace, evaluation: AudienceEvaluation, state: State, ledger: Ledger) -> Opened:
    """The inputs that an evaluation recorded (E8), their footers read; ``DataError`` for a file that cannot be read.

    ``RefusedError`` when the view of the evaluation's build was pruned.
    """
    inputs, record = Inputs(workspace), evaluation.inputs
    kinds = ("events", "memberships")
    shared = SharedInputs(
        workspace,
        inputs,
        evaluation.at,
        state,
        ledger,
        WarningLog(workspace.variables),
        set[InputName]({"profiles"}),  # recorded events and memberships are never refused
        Freshness(workspace, evaluation.at, judges=False),
        keeps_builds=False,
        recorded={kind: [inputs.recorded(each) for each in record[kind]] for kind in kinds},
    )
    if build := record.get("build"):
        return _of_policy(shared, build["policy"], evaluation)
    snapshot = snapshot_of(workspace, [inputs.recorded(each) for each in record["snapshot"]["files"]])
    return Opened(shared, recorded=RecordedInputs(snapshot, record["roster"]))


def _of_policy(
    shared: SharedInputs, policy: str = DEFAULT_POLICY, recorded: AudienceEvaluation | None = None
) -> Opened:
    """The inputs of a merge policy; what makes profiles of sources is imported where there are sources."""
    from muster.activation.profiles.opened_policy import OpenedPolicy  # noqa: PLC0415

    return OpenedPolicy(shared, policy, recorded)
