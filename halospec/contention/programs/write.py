"""Writes a file and syncs it, over and over: ``write --bytes-per-s 5e7 --size-bytes 256000000 --directory PATH``.

The rate is times the level that the lifeline names. The file goes with this process, however that ends: it never gets
a name, where the system can do that, or loses it right after it was opened; on Windows it is deleted when it is closed.
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Sequence

from halospec.contention.programs.lifeline import Lifeline
from halospec.contention.programs.pace import Pieces, keep_pace

PIECES = Pieces(every_s=0.02, least_bytes=4 * 1024, most_bytes=8 * 1024 * 1024, carry_s=0.25)
"""Syncing takes milliseconds, and now and then a tenth of a second, in which nothing can be written."""

_NO_RESERVING = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)


class OwnFile:
    """A file without a name, of bounded size, and the place up to which it is written.

    Raises
    ------
    OSError
        If there can be none, for instance because the disk has no room for all of it; `write` raises it too.
    """

    def __init__(self, directory: str, size_bytes: int) -> None:
        self._size = size_bytes
        self._file = tempfile.TemporaryFile(prefix="halospec-load-", dir=directory, buffering=0)  # noqa: SIM115
        self._place = 0
        # Noise, so that no file system or disk can make less of it.
        self._noise = memoryview(os.urandom(min(2 * PIECES.most_bytes, max(2, 2 * size_bytes))))
        _reserve(self._file.fileno(), size_bytes)

    def write(self, count: int) -> int:
        """Write the next bytes, no more than up to the end, down to the disk; return how many they were."""
        count = min(count, self._size - self._place, len(self._noise) // 2)
        # From another place each time: some file systems keep equal blocks once.
        start = (self._place // 7) % (len(self._noise) - count + 1)
        self._file.seek(self._place)
        written = self._file.write(self._noise[start : start + count])
        _sync(self._file.fileno())
        self._place = (self._place + written) % self._size
        return written


def _reserve(descriptor: int, size_bytes: int) -> None:
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(descriptor, 0, size_bytes)
    except OSError as error:
        # Not every file system can; then a disk that is too full shows only while it is written.
        if error.errno not in _NO_RESERVING:
            raise


def _sync(descriptor: int) -> None:
    if hasattr(os, "fdatasync"):
        os.fdatasync(descriptor)
    else:
        os.fsync(descriptor)


def main(options: Sequence[str]) -> None:
    """Write as the command line says."""
    bytes_per_s = float(options[options.index("--bytes-per-s") + 1])
    size_bytes = int(options[options.index("--size-bytes") + 1])
    directory = options[options.index("--directory") + 1]
    lifeline = Lifeline()
    try:
        file = OwnFile(directory, size_bytes)
        lifeline.say_ready()
        keep_pace(lifeline, bytes_per_s, PIECES, file.write)
    except OSError as error:
        lifeline.give_up(f"a file of {size_bytes} bytes cannot be written in {directory}: {error.strerror or error}")
