"""Several request fields in one request: a server that ignores them all is found out at the price of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from pydantic import JsonValue

from halospec.endpoints.types import RequestChange
from halospec.knobs.types import Knob, KnobKind, Switch


class FieldsTogether:
    """Sends k in every one of these fields; a knob itself.

    What has no effect together with others has none alone. The reverse does not hold: where something happens, each
    field has to be tried by itself.
    """

    kind = KnobKind.REQUEST_FIELD
    per_request = True
    lengths: frozenset[int] | None = None

    def __init__(self, fields: Sequence[Knob]) -> None:
        self.fields = tuple(fields)
        self.name = " + ".join(field.name for field in fields)

    def request_change(self, draft_length: int) -> RequestChange:
        """Return all fields with k in them."""
        together: dict[str, JsonValue] = {}
        for field in self.fields:
            together = _merged(together, field.request_change(draft_length).fields)
        return RequestChange(fields=together)

    async def switch_to(self, draft_length: int) -> Switch | None:  # noqa: ARG002  (a knob's signature)
        """Do nothing: the request says it all."""
        return None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


def _merged(one: Mapping[str, JsonValue], other: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    merged = dict(one)
    for name, value in other.items():
        there = merged.get(name)
        merged[name] = _merged(there, value) if isinstance(there, dict) and isinstance(value, dict) else value
    return merged
