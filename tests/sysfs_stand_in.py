"""Files that stand in for the kernel's /sys, and for its refusals, which root would never meet."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest


def write(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{content}\n")
    return path


def refuse(monkeypatch: pytest.MonkeyPatch, *paths: Path) -> None:
    """Let these files be for root alone."""
    opened, allowed = os.open, os.access

    def open_unless_refused(path: os.PathLike[str] | str, *rest: object, **named: object) -> int:
        if Path(path) in paths:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return opened(path, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", open_unless_refused)
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) not in paths and allowed(path, mode))


def go_dumb(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Let every open file fail from now on, as those of a device do that sleeps or is gone."""

    def fail(_descriptor: int, _length: int, _offset: int) -> bytes:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "pread", fail)


def virtual_cpuinfo(root: Path) -> Path:
    return write(root / "virtual_cpuinfo", "processor\t: 0\nflags\t\t: fpu vme hypervisor lahf_lm")


def real_cpuinfo(root: Path) -> Path:
    return write(root / "cpuinfo", "processor\t: 0\nflags\t\t: fpu vme lahf_lm")
