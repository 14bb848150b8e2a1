"""No knob: k is chosen and recorded, and nothing of it reaches the server."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from halospec.endpoints.types import RequestChange
from halospec.knobs.types import KnobKind, Switch


class NoKnob:
    """Changes nothing. What a server does when left alone is measured under every mode's name."""

    name = "none"
    kind = KnobKind.NONE
    per_request = True
    lengths: frozenset[int] | None = None

    def request_change(self, draft_length: int) -> RequestChange:  # noqa: ARG002  (a knob's signature)
        """Return no change."""
        return RequestChange()

    async def switch_to(self, draft_length: int) -> Switch | None:  # noqa: ARG002
        """Do nothing."""
        return None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None
