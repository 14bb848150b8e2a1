"""Server-sent events out of bytes, in whatever pieces they arrive.

The grammar is the HTML standard's (https://html.spec.whatwg.org/multipage/server-sent-events.html). The parser is our
own because a measuring client must know which piece of bytes completed an event, and thereby when it came; one that is
given text or lines cannot say.
"""

from __future__ import annotations

from dataclasses import dataclass

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class ServerSentEvent:
    """One event. Its id and its ``retry`` serve reconnecting, which no chat completion does, and are not kept.

    Attributes
    ----------
    event
        Its type; ``message`` unless the server named another.
    data
        Its data lines, joined by line feeds.
    """

    event: str
    data: str


class EventStreamParser:
    """Reads one event stream piece by piece; an event that is unfinished when the stream ends was never sent.

    Every byte is looked at once, however the pieces are cut. What an unfinished event may weigh is for the caller to
    limit, as `halospec.endpoints.connection.CappedBody` does.
    """

    def __init__(self) -> None:
        self._line = bytearray()
        self._is_first_line = True
        self._after_cr = False
        self._event = ""
        self._data: list[str] = []

    def feed(self, data: bytes) -> list[ServerSentEvent]:
        """Return the events that this piece completes."""
        if not data:
            return []
        if self._after_cr and data.startswith(b"\n"):
            data = data[1:]
        # A carriage return ends its line at once: whether a line feed follows shows only with the next piece.
        self._after_cr = data.endswith(b"\r")
        # On bytes, unlike on text, this knows the same three line ends as the standard.
        lines = data.splitlines()
        rest = b"" if not data or data.endswith((b"\r", b"\n")) else lines.pop()
        events = [event for line in lines if (event := self._end_line(line)) is not None]
        self._line += rest
        return events

    def _end_line(self, tail: bytes) -> ServerSentEvent | None:
        line = bytes(self._line) + tail if self._line else tail
        self._line.clear()
        if self._is_first_line:
            self._is_first_line = False
            line = line.removeprefix(_BYTE_ORDER_MARK)
        if not line:
            return self._dispatch()
        # Only whole lines are decoded, so that no character is cut: a line end is never a part of one.
        name, _, value = line.decode("utf-8", "replace").partition(":")
        if name == "data":
            self._data.append(value.removeprefix(" "))
        elif name == "event":
            self._event = value.removeprefix(" ")
        return None

    def _dispatch(self) -> ServerSentEvent | None:
        event, data = self._event or "message", self._data
        self._event, self._data = "", []
        return ServerSentEvent(event, "\n".join(data)) if data else None
