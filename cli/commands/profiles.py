"""`muster profiles`: build profiles from sources, show one, forget a person."""

import sys
from typing import Annotated

import typer

from muster.cli.app import app
from muster.cli.invocation import instant, opened, progress
from muster.cli.options import AllowEmpty, AsJson, At, MergePolicy
from muster.cli.typer_classes import add_group

group = add_group(
    app, "profiles", "Profiles: build them from sources, show one with all that is known, forget a person."
)


@group.command()
def build(ctx: typer.Context, at: At = None, allow_empty: AllowEmpty = False, json: AsJson = False) -> None:
    """Build the profiles of every merge policy from the sources, as `evaluate` does. Ids and aliases are recorded."""
    from muster.cli.shapes import profiles as shapes
    from muster.cli.show import profiles as tables
    from muster.cli.show import terminal
    from muster.runs import build_profiles

    workspace = opened(ctx)
    now = instant(at, workspace)
    with progress(ctx, "building"):
        found = build_profiles(workspace, now=now, allow_empty=allow_empty)
    if json:
        terminal.as_json([shapes.built(each) for each in found])
    elif not ctx.obj.quiet:
        tables.built(found, workspace.config.zone)
    failed = [(each.policy, each.error) for each in found if each.error]
    for policy, error in failed:
        terminal.error(error, verbose=bool(ctx.obj.verbose), prefix=f"merge policy {policy!r}: ")
    raise typer.Exit(0 if not failed else 1 if len(failed) < len(found) else 2)


@group.command()
def show(
    ctx: typer.Context,
    person: Annotated[
        str, typer.Argument(metavar="NAMESPACE:ID|PROFILE_ID", help="An identity, a profile id, or an alias of one.")
    ],
    policy: MergePolicy = "default",
    at: At = None,
    json: AsJson = False,
) -> None:
    """Show one person: from where each value is, fragments, identities, audiences, and what was sent where."""
    from muster.cli.shapes import profiles as shapes
    from muster.cli.show import profiles as tables
    from muster.cli.show import terminal
    from muster.runs import show_profile

    workspace = opened(ctx)
    now = instant(at, workspace)
    with progress(ctx, "looking"):
        found = show_profile(workspace, person, policy=policy, now=now)
    if json:
        terminal.as_json(shapes.person(found))
    else:
        tables.person(found, workspace.config.zone)


@group.command()
def forget(
    ctx: typer.Context,
    person: Annotated[
        str | None,
        typer.Argument(metavar="ID|NAMESPACE:ID", help="A profile id, or an identity of the newest profiles."),
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
        bool,
        typer.Option(
            "--even-unknown",
            help="Record whom nobody has, so that they never come in: an id, or with sources an identity.",
        ),
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
        found = forget_profile(workspace, now=now, identity=wanted, everybody=everybody, even_unknown=even_unknown)
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
