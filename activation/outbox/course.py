"""The course of sending one outbox: what was sent and answered, and what comes next (V8, V9, V10).

The log and the sender tell the course the same facts in the same order, so that a command which goes on after a kill
knows what the killed one knew. Nothing is sent, written or waited for here, and one thread calls at a time.

A request that was refused is *parked* until five requests were answered, or all that may be sent by then; only after
that it is halved, or if it has one entry, that entry is refused.
"""

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from muster.activation.endpoints.protocol import Answer
from muster.activation.outbox.reading import Outbox, Stored
from muster.activation.wording import counted

ENOUGH = 5  # requests that were answered, before any is halved or anybody refused (V10)
NOT_SENT, TAKEN, REFUSED, MAYBE, NOT_TAKEN = range(5)  # of an entry; NOT_TAKEN: in a refused request that stays whole
_NEVER_ARRIVED = {"throttled", "unsent"}  # what a try means whose entries were surely not taken


@dataclass(eq=False)
class Piece:
    """A request, or a half of a refused one, on its way."""

    id: str  # within the outbox: the number of the request, and for each halving ``.0`` or ``.1``
    number: int
    entries: Sequence[int]  # those that are not settled
    stored: Stored
    people: frozenset[int]
    boot: str = ""  # the start of the machine at which it was last noted
    is_repeat: bool = False  # a killed command may have sent it
    was_tried: bool = False
    is_uncertain: bool = False  # some try may have arrived
    meaning: str = "none"  # of the last answer
    reason: str = ""

    @property
    def is_half(self) -> bool:
        """Whether it is a part of a refused request."""
        return "." in self.id


@dataclass(eq=False)
class Course:
    """What became of each entry so far, and the pieces that are still to be sent."""

    outbox: Outbox
    error: str | None = None  # why nothing more is sent
    is_template: bool = False  # ... as requests are wrong whoever is in them: nobody is refused
    finished: Counter[str] = field(default_factory=Counter)  # pieces by the meaning of their last answer
    refused_count: int = 0
    resent: set[int] = field(default_factory=set)  # persons
    reasons: dict[int, str] = field(default_factory=dict)  # of refused entries
    _open: dict[str, Piece] = field(default_factory=dict)  # noted, and not settled
    _repeats: deque[Piece] = field(default_factory=deque)
    _halves: dict[str, Piece] = field(default_factory=dict)  # to be noted and sent, in this order
    _parked: dict[str, Piece] = field(default_factory=dict)
    _active: int = 0  # pieces that were taken, and are not settled
    _next: int = 0  # the first request that was not taken
    _phase: int = 0  # its place in ``Outbox.phases``
    _sent: int = 0  # requests that were noted, without halves
    _answered: int = 0  # of these
    _refused_new: int = 0  # of these were refused whole, with somebody who was not refused in an earlier run
    _is_any_accepted: bool = False

    def __post_init__(self) -> None:
        self.codes = bytearray(self.outbox.entry_count)
        self.refused_unsent = 0  # entries
        self._noted = bytearray(self.outbox.request_count)

    # What the log tells after a kill

    def was_noted(self, ids: Iterable[str], boot: str) -> None:
        """Learn that an earlier command noted pieces, or ranges of requests, during this start of the machine."""
        for each in ids:
            for piece_id in _numbers(each):
                if piece := self._open.get(piece_id):
                    self._noted_again(piece, boot)
                else:
                    piece = self._begun(piece_id)
                piece.boot = boot

    def was_sending(self, piece_id: str) -> None:
        """Learn that an earlier command was sending a piece."""
        self.trying(self._open[piece_id])

    def was_answered(self, piece_id: str, answer: Answer) -> None:
        """Learn an answer that an earlier command had."""
        self.answered(self._open[piece_id], answer)

    def go_on(self, boot: str) -> None:
        """End the reading of the log, during this start of the machine: what was noted comes first when sending."""
        for piece in self._open.values():
            self._noted_again(piece, boot)
        self._repeats.extend(self._open.values())
        self._active = 0

    def _noted_again(self, piece: Piece, boot: str) -> None:
        """Learn that the command which noted a piece ended, and so whether it may have sent the piece.

        If the machine went down since, the log may have lost records that were not synced.
        """
        if not boot or piece.boot != boot:
            self._set(piece.entries, MAYBE)
        if self.codes[piece.entries[0]] == MAYBE:
            piece.is_repeat = piece.is_uncertain = piece.was_tried = True

    def _begun(self, piece_id: str) -> Piece:
        if "." in piece_id:
            if piece_id not in self._halves:
                self._release()
            piece = self._halves.pop(piece_id)
        else:
            piece = self._request(int(piece_id))
            self._note_request(piece.number)
        self._open[piece_id] = piece
        self._active += 1
        return piece

    # What the sender asks and tells

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to be sent or answered."""
        return self.error is not None or (self._phase >= len(self.outbox.phases) - 1 and not self._active)

    def take(self, most: int) -> list[Piece]:
        """The next pieces, to be noted and sent; none while answers are awaited, or when sending is over."""
        while not self.is_over:
            taken = self._take_begun(most) or self._take_requests(most)
            if taken:
                self._active += len(taken)
                self._open.update((piece.id, piece) for piece in taken)
                return taken
            if self._active:
                return []
            if self._parked:
                self._release()
            else:
                self._phase += 1  # all of it is answered (V9)
        return []

    def _take_begun(self, most: int) -> list[Piece]:
        if self._repeats:
            return [self._repeats.popleft() for _ in range(min(most, len(self._repeats)))]
        first = list(self._halves)[:most]
        return [self._halves.pop(each) for each in first]

    def _take_requests(self, most: int) -> list[Piece]:
        taken = list[Piece]()
        while len(taken) < most and self._next < self.outbox.phases[self._phase + 1] and self._may_send_more():
            number = self._next
            self._next += 1
            if self._noted[number]:
                continue
            piece = self._request(number)
            if piece.stored.refused_as:
                self._refuse(piece.entries, piece.stored.refused_as)
                self.refused_unsent += len(piece.entries)
            else:
                self._note_request(number)
                taken.append(piece)
        return taken

    def _may_send_more(self) -> bool:
        """Whether more requests may go: five go alone, until one is accepted or all five are answered."""
        return self._is_any_accepted or self._answered >= ENOUGH or self._sent < ENOUGH

    def _note_request(self, number: int) -> None:
        self._noted[number] = 1
        self._sent += 1

    def trying(self, piece: Piece) -> None:
        """Learn that a piece is being sent."""
        if piece.is_repeat:
            self.resent |= piece.people
        piece.was_tried = True
        self._set(piece.entries, MAYBE)

    def answered(self, piece: Piece, answer: Answer) -> bool:
        """Learn an answer; whether the piece is settled, so that it is not tried again."""
        piece.meaning, piece.reason = answer.meaning if answer.sent else "unsent", answer.reason
        if answer.meaning == "accepted":
            self._accepted(piece, answer)
            return self._settled(piece) if not piece.entries else False
        if answer.meaning == "refused":
            self._refused(piece)
            return self._settled(piece)
        if piece.meaning not in _NEVER_ARRIVED:
            piece.is_uncertain = True
        elif not piece.is_uncertain:
            self._set(piece.entries, NOT_SENT)
        return False

    def _settled(self, piece: Piece) -> bool:
        self.finished[piece.meaning] += 1
        del self._open[piece.id]
        self._active -= 1
        if self._answered >= ENOUGH:
            self._release()
        return True

    def _accepted(self, piece: Piece, answer: Answer) -> None:
        entries, again = piece.entries, sorted(set(answer.again))
        piece.entries = [entries[position] for position in again]
        left = {*again, *answer.refused}
        taken = [entry for at, entry in enumerate(entries) if at not in left] if left else entries
        self._set(taken, TAKEN)
        for position, reason in answer.refused.items():
            self._refuse([entries[position]], reason)
        self.refused_count += answer.refused_count
        self._is_any_accepted = self._is_any_accepted or len(taken) > 0
        if len(answer.refused) == len(entries):
            self._count_refused(piece)
        if again:
            piece.is_uncertain = True  # nobody knows of each whether it arrived
        elif not piece.is_half:
            self._answered += 1

    def _refused(self, piece: Piece) -> None:
        self._set(piece.entries, NOT_TAKEN)
        if not piece.is_half:
            self._answered += 1
        self._count_refused(piece)
        self._parked[piece.id] = piece

    def _count_refused(self, piece: Piece) -> None:
        if piece.is_half or piece.people <= self.outbox.refused_before:
            return
        self._refused_new += 1
        if self._refused_new >= ENOUGH and not self._is_any_accepted:
            self.is_template = True
            self.error = (
                f"{counted(self._refused_new, 'request')} were refused ({piece.reason}) and none was accepted: the "
                "requests are wrong, whoever is in them; nobody was refused, and all stay due"
            )

    def _release(self) -> None:
        """Halve the parked pieces; a piece of one entry is refused."""
        parked, self._parked = self._parked, {}
        for piece in parked.values():
            if len(piece.entries) == 1:
                self._refuse(piece.entries, piece.reason)
                continue
            middle = (len(piece.entries) + 1) // 2
            for end, entries in enumerate((piece.entries[:middle], piece.entries[middle:])):
                half = self._piece(f"{piece.id}.{end}", piece.number, entries, piece.stored)
                self._halves[half.id] = half

    # Entries

    def _refuse(self, entries: Sequence[int], reason: str) -> None:
        self._set(entries, REFUSED)
        self.reasons.update((entry, reason) for entry in entries)

    def _set(self, entries: Sequence[int], code: int) -> None:
        if isinstance(entries, range):  # of steps of one
            self.codes[entries.start : entries.stop] = bytes([code]) * len(entries)
        else:
            for entry in entries:
                self.codes[entry] = code

    def _request(self, number: int) -> Piece:
        stored = self.outbox.stored(number)
        return self._piece(str(number), number, stored.entries, stored)

    def _piece(self, piece_id: str, number: int, entries: Sequence[int], stored: Stored) -> Piece:
        return Piece(piece_id, number, entries, stored, frozenset(self.outbox.persons_of(entries)))

    def answers(self) -> dict[str, int]:
        """Requests and halves that may have been sent, by the meaning of their last answer."""
        last = Counter(piece.meaning for piece in self._open.values() if piece.was_tried)
        return dict(sorted((self.finished + last).items()))


def _numbers(each: str) -> Iterable[str]:
    """The ids in a record of the log: one, or a range of requests such as ``0-7``."""
    first, dash, last = each.partition("-")
    return map(str, range(int(first), int(last) + 1)) if dash else (each,)


def shortened(ids: Sequence[str]) -> list[str]:
    """The ids of pieces as the log has them: neighbouring requests are one range."""
    found = list[list[str]]()
    for each in ids:
        if found and "." not in each and "." not in found[-1][-1] and int(each) == int(found[-1][-1]) + 1:
            found[-1] = [found[-1][0], each]
        else:
            found.append([each])
    return ["-".join(each) for each in found]
