"""Several request fields in one request: a server that ignores them all is found out at the price of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from halospec.endpoints.types import RequestChange
from halospec.knobs.stateless import SaidInTheRequest
from halospec.knobs.types import Knob, KnobKind


class FieldsTogether(SaidInTheRequest):
    """Sends k in every one of these fields; a knob itself.

    What has no effect together with others has none alone. The reverse does not hold: where something happens, each
    field has to be tried by itself.
    """

    kind = KnobKind.REQUEST_FIELD

    def __init__(self, fields: Sequence[Knob]) -> None:
        self.fields = tuple(fields)
        self.name = " + ".join(field.name for field in fields)

    def request_change(self, draft_length: int) -> RequestChange:
        """Return all fields with k in them."""
        together: dict[str, JsonValue] = {}
        for field in self.fields:
            together = _merged(together, field.request_change(draft_length).fields)
        return RequestChange(fields=together)


def _merged(one: Mapping[str, JsonValue], other: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    merged = dict(one)
    for name, value in other.items():
        there = merged.get(name)
        merged[name] = _merged(there, value) if isinstance(there, dict) and isinstance(value, dict) else value
    return merged
