"""Profile values read from a snapshot: once for all files of a command, or file by file (X4, X5).

Values that are asked for twice are collected once, in the order of the roster, and each file takes its rows by number.
Text that depends on the profile alone is kept in the same way, and in a file without a name where it does not fit the
memory budget. Values that do not fit the budget are read for each file: streamed beside its rows where the snapshot has
them in their order, otherwise joined by id.

The choice changes no byte, and no failure: an expression that fails on a profile outside a file is left to each file,
which evaluates it for its own profiles (X1).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from threading import RLock

import polars as pl

from muster.activation.errors import ExportError
from muster.activation.frames import engine, spooled
from muster.activation.frames.columns import ID, INTERNAL, ROW
from muster.activation.frames.engine import ReadError
from muster.activation.frames.hashed_ids import ID_HASH, hashes_of, with_id_hash
from muster.activation.frames.spooled import Spooled
from muster.activation.mapping.columns import Field, with_values
from muster.activation.mapping.shared_text import TEXT, SharedText, Texts, TextsInMemory, TextsOnDisk
from muster.activation.profiles.positions import gathered
from muster.activation.profiles.roster import Roster
from muster.activation.system.memory import Budget

_FEW = 50_000  # rows that are looked up in the snapshot instead of collecting it, the first time
_SAMPLE = 10_000  # profiles whose texts are measured to estimate the size of all texts
_VIEW = 16  # bytes that a text takes beside its characters
_HASH = 64  # bytes of the longest hash: what a transformed value may take beyond its source
_LARGEST = 512 << 20  # bytes of texts that are kept in memory; more are kept in a file, which takes no more time
_ROW_ID_HASH = f"{INTERNAL}mine"  # the id hash of the profile that a row is about
_LARGE = 0.5  # share of the profiles from which one file is worth the text of all


class ProfileValues:
    """The mapped values of a roster's profiles, and the values and texts kept in memory so far."""

    def __init__(self, roster: Roster, budget: Budget, folder: Path) -> None:
        """``folder`` takes files without a name, of texts that are not kept in memory."""
        self.roster = roster
        self._budget = budget
        self._folder = folder
        self._shared: dict[str, pl.Series] = {}
        self._texts: dict[object, SharedText] = {}
        self._asked: set[object] = set()
        self._failing: set[object] = set()  # value columns and text keys that fail on some profile
        self._alone = RLock()  # values are collected by one thread at a time

    def of(self, rows: pl.DataFrame, fields: Sequence[Field], *, counted: bool = False) -> pl.LazyFrame:
        """``rows`` (with ``muster:row``, UInt32) with each field's values in its ``value_column``, in their order.

        Values are null for profiles that are absent from the snapshot. With ``counted`` the result may have fewer rows
        where the snapshot was replaced meanwhile: the caller counts them and fails.
        """
        fields = list({field.value_column: field for field in fields}.values())
        with self._alone:
            wanted = [field for field in fields if field.value_column not in self._shared.keys() | self._failing]
            if wanted and self._pays(rows, wanted):
                self._share(wanted)
            unread = [field for field in fields if field.value_column not in self._shared]
        numbers, present = rows[ROW], self.roster.present
        kept = [field.value_column for field in fields if field.value_column in self._shared]
        frame = rows.with_columns(gathered(self._shared[name], numbers, present).alias(name) for name in kept)
        if not unread:
            return frame.lazy()
        return self._beside(frame, unread) if counted and self._are_beside(numbers) else self._joined(frame, unread)

    def looked_up(self, rows: pl.DataFrame, fields: Sequence[Field]) -> pl.LazyFrame:
        """``of`` for rows that are looked at once: values that are not kept yet are read for these rows alone."""
        with self._alone:
            kept = {field.value_column: self._shared.get(field.value_column) for field in fields}
        numbers, present = rows[ROW], self.roster.present
        found = (gathered(each, numbers, present).alias(name) for name, each in kept.items() if each is not None)
        unread = list({name: field for field in fields if kept[name := field.value_column] is None}.values())
        frame = rows.with_columns(found)
        return self._joined(frame, unread) if unread else frame.lazy()

    def in_parts(self, rows: pl.DataFrame, fields: Sequence[Field], size: int) -> Iterator[pl.DataFrame]:
        """``of`` for rows of present profiles that are gone through once, in frames of about ``size`` rows each.

        Memory holds few frames at a time: many values that are not kept yet are streamed, or go through a file without
        a name. There may be fewer rows where the snapshot was replaced meanwhile.
        """
        fields = list({field.value_column: field for field in fields}.values())
        with self._alone:
            are_kept = all(field.value_column in self._shared for field in fields)
        if are_kept:
            for part in rows.iter_slices(size):
                yield engine.collect_inside(self.looked_up(part, fields))
        elif rows.height <= _FEW:
            yield from engine.collect(self.looked_up(rows, fields), rows.height).iter_slices(size)
        elif self._are_beside(rows[ROW]):
            yield from engine.batches(self._beside(rows, fields), size)
        else:
            yield from self._through_file(rows, fields, size)

    def _through_file(self, rows: pl.DataFrame, fields: Sequence[Field], size: int) -> Iterator[pl.DataFrame]:
        """Values that are written once, in the order of the snapshot, and taken from the file by row."""
        spool = self._spooled_values(fields)
        if spool is None:
            yield from engine.collect(self.of(rows, fields, counted=True)).iter_slices(size)
            return
        for part in rows.iter_slices(size):
            places = part[ROW] if (order := self.roster.file_position) is None else order.gather(part[ROW])
            found = spool.of(places)
            self.roster.check_rows(part[ROW], found[ID_HASH])
            yield part.hstack(found.drop(ID_HASH).get_columns())

    def _spooled_values(self, fields: Sequence[Field]) -> Spooled | None:
        """The values of all profiles in the order of the snapshot; None where the disk is full, or some value fails."""
        frame = with_id_hash(self.roster.snapshot.frame()).pipe(with_values, fields, ID_HASH)
        try:
            return Spooled.written(engine.batches(frame, spooled.ROWS), self._folder)
        except ReadError:
            raise
        except ExportError:
            return None

    def _are_beside(self, rows: pl.Series) -> bool:
        """Whether these rows are many, and the snapshot's files have all their profiles in their order."""
        many_in_order = len(rows) > _FEW and self.roster.in_file_order and rows.is_sorted()
        return many_in_order and int(rows[-1]) < self.roster.present

    def _pays(self, rows: pl.DataFrame, fields: Sequence[Field]) -> bool:
        """Whether to collect these values for all profiles: they fit the budget, and are many or needed again."""
        asked = tuple(sorted(field.value_column for field in fields))
        again = asked in self._asked
        self._asked.add(asked)
        return (again or rows.height > _FEW) and self._has_room(fields)

    def _has_room(self, fields: Sequence[Field]) -> bool:
        read = self.roster.snapshot.bytes_of(expr for field in fields for expr in field.reads)
        transformed = sum(not field.column.is_plain for field in fields)
        return self._budget.admits(read + _HASH * self.roster.present * transformed)

    def _share(self, fields: Sequence[Field]) -> None:
        """Keep the values of all profiles, except those of fields that fail on some profile."""
        try:
            self._keep(fields)
        except ReadError:
            raise
        except ExportError:
            if len(fields) == 1:
                self._failing.add(fields[0].value_column)
                return
            half = len(fields) // 2
            self._share(fields[:half])
            self._share(fields[half:])

    def _keep(self, fields: Sequence[Field]) -> None:
        frame = with_id_hash(self.roster.snapshot.frame()).pipe(with_values, fields, ID_HASH)
        collected = self.roster.in_order(engine.collect(frame)).rechunk()
        self._budget.take(int(collected.estimated_size()))
        self._shared |= collected.to_dict()

    def _beside(self, rows: pl.DataFrame, fields: Sequence[Field]) -> pl.LazyFrame:
        """The values streamed from the snapshot beside rows that are in the order of its files; nothing is kept.

        A row is left out where the files by now have another profile in its position (D1).
        """
        # Prefixed: a column of the snapshot may have the name of a column of rows.
        prefixed = {name: f"{_ROW_ID_HASH}:{name}" for name in rows.columns if name != ROW}
        id_hashes = hashes_of(self.roster.ids_of(rows[ROW])).alias(_ROW_ID_HASH)
        right = rows.rename(prefixed).with_columns(id_hashes).lazy()
        snapshot = with_id_hash(self.roster.snapshot.frame()).with_row_index(ROW)
        joined = snapshot.join(right, on=ROW, how="inner", maintain_order="left_right")
        found = joined.filter(pl.col(ID_HASH) == pl.col(_ROW_ID_HASH)).pipe(
            with_values, fields, ROW, *prefixed.values()
        )
        names = {there: name for name, there in prefixed.items()}
        return found.rename(names).select(*rows.columns, *(field.value_column for field in fields))

    def _joined(self, rows: pl.DataFrame, fields: Sequence[Field]) -> pl.LazyFrame:
        """The values read for these rows alone and joined by id; null for profiles absent from the snapshot."""
        ids = self.roster.ids_of(rows[ROW])
        newest = self.roster.snapshot.frame()
        if rows.height <= _FEW:
            newest = newest.filter(pl.col(ID).is_in(ids.implode()))
        elif rows.height < _LARGE * self.roster.present or not all(field.column.is_plain for field in fields):
            # Without it the join would hold the values of all profiles.
            newest = newest.join(pl.LazyFrame({ID: ids}), on=ID, how="semi")
        left = rows.drop(ID, strict=False).lazy().with_columns(ids.alias(ID))
        frame = left.join(newest.pipe(with_values, fields, ID), on=ID, how="left", maintain_order="left")
        return frame if ID in rows.columns else frame.drop(ID)

    def shared_text(
        self,
        key: object,
        fields: Sequence[Field],
        make: Callable[[], pl.Expr],
        rows: pl.Series,
        flags: Mapping[str, pl.Expr] | None = None,
    ) -> SharedText | None:
        """The text (String) that ``make`` forms for each profile, kept under ``key`` for later files.

        ``make`` reads the fields' value columns, null for profiles absent from the snapshot, and ``muster:id``. The
        result is None where the file of ``rows`` better makes its texts alone: it has few rows and nobody asked
        before, the disk is full, or some profile's value fails. Each of ``flags``, which reads value columns too, is a
        Boolean column beside the text.
        """
        with self._alone:
            if key in self._failing:
                return None
            again = key in self._asked
            self._asked.add(key)
            if key not in self._texts:
                worthwhile = again or len(rows) > _LARGE * self.roster.present
                text = make() if worthwhile else None
                texts = None if text is None else self._text(key, fields, text, flags or {})
                if text is None or texts is None:
                    return None
                self._texts[key] = SharedText(texts, partial(self._made_alone, fields=fields, text=text))
            return self._texts[key]

    def _text(self, key: object, fields: Sequence[Field], text: pl.Expr, flags: Mapping[str, pl.Expr]) -> Texts | None:
        """The text of all profiles, by row; None where the disk has no room for it, or some profile's value fails."""
        try:
            return self._text_of_all(fields, text, flags)
        except ReadError:
            raise
        except ExportError:
            self._failing.add(key)
            return None

    def _text_of_all(self, fields: Sequence[Field], text: pl.Expr, flags: Mapping[str, pl.Expr]) -> Texts | None:
        kept = self._kept(fields)
        read = with_id_hash(self.roster.snapshot.frame()).pipe(with_values, fields, ID, ID_HASH)
        frame = read if kept is None else kept.lazy()
        beside = (flag.alias(name) for name, flag in flags.items())
        texts = frame.select(*([ID_HASH] if kept is None else []), text.alias(TEXT), *beside)
        length = engine.collect(texts.head(_SAMPLE).select(pl.col(TEXT).str.len_bytes().mean())).item() or 0
        size = int((length + _VIEW) * self.roster.present)
        if size > _LARGEST or not self._budget.admits(size):
            return self._on_disk(texts, is_read=kept is None)
        collected = engine.collect(texts)
        made = (self.roster.in_order(collected) if kept is None else collected).rechunk()
        self._budget.take(int(made.estimated_size()))
        return TextsInMemory(made)

    def _on_disk(self, texts: pl.LazyFrame, *, is_read: bool) -> TextsOnDisk | None:
        """The texts in a file without a name, or None; those read from the snapshot are checked and ordered."""
        parts, positions = engine.batches(texts, spooled.ROWS), self.roster.file_position
        if is_read and positions is not None:
            unordered = Spooled.written(parts, self._folder)
            if unordered is None:
                return None
            parts = unordered.reordered(positions)
        found = Spooled.written(self.roster.checked_parts(parts) if is_read else parts, self._folder)
        return TextsOnDisk(found) if found else None

    def _kept(self, fields: Sequence[Field]) -> pl.DataFrame | None:
        """``muster:id`` and the fields' values of all profiles, by row; None unless transformed ones are kept already.

        Values of the other fields are kept too then; None where they do not fit, or fail on some profile.
        """
        names = [field.value_column for field in fields]
        if not any(field.value_column in self._shared and not field.column.is_plain for field in fields):
            return None
        unread = [field for field in fields if field.value_column not in self._shared]
        if any(field.value_column in self._failing for field in unread):
            return None
        if unread:
            if not self._has_room(unread):
                return None
            self._share(unread)
        if any(name not in self._shared for name in names):
            return None
        return pl.DataFrame({ID: self.roster.present_ids} | {name: self._shared[name] for name in names})

    def _made_alone(self, rows: pl.Series, fields: Sequence[Field], text: pl.Expr) -> pl.Series:
        """The texts of profiles absent from the snapshot, made of their ids and null values."""
        ids = pl.LazyFrame({ID: self.roster.ids_of(rows)})
        nulls = ids.with_columns(pl.lit(None, field.dtype).alias(field.value_column) for field in fields)
        return engine.collect(nulls.select(text.alias(TEXT)))[TEXT]
