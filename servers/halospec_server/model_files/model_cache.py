"""Where model files are kept between runs, and the checksums that are remembered of them.

Hashing gigabytes takes longer than loading them. So a file is hashed once, and its checksum is kept with its size and
time of modification; while those two stay, it is taken for the same file.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import platformdirs

_log = logging.getLogger("halospec_server.model_files.choice")
_RECORD = re.compile(r"([0-9a-f]{64})(?: (\d+) (\d+))?\s*")
"""A checksum; then, but for records of an earlier version, the file's size and its time of modification in ns."""


class ModelFileError(RuntimeError):
    """A model file could not be had; the message says why and what to do."""


def model_directory() -> Path:
    """Where model files are kept between runs: ``models`` in the user's cache directory."""
    return platformdirs.user_cache_path("halospec") / "models"


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as they are now, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of(path: Path) -> str:
    """Return a file's SHA-256: the remembered one if the file is unchanged since, or else a fresh one."""
    known = remembered_sha256(path)
    if known is None:
        known = file_sha256(path)
        remember_sha256(path, known)
    return known


def remembered_sha256(path: Path) -> str | None:
    """Return the SHA-256 remembered of a file, unless there is none or the file was written since."""
    memory = _Memory.read(path)
    return memory.sha256 if memory is not None and memory.is_about(path) else None


def recorded_sha256(path: Path) -> str | None:
    """Return the SHA-256 that a file had when it was put there, whatever has become of it."""
    memory = _Memory.read(path)
    return memory.sha256 if memory is not None else None


def remember_sha256(path: Path, sha256: str, *, at: Path | None = None) -> None:
    """Keep a file's SHA-256.

    Parameters
    ----------
    at
        The path under which it will be looked for, if the file is yet to be moved there.
    """
    status = path.stat()
    record = _record_path(at or path)
    try:
        record.parent.mkdir(parents=True, exist_ok=True)
        scratch = record.with_name(f"{record.name}.{os.getpid()}")
        scratch.write_text(f"{sha256} {status.st_size} {status.st_mtime_ns}\n", encoding="ascii")
        scratch.replace(record)
    except OSError as error:
        # A cache that is read-only, as in a container, costs hashing at every start and nothing else.
        _log.debug("the checksum of %s is not kept: %s", path.name, error)


def require_room(directory: Path, needed_bytes: int) -> None:
    """Make sure that a file of some size can be written to a directory that need not exist yet.

    Raises
    ------
    ModelFileError
        If the disk has too little room.
    """
    there = next(parent for parent in (directory, *directory.parents) if parent.exists())
    free = shutil.disk_usage(there).free
    if free < needed_bytes:
        raise ModelFileError(
            f"{directory} has {free // 10**6} MB free and the model needs {needed_bytes // 10**6} MB; make room, or "
            "set XDG_CACHE_HOME (HF_HOME for files of the Hugging Face hub) to a larger disk."
        )


@dataclass(frozen=True)
class _Memory:
    """What is remembered of a file."""

    sha256: str
    size_bytes: int | None = None
    mtime_ns: int | None = None

    @classmethod
    def read(cls, path: Path) -> _Memory | None:
        record = _record_path(path)
        if not record.is_file():
            return None
        found = _RECORD.fullmatch(record.read_text(encoding="ascii", errors="replace"))
        if found is None:
            return None
        sha256, *size_and_time = found.groups()
        return cls(sha256, *(None if number is None else int(number) for number in size_and_time))

    def is_about(self, path: Path) -> bool:
        status = path.stat()
        return (self.size_bytes, self.mtime_ns) == (status.st_size, status.st_mtime_ns)


def _record_path(path: Path) -> Path:
    """Return where a file's checksum is kept: beside it if it is ours, or else in our own directory."""
    ours = model_directory()
    if path.is_relative_to(ours):
        return path.with_name(f"{path.name}.sha256")
    where = hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:16]
    return ours / "checksums" / f"{path.name}-{where}.sha256"
