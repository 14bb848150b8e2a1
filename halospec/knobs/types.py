"""What a knob is: the way by which a draft length reaches a server."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Protocol, Self

from halospec.endpoints.types import RequestChange
from halospec.records.switches import SwitchReason as SwitchReason


class KnobKind(StrEnum):
    """The ways there are."""

    REQUEST_FIELD = "request_field"
    MODEL_ALIAS = "model_alias"
    RELOAD = "reload"
    RESTART = "restart"
    NONE = "none"


class KnobError(Exception):
    """A knob that could not be turned; the message is one sentence that says why and what to do."""


@dataclass(frozen=True)
class Switch:
    """A server brought to a draft length by loading or starting it anew. This time is in no request's latency.

    Attributes
    ----------
    detail
        The arguments or the command line that it now runs with.
    """

    draft_length: int
    reason: SwitchReason
    started_ns: int
    ended_ns: int
    detail: str

    @property
    def duration_ms(self) -> float:
        """How long the server was not to be had."""
        return (self.ended_ns - self.started_ns) / 1e6


class Knob(Protocol):
    """One way to set k. An async context manager: entered before the first use; leaving it undoes what it did.

    A knob that was left with an exception under way, or by cancellation, still undoes what it did.
    """

    @property
    def name(self) -> str:
        """Return its spelling on the command line, such as ``draft_length`` or ``alias:smol-k{k}``."""
        ...

    @property
    def kind(self) -> KnobKind:
        """Return which way this is."""
        ...

    @property
    def per_request(self) -> bool:
        """Tell whether k may change from one request to the next without loading or starting anything."""
        ...

    @property
    def lengths(self) -> frozenset[int] | None:
        """Return the draft lengths that it can set; None if there is no such limit."""
        ...

    def request_change(self, draft_length: int) -> RequestChange:
        """Return what this draft length changes in a request's body."""
        ...

    async def switch_to(self, draft_length: int) -> Switch | None:
        """Bring the server to a draft length, if requests alone do not; None if nothing had to be done.

        Raises
        ------
        KnobError
            If the server cannot be brought there.
        """
        ...

    async def __aenter__(self) -> Self:
        """Take hold of what has to be given back."""
        ...

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Undo everything."""
        ...
