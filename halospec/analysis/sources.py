"""Where columns come from: records in memory, or a table on disk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from halospec.analysis.requests import Flags, Floats, Ints, numbered, numbers
from halospec.analysis.rounds import NOT_SAID, Rounds, Shorts
from halospec.records.parquet import ROUND_COLUMNS, RecordTable
from halospec.records.schema import RequestRecord

Names = tuple[tuple[str, ...], Ints]
"""Different names, and for each request the place of its own among them; −1 where it has none."""

Number = TypeVar("Number", bound=np.generic)

_LONGEST = np.iinfo(np.int16).max
_IF_NULL = {"k": 0, "accepted": 0}


class Source(Protocol):
    """The fields of a :class:`RequestRecord`, each as a column over all of a run's records."""

    def names(self, field: str) -> Names:
        """Return a column of texts."""
        ...

    def numbers(self, field: str) -> Floats:
        """Return a column of numbers; NaN where there is none."""
        ...

    def whole_numbers(self, field: str) -> Ints:
        """Return a column of whole numbers that no record lacks."""
        ...

    def flags(self, field: str) -> Flags:
        """Return a column of truths; false where there is none."""
        ...

    def is_there(self, field: str) -> Flags:
        """Return which records have a value."""
        ...

    def rounds(self, kept: Flags) -> Rounds:
        """Return the rounds of the records that are kept."""
        ...


class RecordSource:
    """Columns of records in memory."""

    def __init__(self, records: Sequence[RequestRecord]) -> None:
        self._records = records

    def names(self, field: str) -> Names:
        """Return a column of texts."""
        return numbered([getattr(record, field) for record in self._records])

    def numbers(self, field: str) -> Floats:
        """Return a column of numbers; NaN where there is none."""
        return numbers(getattr(record, field) for record in self._records)

    def whole_numbers(self, field: str) -> Ints:
        """Return a column of whole numbers that no record lacks."""
        return np.array([getattr(record, field) for record in self._records], dtype=np.int64)

    def flags(self, field: str) -> Flags:
        """Return a column of truths."""
        return np.array([getattr(record, field) for record in self._records], dtype=np.bool_)

    def is_there(self, field: str) -> Flags:
        """Return which records have a value."""
        return np.array([getattr(record, field) is not None for record in self._records], dtype=np.bool_)

    def rounds(self, kept: Flags) -> Rounds:
        """Return the rounds of the records that are kept."""
        logs = [record.round_log for record, keep in zip(self._records, kept, strict=True) if keep]

        def of_each(name: str) -> Shorts:
            values = (getattr(one, name) for log in logs for one in log)
            return _short(np.array([NOT_SAID if value is None else value for value in values], dtype=np.int64))

        return Rounds(
            np.repeat(np.arange(len(logs), dtype=np.int32), [len(log) for log in logs]),
            **{name: of_each(name) for name in ROUND_COLUMNS},
        )


class TableSource:
    """Columns of a Parquet file, read when they are asked for."""

    def __init__(self, table: RecordTable) -> None:
        self._table = table

    def names(self, field: str) -> Names:
        """Return a column of texts."""
        column = self._table.column(field)
        if pa.types.is_null(column.type):
            return (), np.full(len(column), -1, dtype=np.int64)
        whole = column.combine_chunks()
        encoded = whole if pa.types.is_dictionary(whole.type) else whole.dictionary_encode()
        return tuple(encoded.dictionary.to_pylist()), filled(encoded.indices, np.int64, -1)

    def numbers(self, field: str) -> Floats:
        """Return a column of numbers; NaN where there is none."""
        return filled(self._table.column(field), np.float64, np.nan)

    def whole_numbers(self, field: str) -> Ints:
        """Return a column of whole numbers that no record lacks."""
        return filled(self._table.column(field), np.int64, -1)

    def flags(self, field: str) -> Flags:
        """Return a column of truths; false where there is none."""
        return filled(self._table.column(field), np.uint8, 0).astype(np.bool_)

    def is_there(self, field: str) -> Flags:
        """Return which records have a value."""
        return filled(self._table.column(field).is_valid(), np.uint8, 0).astype(np.bool_)

    def rounds(self, kept: Flags) -> Rounds:
        """Return the rounds of the records that are kept."""
        place = np.cumsum(kept, dtype=np.int32) - np.int32(1)
        parts: list[Rounds] = []
        start = 0
        for batch in self._table.round_logs():
            parts.append(_rounds_in(batch.column(0), kept, place, start))
            start += len(batch)
        return Rounds.joined(parts)


def _rounds_in(logs: pa.ListArray, kept: Flags, place: npt.NDArray[np.int32], start: int) -> Rounds:
    rows = slice(start, start + len(logs))
    lengths = np.diff(filled(logs.offsets, np.int64, 0))
    rounds = logs.flatten()
    there = {field.name for field in rounds.type}
    part = Rounds(
        np.repeat(place[rows], lengths),
        **{
            name: _short(filled(rounds.field(name), np.int64, _IF_NULL.get(name, NOT_SAID)))
            if name in there
            else np.full(len(rounds), NOT_SAID, np.int16)
            for name in ROUND_COLUMNS
        },
    )
    return part if kept[rows].all() else part.taken(np.repeat(kept[rows], lengths))


def _short(counts: npt.NDArray[Any]) -> npt.NDArray[np.int16]:
    # A server may claim any number; no draft is as long as the longest that fits.
    shortened: npt.NDArray[np.int16] = np.minimum(counts, _LONGEST).astype(np.int16)
    return shortened


def filled(column: pa.Array | pa.ChunkedArray, kind: type[Number], missing: float) -> npt.NDArray[Number]:
    """Return a column as an array of numpy.

    By way of buffers: Arrow's conversions of single values and to numpy import pandas first, which takes as long as to
    read all columns.
    """
    target = pa.from_numpy_dtype(kind)
    (filler,) = pa.Array.from_buffers(target, 1, [None, pa.py_buffer(np.array([missing], dtype=kind))])
    complete = column.cast(target).fill_null(filler)
    whole = complete.combine_chunks() if isinstance(complete, pa.ChunkedArray) else complete
    if not len(whole):
        return np.empty(0, dtype=kind)
    start = whole.offset * np.dtype(kind).itemsize
    return np.frombuffer(whole.buffers()[1], dtype=kind, count=len(whole), offset=start)
