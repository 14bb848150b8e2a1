"""No knob: k is chosen and recorded, and nothing of it reaches the server."""

from __future__ import annotations

from halospec.endpoints.types import RequestChange
from halospec.knobs.stateless import SaidInTheRequest
from halospec.knobs.types import KnobKind


class NoKnob(SaidInTheRequest):
    """Changes nothing. What a server does when left alone is measured under every mode's name."""

    name = "none"
    kind = KnobKind.NONE

    def request_change(self, draft_length: int) -> RequestChange:  # noqa: ARG002  (a knob's signature)
        """Return no change."""
        return RequestChange()
