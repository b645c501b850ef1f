"""A strict reader of CSV, independent of the writer: RFC 4180 with the options of M7. Bytes in, rows as bytes out.

Where rows are only counted, those without a quote, which most are, are checked together: with the bytes of values
deleted, only delimiters and line ends remain. Others are matched one by one. Memory holds one chunk, or one row.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from muster.activation.model.workspace import CsvOptions
from muster.activation.wording import counted

LONGEST = 64 << 20  # bytes of one row
_BOM = b"\xef\xbb\xbf"


class UnreadableError(Exception):
    """A file's content is wrong; the message holds no value of it."""


class HeaderError(UnreadableError):
    """The columns of a file are not those that were delivered."""


class CsvScan:
    """A reader of one file that checks each row: the number of fields, quotes, line end, encoding."""

    def __init__(self, csv: CsvOptions, columns: Sequence[str]) -> None:
        self.rows = 0  # data rows so far
        self._csv, self._columns = csv, columns
        self._end, self._delimiter, self._null = (
            csv.line_terminator.encode(),
            csv.delimiter.encode(),
            csv.null_value.encode(),
        )
        self._quote = b"" if csv.quote_style == "never" else csv.quote.encode()
        self._escape = (csv.escape or csv.quote).encode() if self._quote else b""
        self._pair = re.compile(b"%b(.)" % re.escape(self._escape), re.DOTALL)  # an escape and what it stands before
        field = _field(self._delimiter, self._quote, self._escape, self._null)
        delimiter = re.escape(self._delimiter)
        self._row = re.compile(b"%b(?:%b%b){%d}" % (field, delimiter, field, len(columns) - 1))
        self._any_row = re.compile(b"%b(?:%b%b)*+" % (field, delimiter, field))
        self._cut = re.compile(b"(%b)%b" % (field, delimiter))
        self._opening = re.compile(
            b"(?:%b%b)*+%b" % (field, delimiter, _open_field(self._quote or b'"', self._escape or b'"'))
        )  # `never` writes no quotes: one that opens is an error
        self._ended_row = re.compile(self._row.pattern + re.escape(self._end))
        self._marks = self._delimiter * (len(columns) - 1) + self._end  # what remains of a row without its values
        self._values = bytes(byte for byte in range(256) if byte not in self._delimiter + b"\r\n")
        self._begun: list[bytes] = []  # lines of a row whose last field is not closed yet
        self._begun_size = 0
        self._is_headed = not csv.header

    def batches(self, chunks: Iterable[bytes]) -> Iterator[list[bytes]]:
        """Yield lists of data rows without their line ends; ``UnreadableError`` at the first that is wrong."""
        for rows in self._through(chunks, count=False):
            if not isinstance(rows, int):
                yield rows

    def counts(self, chunks: Iterable[bytes]) -> Iterator[int]:
        """Yield numbers of data rows, to be added up; ``UnreadableError`` at the first that is wrong."""
        for rows in self._through(chunks, count=True):
            yield rows if isinstance(rows, int) else len(rows)

    def _through(self, chunks: Iterable[bytes], *, count: bool) -> Iterator[list[bytes] | int]:
        rest = b""
        for chunk in self._unmarked(chunks):
            block = rest + chunk
            if count and self._is_headed and not self._begun and (together := self._together(block)):
                rows, rest = together
                self.rows += rows
                yield rows
                continue
            *lines, rest = block.split(self._end)
            if lines:
                yield from self._batch(lines, is_plain=self._is_plain(block, lines, rest))
            if len(rest) > LONGEST:
                raise self._wrong(f"has no line end within {LONGEST >> 20} MiB")
        if self._begun:
            raise self._wrong("has a quote that opens and never closes")
        if rest:
            raise self._wrong("has no line end: the file is cut off, or something was added to it")
        if not self._is_headed:
            raise HeaderError("the header is missing: the file is empty")

    def values(self, rows: Sequence[bytes], positions: Sequence[int]) -> list[list[bytes | None]]:
        """Return the values of the columns at these positions of checked rows, without quotes; None for null."""
        cut = [self._split(row) for row in rows]
        return [
            [None if (field := fields[position]) == self._null else self._unquoted(field) for fields in cut]
            for position in positions
        ]

    def _unmarked(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the bytes after the byte-order mark, which must be there exactly if the options ask for it."""
        head: bytes | None = b""
        for chunk in chunks:
            if head is None:
                yield chunk
            elif len(head := head + chunk) >= len(_BOM):
                yield self._after_mark(head)
                head = None
        if head is not None:
            yield self._after_mark(head)

    def _after_mark(self, head: bytes) -> bytes:
        is_marked = head.startswith(_BOM)
        if is_marked != self._csv.bom:
            raise UnreadableError(
                "it starts with a byte-order mark" if is_marked else "the byte-order mark at its start is missing"
            )
        return head[len(_BOM) :] if is_marked else head

    def _is_plain(self, block: bytes, lines: list[bytes], rest: bytes) -> bool:
        """Return whether the lines hold no quote and no other line end, so that counting delimiters checks them."""
        if self._begun or (self._quote and (self._quote in block or self._escape in block)):
            return False
        if self._end == b"\n":
            return b"\r" not in block
        return block.count(b"\n") == len(lines) and block.count(b"\r") == len(lines) + rest.endswith(b"\r")

    def _batch(self, lines: list[bytes], *, is_plain: bool) -> Iterator[list[bytes]]:
        rows = lines if is_plain or not self._quote else list(self._joined(lines))
        if rows and not self._is_headed:
            self._check_header(rows.pop(0))
        if rows:
            self._check(rows, is_plain=is_plain)
            self.rows += len(rows)
            yield rows

    def _together(self, block: bytes) -> tuple[int, bytes] | None:
        """Return the number of rows in a block and its unfinished rest; None when its rows must be checked one by one.

        The block must begin with the start of a row.
        """
        if len(self._delimiter) > 1:
            return None
        bare, begin, quoted = [], 0, 0
        while self._quote and (quote := block.find(self._quote, begin)) >= 0:
            start = max(block.rfind(b"\n", begin, quote) + 1, begin)
            bare.append(block[begin:start])
            row = self._ended_row.match(block, start)
            if row is None:
                if block.find(b"\n", start) >= 0:
                    return None
                begin = start
                break
            quoted, begin = quoted + 1, row.end()
        else:
            end = block.rfind(b"\n", begin) + 1
            bare.append(block[begin:end])
            begin = max(begin, end)
        text = b"".join(bare)
        marks, rows = text.translate(None, self._values), text.count(self._end)
        done, rest = block[:begin], block[begin:]
        is_bare = self._escape in {self._quote, b""} or self._escape not in text
        is_sound = is_bare and marks == self._marks * rows and len(rest) <= LONGEST and _is_utf8(done)
        return (rows + quoted, rest) if is_sound and len(self._columns) > 1 else None

    def _joined(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        """Yield rows made of lines: a line end inside quotes ends no row."""
        done = 0
        for line in lines:
            turns = self._turns(line)
            if self._begun and turns:
                row = self._end.join([*self._begun, line])
                self._begun, self._begun_size = [], 0
            elif self._begun or turns:
                self._begin(line, done)
                continue
            else:
                row = line
            yield row
            done += 1

    def _turns(self, line: bytes) -> bool:
        """Return whether a line changes from outside to inside quotes, or back."""
        if self._escape != self._quote:
            line = self._pair.sub(b"", line)
        return line.count(self._quote) % 2 == 1

    def _begin(self, line: bytes, done: int) -> None:
        """Keep a line whose row goes on in the next line."""
        if not self._begun and not self._opening.fullmatch(line):
            raise self._wrong("has a quote where none may stand", done)
        self._begun.append(line)
        self._begun_size += len(line)
        if self._begun_size > LONGEST:
            raise self._wrong(f"has a quote that opens and does not close within {LONGEST >> 20} MiB", done)

    def _check_header(self, row: bytes) -> None:
        """Compare the header with the delivered one; the error quotes no name found, which may be somebody's data."""
        names = (
            [self._unquoted(field).decode(errors="replace") for field in self._split(row)]
            if self._any_row.fullmatch(row)
            else []
        )
        differing = (number for number, column in enumerate(self._columns) if names[number : number + 1] != [column])
        if (number := next(differing, None)) is not None:
            raise HeaderError(f"the header differs: its column {number + 1} is not {self._columns[number]!r}")
        if len(names) > len(self._columns):
            raise HeaderError(
                f"the header differs: it has {counted(len(names), 'column')}; expected {len(self._columns)}"
            )
        self._is_headed = True

    def _check(self, rows: list[bytes], *, is_plain: bool) -> None:
        delimiters = len(self._columns) - 1
        counts = {row.count(self._delimiter) for row in rows} if is_plain else set()
        if counts - {delimiters} or (not is_plain and not all(map(self._row.fullmatch, rows))):
            number = next(number for number, row in enumerate(rows) if not self._row.fullmatch(row))
            raise self._wrong(self._malformation(rows[number]), number)
        if delimiters == 0 and b"" in rows:
            raise self._wrong("is an empty line", rows.index(b""))
        if not _is_utf8(self._end.join(rows)):
            raise self._wrong("is not UTF-8", next(number for number, row in enumerate(rows) if not _is_utf8(row)))

    def _malformation(self, row: bytes) -> str:
        if not self._any_row.fullmatch(row):
            return "has a quote or a line end where none may stand"
        fields = len(self._split(row))
        return f"has {fields} {'field' if fields == 1 else 'fields'}; expected {len(self._columns)}"

    def _split(self, row: bytes) -> list[bytes]:
        """Return the fields of a well-formed row, with their quotes."""
        if not self._quote or self._quote not in row:
            return row.split(self._delimiter)
        return self._cut.findall(row + self._delimiter)

    def _unquoted(self, field: bytes) -> bytes:
        if not self._quote or not field.startswith(self._quote):
            return field
        if self._escape == self._quote:
            return field[1:-1].replace(self._quote * 2, self._quote)
        return self._pair.sub(rb"\1", field[1:-1])

    def _wrong(self, mistake: str, number: int = 0) -> UnreadableError:
        """Return the error about a row, whose ``mistake`` follows its number.

        The row is the first one that is not counted yet, or the one ``number`` rows after it.
        """
        row = self.rows + number + self._is_headed
        return UnreadableError(f"row {row:,} {mistake}" if row else f"the header {mistake}")


def _field(delimiter: bytes, quote: bytes, escape: bytes, null: bytes) -> bytes:
    """Return a pattern of one field: quoted, null, or bare, without delimiter, line end, quote and escape."""
    special = re.escape(quote + escape) + rb"\r\n"
    if len(delimiter) == 1:
        bare = b"[^%b%b]*+" % (re.escape(delimiter), special)
    else:
        bare = b"(?:(?!%b)[^%b])*+" % (re.escape(delimiter), special)
    words = [b"%b%b" % (_open_field(quote, escape), re.escape(quote))] if quote else []
    words += [re.escape(null)] if escape and escape in null else []
    return b"(?:%b)" % b"|".join((*words, bare))


def _open_field(quote: bytes, escape: bytes) -> bytes:
    """Return a pattern of a quoted field without its last quote; inside, an escape stands before quotes and escapes."""
    mark, before = re.escape(quote), re.escape(escape)
    special = re.escape(quote + escape)
    return b"%b(?:[^%b]++|%b[%b])*+" % (mark, special, before, special)


def _is_utf8(text: bytes) -> bool:
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
