"""Files of /sys that are read again and again."""

from __future__ import annotations

import os
from pathlib import Path

SYSFS = Path("/sys")

_LONGEST = 4096
"""Bytes; the kernel shows an attribute in at most one page."""


class OpenAttribute:
    """An attribute that is kept open, since opening costs more than reading does.

    Raises
    ------
    OSError
        If it is not there or may not be read.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor: int | None = os.open(path, os.O_RDONLY)

    def text(self) -> str:
        """Return what it says now.

        Raises
        ------
        OSError
            If the driver has no answer, as when the device is asleep or gone.
        ValueError
            If it was closed.
        """
        if self._descriptor is None:
            raise ValueError("this attribute was closed")
        return os.pread(self._descriptor, _LONGEST, 0).decode(errors="replace")

    def number(self) -> int:
        """Return the whole number that it shows now.

        Raises
        ------
        OSError
            As for `text`.
        ValueError
            If it shows something else.
        """
        return int(self.text())

    def close(self) -> None:
        """Let go of it; closing twice does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def shown_in(path: Path) -> str | None:
    """Return an attribute's text, stripped; ``None`` if it is not there or may not be read."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return None


def number_in(path: Path) -> int | None:
    """Return an attribute's whole number; ``None`` if there is none that may be read."""
    text = shown_in(path)
    try:
        return None if text is None else int(text)
    except ValueError:
        return None
