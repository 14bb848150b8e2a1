"""Servers' answers, read as what they should be."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, JsonValue, ValidationError

from halospec.aliases.errors import AliasError

_Answer = TypeVar("_Answer", bound=BaseModel)


def read_as(kind: type[_Answer], answer: JsonValue, url: str) -> _Answer:
    """Return an answer as a model.

    Raises
    ------
    AliasError
        If it has another shape.
    """
    try:
        return kind.model_validate(answer)
    except ValidationError as fault:
        first = fault.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise AliasError(
            f"{url} answered otherwise than expected ({where}: {first['msg'].lower()}); nothing more was done with it."
        ) from fault
