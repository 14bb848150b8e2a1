"""Text that came from a server or a user, made fit to be shown."""

from __future__ import annotations


def printable(text: str, limit: int | None = None) -> str:
    """Return the text on one line, without control characters (an ANSI escape, a NUL), cut to ``limit`` characters.

    What cannot be shown becomes U+FFFD, so that nothing disappears unseen.
    """
    one_line = " ".join(text.split())
    shown = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in one_line)
    if limit is not None and len(shown) > limit:
        return shown[: limit - 3] + "..."
    return shown
