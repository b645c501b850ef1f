"""Errors of Azure Storage and its library as the errors of ``muster.activation.stores.protocol`` (SPEC 10).

A message says what would help. The library's own messages are not quoted: they have addresses with signatures.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    IncompleteReadError,
    ServiceRequestError,
    ServiceResponseError,
)
from requests.exceptions import SSLError, Timeout

from muster.activation.stores.protocol import DeniedError, PassingError, StoreError, TakenError, UnusableError

_TAKEN = {"BlobAlreadyExists", "ResourceAlreadyExists", "ConditionNotMet", "BlobOverwritten"}
_MISSING = {"BlobNotFound", "ResourceNotFound"}
_DENIED = {"AuthorizationPermissionMismatch", "AuthorizationResourceTypeMismatch", "InsufficientAccountPermissions"}
_PASSING = {
    "ServerBusy",
    "InternalError",
    "OperationTimedOut",
    "Md5Mismatch",
    "ContainerBeingDeleted",
    "InvalidBlockList",
}
_OF_THE_CONTAINER = {
    "ContainerNotFound": "there is no container {container}",
    "ContainerDisabled": "the container {container} is disabled",
    "InvalidResourceName": "{container} is not a valid container name",
    "AccountIsDisabled": "the account is disabled",
    "AuthenticationFailed": "the key, signature or token is not accepted, or has expired",
    "InvalidAuthenticationInfo": "the key, signature or token is not accepted, or has expired",
    "NoAuthenticationInformation": "it requires credentials, and none were given",
    "KeyBasedAuthenticationNotPermitted": (
        "the account does not accept keys; remove them, and log in with `az login` or a managed identity"
    ),
    "AuthorizationFailure": (
        "the request is not authorized: the key is wrong, or the account's network rules block this machine"
    ),
    "AuthorizationSourceIPMismatch": "the signature is not valid for this machine's address",
    "AuthorizationProtocolMismatch": "the signature is valid for https only",
    "AuthorizationServiceMismatch": "the signature is not valid for blobs",
}
# The rights that a shared access signature, or a role, has to give.
LIST = "list (SAS l; role Storage Blob Data Reader)"
READ = "read (SAS r; role Storage Blob Data Reader)"
WRITE = "write (SAS c and w; role Storage Blob Data Contributor)"
DELETE = "delete (SAS d; role Storage Blob Data Contributor)"


@contextmanager
def as_store_errors(container: str, name: str = "", permission: str = "") -> Iterator[None]:
    """Turn the library's errors inside the block into ``StoreError``, or ``FileNotFoundError`` for a missing blob.

    ``permission`` is what the request needs, for a refusal.
    """
    try:
        yield
    except HttpResponseError as error:
        raise _answered(error, container, name, permission) from error
    except (ServiceRequestError, ServiceResponseError, IncompleteReadError) as error:
        if _is_caused_by(error, SSLError):
            raise UnusableError("its certificate is not accepted") from error
        raise PassingError(
            "no answer in time" if _is_caused_by(error, Timeout) else "the connection cannot be made, or broke"
        ) from error
    except AzureError as error:
        raise StoreError(f"Azure's library failed: {type(error).__name__}") from error


def _answered(error: HttpResponseError, container: str, name: str, permission: str) -> Exception:
    code, status = _code(error), error.status_code or 0
    if code in _MISSING:
        return FileNotFoundError(name)
    if code in _TAKEN:
        return TakenError(name)
    if code in _OF_THE_CONTAINER:
        return UnusableError(_OF_THE_CONTAINER[code].format(container=container))
    if code in _DENIED:
        return DeniedError(f"access denied: the right to {permission} is missing")
    if isinstance(error, ClientAuthenticationError):
        return UnusableError(
            "no credentials are accepted: log in with `az login`, or set account_key_env, sas_token_env "
            "or connection_string_env"
        )
    message = f"Azure answers {code or status}"
    may_pass = code in _PASSING or status in (408, 429) or status >= 500
    return PassingError(message) if may_pass else StoreError(message)


def _code(error: HttpResponseError) -> str:
    code = getattr(error, "error_code", None)
    return str(getattr(code, "value", code) or "")


def _is_caused_by(error: AzureError, kind: type[Exception]) -> bool:
    return isinstance(error.inner_exception, kind) or isinstance(error.__cause__, kind)
