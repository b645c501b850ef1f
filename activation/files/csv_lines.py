"""A CSV file of finished text that is written row by row chunk, as long as it is open (M7).

Several files can be open at once, and each is given rows part by part. Memory holds one chunk of one file at a time.
"""

from dataclasses import replace

import polars as pl

from muster.activation.files.csv_rows import FinishedText
from muster.activation.files.formats import sink_text
from muster.activation.files.tally import Tally
from muster.activation.frames import engine
from muster.activation.mapping.lost_values import LostValues
from muster.activation.model.workspace import Compression, CsvOptions

_ROWS = 1 << 17  # of a chunk: so many that what Polars does once a plan costs nothing


class CsvLines:
    """The lines of one file, which go to a tally."""

    def __init__(self, tally: Tally, csv: CsvOptions, compression: Compression) -> None:
        """``compression`` is that of the writer, not of the tally: with one, all rows are given at once."""
        self._tally, self._csv, self._compression = tally, csv, compression

    def add(self, rows: pl.DataFrame, text: FinishedText, lost: LostValues) -> None:
        """Write the lines of ``rows``, whose finished text is ``text``; lost values are counted in ``lost``."""
        for chunk in rows.iter_slices(_ROWS if self._compression == "none" else rows.height):
            self._tally.has_line_feeds_inside = not text.is_one_line(chunk)
            frame, headers = text.of(chunk, lost).lazy(), text.headers
            engine.collect(sink_text(frame, headers, self._tally.stream, self._csv, self._compression))
            self._csv = replace(self._csv, header=False, bom=False)  # they stand before the first line alone
