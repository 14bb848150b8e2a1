"""Replacing a file in one step."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from pathlib import Path

from halospec.aliases.errors import AliasError

_ANY_WRITE_BIT = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that a reader finds the old content or the new, never half of it.

    Its owner and permission bits stay; a new file is its owner's alone. Where the path is a link, what it leads to is
    replaced. A file that may not be written is not replaced either, although its directory would allow it.

    Raises
    ------
    AliasError
        If that is not possible; the file is as it was.
    """
    target = path.resolve()
    temporary: Path | None = None
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _require_writable(target)
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as file:
            temporary = Path(file.name)
            file.write(content)
            if target.exists():
                _take_after(target, file.fileno(), temporary)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError as fault:
        if temporary is not None:
            # The first failure is the one to tell; if not even the temporary file can go, it is only litter.
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
        raise AliasError(f"Cannot write {path}: {fault.strerror or fault}.") from fault


def _require_writable(target: Path) -> None:
    # The superuser may write anything, and whoever takes every write bit off a file means it all the same.
    if target.exists() and not (target.stat().st_mode & _ANY_WRITE_BIT and os.access(target, os.W_OK)):
        raise PermissionError(errno.EACCES, "it is read-only")


def _take_after(model: Path, descriptor: int, path: Path) -> None:
    """Give a new file the owner and the permission bits of another."""
    wanted = model.stat()
    if os.name == "posix":
        have = os.fstat(descriptor)
        if (have.st_uid, have.st_gid) != (wanted.st_uid, wanted.st_gid):
            os.fchown(descriptor, wanted.st_uid, wanted.st_gid)
    path.chmod(wanted.st_mode & 0o7777)
