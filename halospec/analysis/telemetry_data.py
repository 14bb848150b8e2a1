"""A run's telemetry as columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from halospec.analysis.requests import Floats, Ints
from halospec.analysis.sources import filled
from halospec.records.telemetry import TelemetryAccount
from halospec.records.ticks import AT

BEYOND_BELIEF = 1e30
"""No machine draws, counts or holds as much of anything; sums of such numbers would be infinite."""


@dataclass(frozen=True, eq=False)
class TelemetryData:
    """What was read off the machine during a run, in order of time.

    Attributes
    ----------
    at_ns
        On the run's clock, shape (n,).
    columns
        By name, ``source.column``, shape (n,) each; NaN where it was not read at that moment.
    account
        What the manifest says of it; ``None`` where there is no manifest.
    """

    at_ns: Ints
    columns: Mapping[str, Floats]
    account: TelemetryAccount | None = None

    def __len__(self) -> int:
        return len(self.at_ns)

    def column(self, name: str) -> Floats:
        """Return a column; all NaN where there is no such one."""
        return self.columns.get(name, np.full(len(self), np.nan))


def telemetry_of(table: pa.Table, account: TelemetryAccount | None = None) -> TelemetryData:
    """Return readings in order of time; of those at the same moment the first.

    Raises
    ------
    ValueError
        If the table is not one of readings.
    """
    names = table.column_names
    if names.count(AT) != 1 or len(set(names)) < len(names) or not all(_is_number(kind) for kind in table.schema.types):
        raise ValueError(f"a table of readings has a column {AT} and others beside it, each once and of numbers")
    try:
        at_ns, places = np.unique(filled(table.column(AT), np.int64, -1), return_index=True)
        read = {name: filled(table.column(name), np.float64, np.nan)[places] for name in names if name != AT}
    except pa.ArrowException as error:
        raise ValueError(str(error).splitlines()[0]) from error
    return TelemetryData(at_ns, {name: _believable(values) for name, values in read.items()}, account)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind))


def _believable(values: Floats) -> Floats:
    return np.where(np.abs(values) < BEYOND_BELIEF, values, np.nan)
