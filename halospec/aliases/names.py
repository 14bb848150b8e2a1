"""What aliases are called."""

from __future__ import annotations

from collections.abc import Iterable

from halospec.aliases.errors import AliasError
from halospec.endpoints.failures import shown


def checked_lengths(lengths: Iterable[int]) -> tuple[int, ...]:
    """Return draft lengths in rising order.

    Raises
    ------
    AliasError
        If there is none, one is negative, or one comes twice.
    """
    rising = tuple(sorted(lengths))
    if not rising:
        raise AliasError("No draft length is given; name some, such as --lengths 0,1,2,4,8.")
    if rising[0] < 0:
        raise AliasError(f"A draft length cannot be negative, and {rising[0]} is.")
    if len(set(rising)) < len(rising):
        raise AliasError(f"A draft length comes twice in {', '.join(map(str, rising))}; name each once.")
    return rising


def alias_template(model: str) -> str:
    """Return the name of a model's aliases, with ``{k}`` for the draft length.

    Raises
    ------
    AliasError
        If the model's name holds what no alias may.
    """
    if not model.isprintable() or model != model.strip() or any(char in "[]{}" for char in model):
        raise AliasError(f"The model's name {shown(model)!r} holds characters that an alias cannot have; rename it.")
    return f"{model}-k{{k}}"


def alias_name(template: str, draft_length: int) -> str:
    """Return the alias for a draft length."""
    return template.replace("{k}", str(draft_length))
