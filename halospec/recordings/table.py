"""A Parquet table that came from anywhere, read as columns of numbers that make sense."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from halospec.analysis.printable import printable
from halospec.records.store import StoreError

Column = npt.NDArray[Any]


class Table:
    """A Parquet table of known columns without gaps.

    Raises
    ------
    StoreError
        If it is not that.
    """

    def __init__(self, content: bytes, path: Path, columns: pa.Schema) -> None:
        self.path = path
        try:
            table = pq.read_table(BytesIO(content))
        except (OSError, pa.ArrowException) as error:
            raise self.wrong(f"it is no readable Parquet file ({printable(str(error), 200)})") from error
        for field in columns:
            if field.name not in table.column_names:
                raise self.wrong(f"it has no column {field.name}")
            column = table.column(field.name)
            if column.type != field.type:
                raise self.wrong(f"column {field.name} is {printable(str(column.type), 60)} instead of {field.type}")
            if column.null_count:
                raise self.wrong(f"column {field.name} has gaps")
        self._table = table

    def numbers(self, name: str) -> Column:
        """Return a column as it is."""
        column: Column = self._table.column(name).to_numpy()
        return column

    def numbers_within(self, name: str, least: float, most: float) -> Column:
        """Return a column whose every value must be between the bounds, which no NaN is."""
        column = self.numbers(name)
        if not np.all((column >= least) & (column <= most)):
            raise self.wrong(f"a {name} is not between {least:g} and {most:g}")
        return column

    def words(self, name: str) -> tuple[tuple[str, ...], npt.NDArray[np.int32]]:
        """Return the different words of a column in order of appearance, and which of them each row has."""
        encoded = self._table.column(name).cast(pa.string()).combine_chunks().dictionary_encode()
        places: npt.NDArray[np.int32] = encoded.indices.to_numpy(zero_copy_only=False)
        return tuple(encoded.dictionary.to_pylist()), places

    def wrong(self, what: str) -> StoreError:
        """Return the sentence that says what is wrong with the table."""
        return StoreError(f"{self.path} is not a table of a recording: {what}.")
