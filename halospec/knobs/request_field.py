"""k as a field of the request's body."""

from __future__ import annotations

import re

from pydantic import JsonValue

from halospec.endpoints.types import RESERVED_FIELDS as RESERVED_FIELDS
from halospec.endpoints.types import RequestChange
from halospec.knobs.stateless import SaidInTheRequest
from halospec.knobs.types import KnobKind

KNOWN_FIELDS = ("draft_length", "speculative.n_max", "speculative_draft_length")
"""Flat fields that can be named as they are; ``speculative.n_max`` is one name with a dot in it."""

ANY_FIELD = "field:"
NESTED = "$."

_NAME = re.compile(r"[\w-]+", re.ASCII)
_FLAT_NAME = re.compile(r"[\w.-]+", re.ASCII)


class RequestField(SaidInTheRequest):
    """Sends k with every request; whether the server reads it, a probe must show.

    Parameters
    ----------
    spelling
        One of `KNOWN_FIELDS`, ``field:NAME`` for any other flat field, or ``$.a.b`` for a nested one.

    Raises
    ------
    ValueError
        If there is no such field, with the reason in one sentence.
    """

    kind = KnobKind.REQUEST_FIELD

    def __init__(self, spelling: str) -> None:
        self.name = spelling
        self._path = _path(spelling)

    @staticmethod
    def is_spelled(spelling: str) -> bool:
        """Tell whether a spelling is meant for a request field, rightly written or not."""
        return spelling in KNOWN_FIELDS or spelling.startswith((ANY_FIELD, "$"))

    def request_change(self, draft_length: int) -> RequestChange:
        """Return the field with k in it."""
        value: JsonValue = draft_length
        for name in reversed(self._path[1:]):
            value = {name: value}
        return RequestChange(fields={self._path[0]: value})


def _path(spelling: str) -> tuple[str, ...]:
    if spelling in KNOWN_FIELDS:
        return (spelling,)
    if spelling.startswith(ANY_FIELD):
        path: tuple[str, ...] = (spelling.removeprefix(ANY_FIELD),)
        well_formed = _FLAT_NAME.fullmatch(path[0]) is not None
    elif spelling.startswith("$"):
        path = tuple(spelling.removeprefix(NESTED).split("."))
        well_formed = spelling.startswith(NESTED) and all(_NAME.fullmatch(name) for name in path)
    else:
        raise ValueError(f"There is no request field {spelling!r}; write {ANY_FIELD}{spelling} to send one anyway.")
    if not well_formed:
        raise ValueError(
            f"The request field {spelling!r} cannot be read: write {ANY_FIELD}NAME, or $.outer.inner with names of"
            " letters, digits, '_' and '-' between the dots (no list indexes)."
        )
    if path[0] in RESERVED_FIELDS:
        raise ValueError(f"The draft length cannot be sent as {path[0]!r}, which every request needs for itself.")
    return path
