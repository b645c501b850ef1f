"""Clients of AWS's services, with the credentials that ``connection`` or the environment names; needs boto3."""

from functools import cache
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.loaders import Loader, create_loader

from muster.activation.stores.kind import Connection, Environ

_KEYS = {
    "aws_access_key_id": "access_key_id_env",
    "aws_secret_access_key": "secret_access_key_env",
    "aws_session_token": "session_token_env",
}


def aws_client(service: str, connection: Connection, variables: Environ, config: Config) -> Any:
    """A client of a service for what ``connection`` says, and for the rest what AWS's tools look for.

    boto3's errors where the profile or the credentials are not known; ``ValueError`` where the endpoint is no address.
    """
    known = botocore.session.Session(profile=connection.get("profile"))
    known.register_component("data_loader", _descriptions(known.get_config_variable("data_path")))
    session = boto3.Session(botocore_session=known)
    return session.client(
        service,
        region_name=connection.get("region") or session.region_name or "us-east-1",
        endpoint_url=connection.get("endpoint"),
        config=config,
        **{option: variables[connection[key]] for option, key in _KEYS.items() if key in connection},
    )


@cache
def _descriptions(data_path: str | None) -> Loader:
    """AWS's descriptions of its services, read once for all destinations: reading takes a seventh of a second."""
    return create_loader(data_path)
