"""The stamp on everything made of a run that went on although the server ignores the draft length."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

STAMP = "PLACEBO"
MEANING = "Nothing shows that k has an effect here: differences between modes are not effects of k."


class Stampable(Protocol):
    """A request, in whichever form it is kept."""

    @property
    def placebo(self) -> bool:
        """Whether its run went on although the server ignores the draft length."""
        ...


def is_placebo(requests: Iterable[Stampable]) -> bool:
    """Tell whether what is made of these requests must bear the stamp: one of them is enough."""
    return any(request.placebo for request in requests)


def stamped(text: str) -> str:
    """Return a title or a name with the stamp in front."""
    return f"{STAMP}: {text}"
