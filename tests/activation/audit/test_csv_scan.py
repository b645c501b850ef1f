"""The strict reader of CSV: what is only counted is judged as what is read (M7, F2)."""

from collections.abc import Callable, Iterable, Iterator

from hypothesis import example, given
from hypothesis import strategies as st

from muster.activation.audit.csv_scan import CsvScan, UnreadableError
from muster.activation.model.workspace import CsvOptions

COLUMNS = ("id", "name", "note")
FIELDS = st.sampled_from(["", "a", "7", "é", '""', '"x"', '"a,b"', '"a\nb"', '"a\r\nb"', '"say ""hi"""', "=1"])
SPOILS = st.sampled_from([b"", b"", b'"', b",", b"\n", b"\r", b"\xff", b'x"', b'",', b"\n\n"])


def _spoilt(rows: list[list[str]], end: str, spoil: bytes, where: float) -> bytes:
    text = "".join(",".join(row) + end for row in [list(COLUMNS), *rows]).encode()
    place = int(where * len(text))
    return text[:place] + spoil + text[place:]


def _outcome(read: Callable[[Iterable[bytes]], Iterator[int]], content: bytes, size: int) -> tuple[int, str]:
    rows = 0
    try:
        for each in read(content[start : start + size] for start in range(0, len(content), size)):
            rows += each
    except UnreadableError as error:
        return -1, str(error)
    return rows, ""


@given(
    rows=st.lists(st.lists(FIELDS, min_size=3, max_size=3), max_size=30),
    form=st.builds(
        CsvOptions, line_terminator=st.sampled_from(["\n", "\r\n"]), quote_style=st.sampled_from(["necessary", "never"])
    ),
    spoil=SPOILS,
    where=st.floats(0, 1),
    size=st.integers(1, 200),
)
@example(
    [["", "", ""]], CsvOptions(line_terminator="\r\n", quote_style="never"), b'x"', 0.96875, 1
)  # between the two of a line end
def test_counting_and_reading_agree(
    rows: list[list[str]], form: CsvOptions, spoil: bytes, where: float, size: int
) -> None:
    """Whether rows are counted together or read one by one: the same number, or the same fault in the same row, however
    a file is cut.
    """
    content = _spoilt(rows, form.line_terminator, spoil, where)
    counted, read = CsvScan(form, COLUMNS), CsvScan(form, COLUMNS)

    one_by_one = _outcome(lambda chunks: (len(batch) for batch in read.batches(chunks)), content, size)
    assert _outcome(counted.counts, content, size) == one_by_one

    if not spoil and form.quote_style == "necessary":
        assert one_by_one == (len(rows), "")
