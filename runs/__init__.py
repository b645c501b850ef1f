"""The library: open a workspace, then validate, evaluate, plan, run, export it, and look at what was done.

In: a folder with a muster.yml, and the instant to work at. Each function whose answer depends on an instant takes
`now`; those that only tell what was recorded take none.
Out: frozen data that says what was done; errors of `muster.activation.errors`. Nothing is printed, no signal handler is
set, no clock is read: functions may be called from any thread, and workspaces beside each other.

A name is imported from its module when it is first used: `muster --help` needs none of them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from muster.activation.audit.reconcile import Reconciled
    from muster.activation.audit.verify import Checked, CheckedRun, Difference
    from muster.activation.config.sizes import parse_memory
    from muster.activation.errors import (
        ConfigError,
        DataError,
        ExportError,
        GuardError,
        InputError,
        LockedError,
        MistakeError,
        MovedError,
        MusterError,
        PolicyError,
        Problem,
        RefusedError,
        StateError,
        did_you_mean,
    )
    from muster.activation.evaluation.evaluate import Evaluation
    from muster.activation.export.carry_out import Outcome
    from muster.activation.export.sample import Sample
    from muster.activation.governance.labelled import Labelled
    from muster.activation.governance.violations import Violation
    from muster.activation.graph.details import HeldIdentity, Link, SharedIdentity
    from muster.activation.instants import iso, parse_instant, rounded
    from muster.activation.model.activation import AnyActivation
    from muster.activation.model.exports import Export
    from muster.activation.model.governance import Policy
    from muster.activation.model.history import (
        AudienceEvaluation,
        Baseline,
        Build,
        FailedAudience,
        PlannedFile,
        Run,
        RunAudience,
    )
    from muster.activation.model.log import without_secrets
    from muster.activation.model.workspace import JOBS, Activation, Audience, Destination, Workspace
    from muster.activation.presets.message_presets import MessagePreset
    from muster.activation.presets.shape import Header, Limits, Preset
    from muster.activation.profiles.freshness import InputAge
    from muster.activation.redelivery.redeliver import Redelivered
    from muster.activation.redelivery.remake import Remade
    from muster.activation.redelivery.resend import Resent
    from muster.activation.sending.excerpts import showing_answers
    from muster.activation.system.os_errors import system_message
    from muster.activation.upkeep.backup import Backup
    from muster.activation.upkeep.erasing import HeldByRun
    from muster.activation.upkeep.faults import Fault, Health, Repair
    from muster.activation.upkeep.forget import ForgottenPeople, ToldOf
    from muster.activation.upkeep.prune import Pruned
    from muster.activation.upkeep.repair import Repaired
    from muster.activation.upkeep.restore import Restored
    from muster.activation.upkeep.rewind import Rewound
    from muster.activation.views.origins import Fragment
    from muster.activation.wording import counted, first_names, several
    from muster.runs.actions import evaluate, export, plan, preview, resync, run, validate
    from muster.runs.audits import reconcile, verify
    from muster.runs.baselines import DeliveredRows, list_baselines, move_baseline, reset_baseline, show_baseline
    from muster.runs.destinations import (
        CheckedDestination,
        CheckedStep,
        DestinationSummary,
        check_destinations,
        list_destinations,
    )
    from muster.runs.graphs import GraphDetails, GraphStats, graph_stats, show_graph
    from muster.runs.history import (
        AudienceDetails,
        AudienceSummary,
        EvaluationHistory,
        EvaluationSummary,
        Redelivery,
        Reject,
        RunDetails,
        RunRejects,
        forget_evaluations,
        list_audiences,
        list_evaluations,
        list_failed_audiences,
        list_rejects,
        list_runs,
        show_audience,
        show_evaluations,
        show_rejects,
        show_run,
    )
    from muster.runs.hooks import Hooks, call_hook, hooks_of, readable_hooks
    from muster.runs.members import AudienceMembers, Membership, list_members, write_members
    from muster.runs.opening import OpenWorkspace, open_workspace
    from muster.runs.overview import ActivationStatus, EvaluationStatus, InputStatus, WorkspaceStatus, status
    from muster.runs.people import (
        PersonDetails,
        ShownAttribute,
        ShownDelivery,
        ShownMembership,
        show_profile,
    )
    from muster.runs.planning import Plan, Step
    from muster.runs.policies import (
        CheckedActivation,
        CheckedPolicy,
        PolicyDetails,
        check_policies,
        list_policies,
        show_policy,
    )
    from muster.runs.presets import list_presets, show_preset
    from muster.runs.previewing import Preview
    from muster.runs.redelivery import redeliver, replay
    from muster.runs.report import Report
    from muster.runs.resending import Retried, retry_rejects
    from muster.runs.sources import SourceDetails, list_sources, show_source
    from muster.runs.timetable import Fire, ScheduledActivation, crontab, list_schedules, next_fires
    from muster.runs.upkeep import (
        back_up_state,
        check_state,
        forget_profile,
        prune,
        repair_state,
        restore_state,
        rewind_state,
    )
    from muster.runs.validation import Validation
    from muster.runs.views import BuiltView, build_profiles

_HOMES = {
    "muster.activation.audit.reconcile": "Reconciled",
    "muster.activation.audit.verify": "Checked CheckedRun Difference",
    "muster.activation.config.sizes": "parse_memory",
    "muster.activation.errors": (
        "ConfigError DataError ExportError GuardError InputError LockedError MistakeError MovedError MusterError "
        "PolicyError Problem RefusedError StateError did_you_mean"
    ),
    "muster.activation.evaluation.evaluate": "Evaluation",
    "muster.activation.export.carry_out": "Outcome",
    "muster.activation.export.sample": "Sample",
    "muster.activation.governance.labelled": "Labelled",
    "muster.activation.governance.violations": "Violation",
    "muster.activation.graph.details": "HeldIdentity Link SharedIdentity",
    "muster.activation.instants": "iso parse_instant rounded",
    "muster.activation.model.exports": "Export",
    "muster.activation.model.governance": "Policy",
    "muster.activation.model.history": "AudienceEvaluation Baseline Build FailedAudience PlannedFile Run RunAudience",
    "muster.activation.model.log": "without_secrets",
    "muster.activation.model.activation": "AnyActivation",
    "muster.activation.model.workspace": "Activation Audience Destination JOBS Workspace",
    "muster.activation.presets.message_presets": "MessagePreset",
    "muster.activation.presets.shape": "Header Limits Preset",
    "muster.activation.profiles.freshness": "InputAge",
    "muster.activation.redelivery.redeliver": "Redelivered",
    "muster.activation.redelivery.remake": "Remade",
    "muster.activation.redelivery.resend": "Resent",
    "muster.activation.sending.excerpts": "showing_answers",
    "muster.activation.system.os_errors": "system_message",
    "muster.activation.upkeep.backup": "Backup",
    "muster.activation.upkeep.erasing": "HeldByRun",
    "muster.activation.upkeep.faults": "Fault Health Repair",
    "muster.activation.upkeep.forget": "ForgottenPeople ToldOf",
    "muster.activation.upkeep.prune": "Pruned",
    "muster.activation.upkeep.repair": "Repaired",
    "muster.activation.upkeep.restore": "Restored",
    "muster.activation.upkeep.rewind": "Rewound",
    "muster.activation.wording": "counted first_names several",
    "muster.activation.views.origins": "Fragment",
    "muster.runs.actions": "evaluate export plan preview resync run validate",
    "muster.runs.audits": "reconcile verify",
    "muster.runs.baselines": "DeliveredRows list_baselines move_baseline reset_baseline show_baseline",
    "muster.runs.destinations": (
        "CheckedDestination CheckedStep DestinationSummary check_destinations list_destinations"
    ),
    "muster.runs.graphs": "GraphDetails GraphStats graph_stats show_graph",
    "muster.runs.history": (
        "AudienceDetails AudienceSummary EvaluationHistory EvaluationSummary Redelivery Reject RunDetails RunRejects "
        "forget_evaluations list_audiences list_evaluations list_failed_audiences list_rejects list_runs "
        "show_audience show_evaluations show_rejects show_run"
    ),
    "muster.runs.hooks": "Hooks call_hook hooks_of readable_hooks",
    "muster.runs.members": "AudienceMembers Membership list_members write_members",
    "muster.runs.opening": "OpenWorkspace open_workspace",
    "muster.runs.overview": "ActivationStatus EvaluationStatus InputStatus WorkspaceStatus status",
    "muster.runs.people": ("PersonDetails ShownAttribute ShownDelivery ShownMembership show_profile"),
    "muster.runs.planning": "Plan Step",
    "muster.runs.policies": "CheckedActivation CheckedPolicy PolicyDetails check_policies list_policies show_policy",
    "muster.runs.previewing": "Preview",
    "muster.runs.presets": "list_presets show_preset",
    "muster.runs.redelivery": "redeliver replay",
    "muster.runs.report": "Report",
    "muster.runs.resending": "Retried retry_rejects",
    "muster.runs.sources": "SourceDetails list_sources show_source",
    "muster.runs.timetable": "Fire ScheduledActivation crontab list_schedules next_fires",
    "muster.runs.upkeep": "back_up_state check_state forget_profile prune repair_state restore_state rewind_state",
    "muster.runs.validation": "Validation",
    "muster.runs.views": "BuiltView build_profiles",
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names.split()}

__all__ = [
    "JOBS",
    "Activation",
    "ActivationStatus",
    "AnyActivation",
    "Audience",
    "AudienceDetails",
    "AudienceEvaluation",
    "AudienceMembers",
    "AudienceSummary",
    "Backup",
    "Baseline",
    "Build",
    "BuiltView",
    "Checked",
    "CheckedActivation",
    "CheckedDestination",
    "CheckedPolicy",
    "CheckedRun",
    "CheckedStep",
    "ConfigError",
    "DataError",
    "DeliveredRows",
    "Destination",
    "DestinationSummary",
    "Difference",
    "Evaluation",
    "EvaluationHistory",
    "EvaluationStatus",
    "EvaluationSummary",
    "Export",
    "ExportError",
    "FailedAudience",
    "Fault",
    "Fire",
    "ForgottenPeople",
    "Fragment",
    "GraphDetails",
    "GraphStats",
    "GuardError",
    "Header",
    "Health",
    "HeldByRun",
    "HeldIdentity",
    "Hooks",
    "InputAge",
    "InputError",
    "InputStatus",
    "Labelled",
    "Limits",
    "Link",
    "LockedError",
    "Membership",
    "MessagePreset",
    "MistakeError",
    "MovedError",
    "MusterError",
    "OpenWorkspace",
    "Outcome",
    "PersonDetails",
    "Plan",
    "PlannedFile",
    "Policy",
    "PolicyDetails",
    "PolicyError",
    "Preset",
    "Preview",
    "Problem",
    "Pruned",
    "Reconciled",
    "Redelivered",
    "Redelivery",
    "RefusedError",
    "Reject",
    "Remade",
    "Repair",
    "Repaired",
    "Report",
    "Resent",
    "Restored",
    "Retried",
    "Rewound",
    "Run",
    "RunAudience",
    "RunDetails",
    "RunRejects",
    "Sample",
    "ScheduledActivation",
    "SharedIdentity",
    "ShownAttribute",
    "ShownDelivery",
    "ShownMembership",
    "SourceDetails",
    "StateError",
    "Step",
    "ToldOf",
    "Validation",
    "Violation",
    "Workspace",
    "WorkspaceStatus",
    "back_up_state",
    "build_profiles",
    "call_hook",
    "check_destinations",
    "check_policies",
    "check_state",
    "counted",
    "crontab",
    "did_you_mean",
    "evaluate",
    "export",
    "first_names",
    "forget_evaluations",
    "forget_profile",
    "graph_stats",
    "hooks_of",
    "iso",
    "list_audiences",
    "list_baselines",
    "list_destinations",
    "list_evaluations",
    "list_failed_audiences",
    "list_members",
    "list_policies",
    "list_presets",
    "list_rejects",
    "list_runs",
    "list_schedules",
    "list_sources",
    "move_baseline",
    "next_fires",
    "open_workspace",
    "parse_instant",
    "parse_memory",
    "plan",
    "preview",
    "prune",
    "readable_hooks",
    "reconcile",
    "redeliver",
    "repair_state",
    "replay",
    "reset_baseline",
    "restore_state",
    "resync",
    "retry_rejects",
    "rewind_state",
    "rounded",
    "run",
    "several",
    "show_audience",
    "show_baseline",
    "show_evaluations",
    "show_graph",
    "show_policy",
    "show_preset",
    "show_profile",
    "show_rejects",
    "show_run",
    "show_source",
    "showing_answers",
    "status",
    "system_message",
    "validate",
    "verify",
    "without_secrets",
    "write_members",
]


if not TYPE_CHECKING:  # a type checker would take any name for one that is there

    def __getattr__(name: str) -> Any:
        if name not in _HOME_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(_HOME_OF[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
