"""Parts of a request cut out of its body (V8, V10)."""

from hypothesis import given
from hypothesis import strategies as st
from support.told_people import body_of

from muster.activation.outbox.places import ABSENT, places_of

_TEXTS = st.none() | st.text("ab,ü\x00", max_size=3)


@st.composite
def _bodies(draw: st.DrawFn) -> tuple[list[str], list[list[str | None]], range]:
    """Parts, lists of texts between them, and neighbouring entries."""
    entries, lists = draw(st.integers(1, 5)), draw(st.integers(0, 3))
    parts = draw(st.lists(st.text("[]{}ü", max_size=3), min_size=lists + 1, max_size=lists + 1))
    texts = [draw(st.lists(_TEXTS, min_size=entries, max_size=entries)) for _ in range(lists)]
    first = draw(st.integers(0, entries - 1))
    return parts, texts, range(first, draw(st.integers(first + 1, entries)))


@given(_bodies())
def test_a_part_of_a_body_is_what_would_be_built(made: tuple[list[str], list[list[str | None]], range]) -> None:
    """V8, V10: the body of a half is that of a request with the half's entries, whatever texts are null or empty."""
    parts, texts, positions = made
    whole = body_of(parts, texts, "\x00").encode()
    sizes = [[ABSENT if text is None else len(text.encode()) for text in each] for each in texts]
    places = places_of([len(part.encode()) for part in parts], sizes)
    found = b"".join(whole[begin:end] for begin, end in places.part_of(positions))
    assert found.decode() == body_of(parts, [[each[position] for position in positions] for each in texts], "\x00")
    assert places.parts[-1][1] == len(whole)
