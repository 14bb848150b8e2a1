"""Copies from one buffer to another: ``stream --bytes-per-s 4e9 --buffer-bytes 134217728``, times the lifeline's level.

Bytes read and bytes written both count. Between buffers larger than the last-level cache this is a load on memory;
between smaller ones, on that cache.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from halospec.contention.programs.lifeline import Lifeline
from halospec.contention.programs.pace import Pieces, keep_pace

PIECES = Pieces(every_s=0.001, least_bytes=8 * 1024, most_bytes=512 * 1024, carry_s=0.05)
"""Small enough that C libraries copy them by way of the cache: beyond some size they write past it."""

_FILL_BYTES = 1024 * 1024


class Stream:
    """Two buffers in memory, and the place in both up to which the first was copied to the second.

    Parameters
    ----------
    buffer_bytes
        Of each of the two.
    """

    def __init__(self, buffer_bytes: int) -> None:
        self._size = buffer_bytes
        self._source = memoryview(bytearray(buffer_bytes))
        self._target = memoryview(bytearray(buffer_bytes))
        self._place = 0
        self._touch_all_pages()

    def move(self, count: int) -> int:
        """Copy the next half as many bytes, no more than up to the end; return how many were read and written."""
        end = min(self._place + max(1, count // 2), self._size)
        self._target[self._place : end] = self._source[self._place : end]
        copied = end - self._place
        self._place = end % self._size
        return 2 * copied

    def _touch_all_pages(self) -> None:
        # A page that was never written is not there yet, or is one page of zeros that stands for all.
        noise = memoryview(os.urandom(min(_FILL_BYTES, self._size)))
        for start in range(0, self._size, len(noise)):
            piece = noise[: self._size - start]
            self._source[start : start + len(piece)] = piece
            self._target[start : start + len(piece)] = piece


def main(options: Sequence[str]) -> None:
    """Stream as the command line says."""
    bytes_per_s = float(options[options.index("--bytes-per-s") + 1])
    buffer_bytes = int(options[options.index("--buffer-bytes") + 1])
    lifeline = Lifeline()
    try:
        stream = Stream(buffer_bytes)
    except MemoryError:
        lifeline.give_up(f"two buffers of {buffer_bytes} bytes are more than there is memory for")
    lifeline.say_ready()
    keep_pace(lifeline, bytes_per_s, PIECES, stream.move)
