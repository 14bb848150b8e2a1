"""What every result of the analysis is: frozen, and safe to write as JSON."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """A frozen result. Infinity and NaN are refused: a number that does not exist is ``None``."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
