"""What knobs have in common that say everything in the request: nothing to switch, nothing to undo."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from halospec.knobs.types import Switch


class NothingToUndo:
    """A knob that leaves a server as it was."""

    per_request = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class SaidInTheRequest(NothingToUndo):
    """A knob whose requests say it all."""

    lengths: frozenset[int] | None = None

    async def switch_to(self, draft_length: int) -> Switch | None:  # noqa: ARG002  (a knob's signature)
        """Do nothing."""
        return None
