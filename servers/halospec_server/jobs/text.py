"""From tokens to text that is safe to send: whole characters, and nothing of a stop string."""

from __future__ import annotations

import codecs
from collections.abc import Sequence


class TextAssembler:
    """Turns pieces into text as soon as it is certain.

    Held back are the bytes of a character that is not whole yet, and text that may turn out to begin a stop string.

    Parameters
    ----------
    stops
        The text ends before the first occurrence of any of them.

    Attributes
    ----------
    stopped
        Whether one of them has occurred.
    read, released
        Characters that have become whole, and those of them that were returned.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self.stopped = False
        self.read = 0
        self.released = 0

    def push(self, piece: bytes) -> str:
        """Take in the next token's bytes and return the text that is certain now."""
        return self._release(self._decoder.decode(piece))

    def finish(self) -> str:
        """Return what was held back, at the end of a text that no stop string ended."""
        if self.stopped:
            return ""
        text = self._release(self._decoder.decode(b"", final=True))
        if self.stopped:
            return text
        rest, self._held = self._held, ""
        self.released += len(rest)
        return text + rest

    def _release(self, text: str) -> str:
        if self.stopped:
            return ""
        self.read += len(text)
        certain = self._certain(text)
        self.released += len(certain)
        return certain

    def _certain(self, text: str) -> str:
        """Take in text and return what of it and of the text held back can belong to no stop string."""
        if not self._stops:
            return text
        self._held += text
        # The stop that is complete first ends the text, however the text was split into pieces.
        found = [(at + len(stop), at) for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if found:
            certain, self._held = self._held[: min(found)[1]], ""
            self.stopped = True
            return certain
        keep = max(_overlap(self._held, stop) for stop in self._stops)
        cut = len(self._held) - keep
        certain, self._held = self._held[:cut], self._held[cut:]
        return certain


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of ``text`` that is a proper beginning of ``stop``."""
    for length in range(min(len(text), len(stop) - 1), 0, -1):
        if text.endswith(stop[:length]):
            return length
    return 0
