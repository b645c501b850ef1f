"""An activation whose settings change from day to day: files are those of the model, and receivers are right (X12)."""

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import model, random_histories
from support.against_model import compare
from support.model import EXITED, ID, REALIZED, STATUS, Column
from support.random_histories import MORE, History

SOURCES = ("email", "email", "contact", "city", "points", "household", ID, "identity_map.Email", "identity_map.Phone")
TARGETS = ("mail", "mail2", "where", "id")
AT_A_RECEIVER = {"mail": "email", "mail2": "phone"}  # targets of a preset's headers
TEXTS = {"email", "contact", "city", "household", "identity_map.Email", "identity_map.Phone"}
STEPS = ((), (), ("lower",), ("trim", "lower"), ("upper",))
CHANGES = (
    *(("membership", "identity"),) * 4,
    ("membership",),
    ("membership", "identity", "keys"),
    ("membership", "attributes"),
    ("membership", "identity", "keys", "attributes"),
)


@st.composite
def _column(draw: st.DrawFn, target: str) -> Column:
    source = draw(st.sampled_from(SOURCES))
    steps = draw(st.sampled_from(STEPS)) if source in TEXTS else ()
    return Column(source, target, draw(st.sampled_from((False, False, True))), steps)


@st.composite
def _activation(draw: st.DrawFn, name: str) -> model.Activation:
    targets = draw(st.lists(st.sampled_from(TARGETS), min_size=2, max_size=4, unique=True))
    columns = [draw(_column(each)) for each in targets]
    identity = next((each.source for each in columns if each.source.startswith("identity_map.")), None)
    columns = [each for each in columns if not each.source.startswith("identity_map.") or each.source == identity]
    keys: tuple[str, ...] = draw(st.sampled_from((("email",), ("email",), ("contact",), ("email", "city"), (), ())))
    status = draw(st.sampled_from((True, True, True, True, False)))
    columns += (
        [Column(STATUS, "status"), Column("gold", "gold")][: 1 if status else None]
        if status
        else [Column("gold", "gold")]
    )
    return model.Activation(
        f"out/{name}",
        draw(st.sampled_from(("everyone", "gold"))),
        draw(st.sampled_from((True,) * 7 + (False,))),
        1,
        tuple(columns),
        () if identity else keys,
        draw(st.sampled_from(CHANGES)),
        draw(st.sampled_from((False, False, True))),
    )


@st.composite
def _changed(draw: st.DrawFn, before: model.Activation) -> model.Activation:
    """The settings of before with one thing changed, or none, or all."""
    other = replace(draw(_activation("a")), key=before.key, audience=before.audience)
    what = draw(st.sampled_from(("none", "all", "one", "one", "swap", "rename", "keys", "mandatory", "options")))
    if what == "all":
        return other
    columns = list(before.mapping)
    place = draw(st.integers(0, len(columns) - 1))
    if what == "one" and columns[place].source != STATUS:
        source, steps = draw(
            st.sampled_from((("email", ()), ("email", ("lower",)), ("contact", ()), ("contact", ("trim", "lower"))))
        )
        columns[place] = replace(columns[place], source=source, transform=steps)
    elif what == "swap" and len(columns) > 2:
        one, two = columns[0], columns[1]
        columns[0], columns[1] = replace(one, target=two.target), replace(two, target=one.target)
    elif what == "rename":
        free = sorted(set(TARGETS) - {each.target for each in columns})
        if free:
            columns[place] = replace(columns[place], target=free[0])
    elif what == "mandatory":
        columns[place] = replace(columns[place], mandatory=not columns[place].mandatory)
    elif what == "options":
        return replace(before, sanitizes=other.sanitizes, changes=other.changes, incremental=other.incremental)
    keys = other.deduplicate if what == "keys" else before.deduplicate
    has_identity = any(each.source.startswith("identity_map.") for each in columns)
    return replace(before, mapping=tuple(columns), deduplicate=() if has_identity else keys)


@st.composite
def _settings(draw: st.DrawFn, ticks: int) -> tuple[model.Activation, ...]:
    """The activation at each tick; for a receiver with a preset on none, some or all of them."""
    found = [draw(_activation("a"))]
    for _ in range(1, ticks):
        found.append(draw(_changed(found[-1])))
    presets = draw(st.sampled_from(((False,), (True,), (True,), (False, True))))
    return tuple(_for_receiver(each) if draw(st.sampled_from(presets)) else each for each in found)


def _for_receiver(activation: model.Activation) -> model.Activation:
    """The activation with a preset, and with headers by which its receiver knows people, if it has such columns."""
    columns = tuple(replace(each, target=AT_A_RECEIVER.get(each.target, each.target)) for each in activation.mapping)
    found = replace(activation, mapping=columns, preset=True)
    return found if found.identifying else activation


@st.composite
def _stories(draw: st.DrawFn) -> tuple[History, tuple[model.Activation, ...]]:
    history = draw(random_histories.histories(1, min_days=3, max_days=6))
    ticks = tuple(replace(each, evaluate=(), run=True, request=None, messages=()) for each in history.ticks)
    return replace(history, ticks=ticks), draw(_settings(len(ticks)))


@settings(max_examples=4 * MORE, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(_stories())
def test_files_are_the_models_whatever_changes(story: tuple[History, tuple[model.Activation, ...]]) -> None:
    """X12, X3e, M2, M3, M5, M6, M8: sources, transforms, targets, namespaces, keys, mandatory columns, `changes` and
    `sanitize_formulas` change between exports, and every file and count is what SPEC's rules, told one by one, say.
    """
    _replay(*story)


def _replay(history: History, activations: Sequence[model.Activation]) -> None:
    """Put the tool and the model through a history with these settings at its ticks, and compare them."""
    expected = model.Shop(random_histories.audiences(activations), activations[:1], history.snapshots)
    with random_histories.shop(history, activations[:1]) as shop:
        for tick, activation in zip(history.ticks, activations, strict=True):
            random_histories.activate(shop, [activation])
            expected.activations = [activation]
            random_histories.live(shop, tick, [activation])
            random_histories.think(expected, tick)
        compare(shop, expected)


# A receiver with a preset, which knows people by one column or two


@st.composite
def _known(draw: st.DrawFn) -> model.Activation:
    """An incremental activation whose receiver knows people by an address, which some of them lack, or a number."""
    mail = Column(draw(st.sampled_from(("email", "contact"))), "email", transform=draw(st.sampled_from(STEPS)))
    more = draw(st.sampled_from(((), (), (Column("household", "phone"),))))
    others = draw(st.sampled_from(((), (Column(ID, "id"),), (Column("city", "where", mandatory=True),))))
    keys: tuple[str, ...] = draw(st.sampled_from(((), (), ("household",), ("email",))))
    columns = (*others, mail, *more, Column(STATUS, "status"))
    return model.Activation("out/a", "everyone", True, 1, columns, keys, draw(st.sampled_from(CHANGES)), preset=True)


@st.composite
def _known_stories(draw: st.DrawFn) -> tuple[History, list[model.Activation]]:
    history = draw(random_histories.histories(1, min_days=3, max_days=4))
    ticks = tuple(replace(each, evaluate=(), run=True, request=None, messages=()) for each in history.ticks)
    found = [draw(_known())]
    for _ in ticks[1:]:
        found.append(draw(_known()) if draw(st.integers(0, 3)) == 0 else found[-1])
    return replace(history, ticks=ticks), found


@settings(max_examples=2 * MORE, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(_known_stories())
def test_files_of_a_receiver_are_the_models(story: tuple[History, list[model.Activation]]) -> None:
    """X2, X12: who lacks every identifying value is left out, exits when that is new, and comes back when it is over;
    exits carry what was last sent by which the receiver knows people.
    """
    _replay(*story)


# A receiver that stores people by the column `mail`, and knows nothing else


@st.composite
def _keyed(draw: st.DrawFn) -> tuple[model.Activation, model.Activation]:
    """An incremental activation with the key `mail`, made in some way, and a full one of the same settings."""
    source = draw(st.sampled_from(("email", "email", "contact", "identity_map.Email", "identity_map.Phone")))
    mail = Column(source, "mail", mandatory=True, transform=draw(st.sampled_from(STEPS)))
    others = draw(st.sampled_from(((), (Column("city", "city"),), (Column("email", "second", transform=("upper",)),))))
    keys = () if source.startswith("identity_map.") else (source,)
    mapping = (Column(ID, "id"), mail, *others, Column(STATUS, "status"))
    changes = draw(st.sampled_from((("membership", "identity", "keys"), ("membership", "identity", "attributes"))))
    sanitizes = draw(st.sampled_from((False, False, True)))
    one = model.Activation("out/a", "gold", True, 1, mapping, keys, changes, sanitizes)
    return one, replace(one, key="out/full", incremental=False)


@st.composite
def _keyed_stories(draw: st.DrawFn) -> tuple[History, list[tuple[model.Activation, model.Activation]]]:
    history = draw(random_histories.histories(1, min_days=3, max_days=6))
    ticks = tuple(replace(each, evaluate=(), run=True, request=None, messages=()) for each in history.ticks)
    found = [draw(_keyed())]
    for _ in ticks[1:]:
        found.append(draw(_keyed()) if draw(st.integers(0, 2)) == 0 else found[-1])
    return replace(history, ticks=ticks), found


@settings(max_examples=3 * MORE, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(_keyed_stories())
def test_a_receiver_by_key_holds_who_is_desired(
    story: tuple[History, list[tuple[model.Activation, model.Activation]]],
) -> None:
    """X12, X3e, M3, M5: whatever the key column is made of from day to day, a receiver that adds the realized keys and
    removes the exited ones holds those of a full export. It is told to remove nothing that it does not hold, and no
    key is told both ways.
    """
    history, pairs = story
    held: set[str] = set()
    seen: set[str] = set()
    with random_histories.shop(history, pairs[0]) as shop:
        for tick, pair in zip(history.ticks, pairs, strict=True):
            random_histories.activate(shop, pair)
            random_histories.live(shop, tick, pair)
            files = [file for file in shop.files("out") if file.endswith(".csv") and file not in seen]
            seen.update(files)
            rows = {file.split("_")[1]: shop.rows(file) for file in files}
            if "a" not in rows:
                continue
            came, went = ({row["mail"] for row in rows["a"] if row["status"] == each} for each in (REALIZED, EXITED))
            assert not came & went, f"told both ways at {tick.at}"
            assert went <= held, f"told to remove what was never sent at {tick.at}"
            held = (held - went) | came
            assert held == {row["mail"] for row in rows["full"]}, f"at {tick.at}"
