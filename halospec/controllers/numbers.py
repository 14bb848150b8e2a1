"""The ranges that numbers of rules may lie in, as types that a spelling is checked against."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from halospec.controllers.protocol import MAX_DRAFT_LENGTH

Length = Annotated[int, Field(ge=0, le=MAX_DRAFT_LENGTH)]
"""A draft length."""

DraftingLength = Annotated[int, Field(ge=1, le=MAX_DRAFT_LENGTH)]
"""A draft length of a rule that learns from drafts alone: one that fell to 0 could not leave it again."""

Count = Annotated[int, Field(ge=1)]
Whole = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Percentile = Annotated[int, Field(ge=1, le=100)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]

Weight = Annotated[float, Field(gt=0, le=1)]
"""What the newest value counts for in a moving average."""


def require_between(name: str, length: int, min_length: int, max_length: int) -> None:
    """Make sure that a length of a rule lies from its shortest to its longest.

    Raises
    ------
    ValueError
        If it does not.
    """
    if not min_length <= length <= max_length:
        raise ValueError(f"{name} must lie from min_length to max_length, here {min_length} to {max_length}")


def require_range(min_length: int, max_length: int) -> None:
    """Make sure that there are lengths from a rule's shortest to its longest.

    Raises
    ------
    ValueError
        If there are none.
    """
    if min_length > max_length:
        raise ValueError(f"min_length {min_length} is more than max_length {max_length}")
