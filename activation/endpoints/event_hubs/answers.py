"""What the errors of Event Hubs mean, before and after a batch was sent (V10); needs azure-eventhub.

A reason is a condition of AMQP's or of the service's, or words of this module: the client's own sentences hold tokens.
"""

import re

from azure.eventhub.exceptions import AuthenticationError, EventDataSendError, EventHubError, OperationTimeoutError

from muster.activation.endpoints.protocol import Answer

_THROTTLED = {"server-busy", "resource-limit-exceeded"}
_FAILING = {"timeout", "internal-error", "operation-cancelled"}
_TOO_LARGE = "link:message-size-exceeded"
# What would help against an error that ends the run.
_ADVICE = {
    "not-found": "there is no such hub in the namespace",
    "unauthorized-access": "the right to send is missing (policy with Send; role Azure Event Hubs Data Sender)",
    "auth-failed": "the key, signature or token is not accepted, or has expired",
    "entity-disabled": "the hub is disabled",
    "resource-deleted": "the hub was deleted",
    "publisher-revoked": "the hub does not take events from this publisher",
}
NO_LOGIN = "no credentials are accepted: log in with `az login`, or set connection_string_env"
_STATUS = re.compile(r"Status code: ([0-9]{3})")


def opening_failed(error: Exception, *, has_login_failed: bool = False) -> Answer:
    """The answer to a request for which no link to the hub could be opened: nothing was sent."""
    if has_login_failed:
        return _fatal(NO_LOGIN)
    if "CERTIFICATE_VERIFY" in str(error).upper():
        return _fatal("its certificate is not accepted")
    condition = _condition(error)
    if isinstance(error, AuthenticationError):
        status = _STATUS.search(str(error))
        if status and status[1] in {"401", "403"}:
            return _fatal(_ADVICE["auth-failed"])
        if status and status[1] == "404":
            return _fatal(_ADVICE["not-found"])
        return Answer("unsent", f"no authorization: {status[1]}" if status else "no authorization in time")
    if condition in _THROTTLED:
        return Answer("throttled", condition)
    if condition in _ADVICE:
        return _fatal(f"{condition}: {_ADVICE[condition]}")
    if isinstance(error, EventHubError):
        return Answer("unsent", "no connection can be made")
    return _fatal(f"the client cannot connect: {type(error).__name__}")


def sending_failed(error: Exception) -> Answer:
    """The answer to a batch that was sent and not accepted: perhaps the hub has it, unless the service says no."""
    condition = _condition(error)
    if condition in _THROTTLED:
        return Answer("throttled", condition)
    if condition in _ADVICE:
        return Answer("fatal", f"{condition}: {_ADVICE[condition]}")
    if condition == _TOO_LARGE:
        return Answer("refused", "message-size-exceeded")
    if isinstance(error, OperationTimeoutError):
        return Answer("lost", "time-out")
    if isinstance(error, EventDataSendError) and condition not in {"", "unknown-error"}:
        return Answer("failing" if condition in _FAILING else "refused", condition)
    return Answer("lost", "the connection broke")


def _fatal(reason: str) -> Answer:
    """The run ends, and nothing was sent."""
    return Answer("fatal", reason, sent=False)


def _condition(error: Exception) -> str:
    """The condition without its vocabulary: ``server-busy`` of ``com.microsoft:server-busy``; else nothing."""
    return str(getattr(error, "error", None) or "")
