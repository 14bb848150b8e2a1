"""A run's records as a pandas frame, for a notebook or an analysis of one's own."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from halospec.records.schema import RequestRecord
from halospec.records.store import StoreError, read_records


def read_frame(path: Path) -> pd.DataFrame:
    """Read a run's directory, its ``records.jsonl`` or a ``records.parquet``: one row a record, void ones included.

    Columns are named as in the schema; what a server did not say is NA. ``round_log`` and ``event_ms`` hold lists.

    Raises
    ------
    StoreError
        If there are no records, or a file is not what its name says.
    """
    if path.suffix != ".parquet":
        rows = [record.model_dump(mode="json") for record in read_records(path).records]
        return pd.DataFrame(rows, columns=list(RequestRecord.model_fields)).convert_dtypes()
    try:
        return pd.read_parquet(path, dtype_backend="numpy_nullable")
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} is not a readable Parquet file: {str(error).splitlines()[0]}.") from error
