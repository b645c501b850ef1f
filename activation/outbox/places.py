"""Where the constant parts and the texts of a request stand in its body: a half of it is cut out, not built anew."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

ABSENT = -1  # the size of a text that is null: it is not in the body, nor a comma for it

Span = tuple[int, int]  # the first byte, and the byte behind the last, from the beginning of the body


@dataclass(frozen=True)
class Places:
    """The places of one request: there is one part more than lists."""

    parts: tuple[Span, ...]
    lists: tuple[tuple[Span | None, ...], ...]  # by list and by entry of the request, in their order

    def part_of(self, positions: Sequence[int]) -> Iterator[Span]:
        """The spans that are the body of a part of the entries, one behind another; their positions have no gap."""
        for part, texts in zip(self.parts, self.lists, strict=False):
            yield part
            found = [span for position in positions if (span := texts[position]) is not None]
            if found:
                yield found[0][0], found[-1][1]  # the commas between them as well
        yield self.parts[-1]


def places_of(part_sizes: Sequence[int], sizes: Sequence[Sequence[int]]) -> Places:
    """The places of a request with parts of these sizes, and by list with texts of these sizes, by entry."""
    parts, lists, at = list[Span](), list[tuple[Span | None, ...]](), 0
    for place, length in enumerate(part_sizes):
        parts.append((at, at + length))
        at += length
        if place < len(sizes):
            texts, behind = _texts(sizes[place], at)
            lists.append(texts)
            at = max(at, behind - 1)
    return Places(tuple(parts), tuple(lists))


def _texts(sizes: Sequence[int], at: int) -> tuple[tuple[Span | None, ...], int]:
    """The places of the texts of a list that begins here, and where a further one would begin."""
    found = list[Span | None]()
    for length in sizes:
        found.append(None if length == ABSENT else (at, at + length))
        at += 0 if length == ABSENT else length + 1
    return tuple(found), at
