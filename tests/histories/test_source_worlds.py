"""muster against the model, on random worlds of sources: graphs, ids, merged values, memberships and files (P)."""

from hypothesis import HealthCheck, given, settings
from support import against_sources, source_shop, source_worlds
from support.random_histories import MORE
from support.source_worlds import World


@settings(max_examples=MORE, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(source_worlds.worlds())
def test_views_are_those_of_the_model(world: World) -> None:
    """P1 to P8, P10: in a build a day every profile id, identity map and merged value of every policy is what the
    contract's rules, told one by one, say.
    """
    expected = source_shop.thinker(world)
    with source_shop.shop(world) as shop:
        for tick in world.ticks:
            shop.ok("-q", "profiles", "build", "--at", tick.at.isoformat())
            for policy in world.setup.policies:
                expected.view(policy, tick.at)
            against_sources.compare_views(shop, expected)


@settings(max_examples=2 * MORE, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(source_worlds.worlds())
def test_views_memberships_and_files_are_those_of_the_model(world: World) -> None:
    """P1 to P12, G4, G5: after each day every profile id, identity map, merged value, membership, file and count is
    what the contract's rules, told one by one, say; a receiver that replays the files holds exactly the members by key.
    """
    _play(world)


@settings(max_examples=2 * MORE, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(source_worlds.moving_worlds())
def test_files_after_merges_and_splits_are_those_of_the_model(world: World) -> None:
    """P11: with days left out, the files of an activation of each kind of key tell who is merged, split and gone as the
    model does, and leave each receiver with the members.
    """
    _play(world)


def _play(world: World) -> None:
    """Put the tool and the model through a world, and compare."""
    expected, receivers = source_shop.thinker(world), against_sources.Receivers()
    with source_shop.shop(world) as shop:
        for tick in world.ticks:
            source_shop.live(shop, tick, world.activations)
            source_shop.think(expected, tick)
            against_sources.compare_views(shop, expected)
            against_sources.compare_memberships(shop, expected)
        against_sources.compare_files(shop, expected)
        receivers.compare(shop, expected)
