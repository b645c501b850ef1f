"""What an answer that ends a run or a check means for the user, as a clause behind a name (SPEC 10)."""

from muster.activation.endpoints.protocol import Answer

_HELP = {
    "301": "it points elsewhere, and redirects are not followed (see `url`)",
    "302": "it points elsewhere, and redirects are not followed (see `url`)",
    "303": "it points elsewhere, and redirects are not followed (see `url`)",
    "307": "it points elsewhere, and redirects are not followed (see `url`)",
    "308": "it points elsewhere, and redirects are not followed (see `url`)",
    "400": "it wants another protocol or a client's certificate (see `mtls`)",
    "401": "it does not accept the credentials (see `auth`)",
    "403": "it does not allow this (see `auth`)",
    "404": "there is nothing at this address (see `url`)",
    "405": "it does not take this method (see `method`)",
    "407": "the proxy of the environment wants credentials",
    "408": "it waited too long for the request",
    "415": "it does not take JSON (see `headers`)",
    "429": "too many requests (see `rate`)",
}


def failure_of(answer: Answer) -> str:
    """Why a request did not succeed, as a clause: ``the receiver answers 401: ...``, or the reason itself.

    Nothing of it is the receiver's own words.
    """
    if not answer.reason.isdecimal():
        return answer.reason
    said = f"the receiver answers {answer.reason}"
    if answer.meaning == "fatal" and answer.reason[0] == "2":
        return f"{said}, which `success` or `fatal` does not let count as success"
    return f"{said}: {_HELP[answer.reason]}" if answer.reason in _HELP else said
