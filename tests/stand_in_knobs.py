"""Knobs that are connected to nothing: what they are asked for is noted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from halospec.endpoints.types import RequestChange
from halospec.knobs.types import KnobError, KnobKind, Switch, SwitchReason


@dataclass
class StandInKnob:
    """A knob of any kind; one that does not work per request pretends to start a server anew for each other k."""

    kind: KnobKind = KnobKind.REQUEST_FIELD
    lengths: frozenset[int] | None = None
    per_request: bool = True
    name: str = "draft_length"
    breaks_at: int | None = None
    switched_to: list[int] = field(default_factory=list)

    def request_change(self, draft_length: int) -> RequestChange:
        if self.kind is KnobKind.MODEL_ALIAS:
            return RequestChange(model=f"m-k{draft_length}", fields={"draft_length": draft_length})
        return RequestChange(fields={"draft_length": draft_length})

    async def switch_to(self, draft_length: int) -> Switch | None:
        if draft_length == self.breaks_at:
            raise KnobError(f"The server did not start with k = {draft_length}.")
        if self.per_request or self.switched_to[-1:] == [draft_length]:
            return None
        reason = SwitchReason.CHANGED if self.switched_to else SwitchReason.FIRST
        self.switched_to.append(draft_length)
        return Switch(draft_length, reason, started_ns=0, ended_ns=500_000_000, detail=f"--k {draft_length}")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None


def restarting() -> StandInKnob:
    """Return a knob that would start the server anew for each k."""
    return StandInKnob(KnobKind.RESTART, per_request=False, name="restart")


def aliases(*lengths: int) -> StandInKnob:
    """Return a knob with one model a k; a pretended server reads the k from a field."""
    return StandInKnob(KnobKind.MODEL_ALIAS, frozenset(lengths), name="alias:m-k{k}")
