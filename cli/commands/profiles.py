"""`muster profiles`: forget a person."""

import sys
from typing import Annotated

import typer

from muster.cli.app import app
from muster.cli.invocation import instant, opened
from muster.cli.options import AsJson, At
from muster.cli.typer_classes import add_group

group = add_group(app, "profiles", "Forget people: exclude them from now on, and erase them from the state.")


@group.command()
def forget(
    ctx: typer.Context,
    person: Annotated[
        str | None,
        typer.Argument(metavar="ID|NAMESPACE:ID", help="A profile id, or an identity of the newest snapshot."),
    ] = None,
    profile_id: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="The profile id, also one with a colon.")
    ] = None,
    identity: Annotated[
        str | None, typer.Option("--identity", metavar="NAMESPACE:ID", help="The identity; the first colon divides it.")
    ] = None,
    everybody: Annotated[
        bool, typer.Option("--all", help="Forget all profiles that hold the identity, if several do.")
    ] = False,
    even_unknown: Annotated[
        bool, typer.Option("--even-unknown", help="Record an id that nobody has, so that it never comes in.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    at: At = None,
    json: AsJson = False,
) -> None:
    """Forget a person for good. Lists the receivers to tell by hand, and the delivered files that hold the person."""
    from muster.cli.shapes import profiles as shapes
    from muster.cli.show import profiles as show
    from muster.cli.show.state import answer
    from muster.runs import forget_profile

    wanted = _wanted(person, profile_id, identity)
    workspace = opened(ctx)
    if not yes and sys.stdin.isatty() and sys.stderr.isatty():
        typer.confirm(f"Forget {':'.join(wanted)}? This cannot be undone.", abort=True, err=True)
    now = instant(at, workspace)
    if len(wanted) == 1:
        found = forget_profile(workspace, now=now, profile_id=wanted[0], even_unknown=even_unknown)
    else:
        found = forget_profile(workspace, now=now, identity=wanted, everybody=everybody)
    answer(shapes.forgotten(found), show.forgotten, json=json, quiet=ctx.obj.quiet)


def _wanted(person: str | None, profile_id: str | None, identity: str | None) -> tuple[str] | tuple[str, str]:
    """The profile id, or the namespace and id of an identity."""
    from muster.runs import InputError

    given = [each for each in (person, profile_id, identity) if each is not None]
    if len(given) != 1:
        raise InputError("expected one of ID, NAMESPACE:ID, --id ID and --identity NAMESPACE:ID")
    if profile_id is not None or ":" not in given[0]:
        if identity is not None:
            raise InputError(f"--identity {identity}: expected NAMESPACE:ID")
        return (given[0],)
    namespace, _, value = given[0].partition(":")
    if not namespace or not value:
        raise InputError(f"{given[0]}: expected NAMESPACE:ID; --id takes a profile id with a colon")
    return namespace, value
