"""What Linux tells in files, /proc and /sys, under a root that can be another in tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SystemFiles:
    """The files below ``root``; paths are written without the leading slash, as in ``proc/cpuinfo``."""

    root: Path = Path("/")

    @property
    def are_there(self) -> bool:
        """Whether this is a system that tells anything in such files."""
        return (self.root / "proc/cpuinfo").exists() or (self.root / "sys/devices/system/cpu").is_dir()

    def text(self, path: str) -> str:
        """Return a file's content without white space around it.

        Raises
        ------
        OSError
            If it is not there, or not for us to read.
        """
        return self._read(self.root / path)

    def text_if_there(self, path: str) -> str | None:
        """Return the same; ``None`` for a file that does not exist."""
        try:
            return self.text(path)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def number(self, path: str) -> int:
        """Return a file that holds one whole number.

        Raises
        ------
        OSError
            If it is not there, or not for us to read.
        ValueError
            If it holds something else.
        """
        return int(self.text(path))

    def matching(self, pattern: str) -> tuple[str, ...]:
        """Return the paths that match a pattern, in order of their names."""
        return tuple(sorted(str(path.relative_to(self.root)) for path in self.root.glob(pattern)))

    def texts(self, pattern: str) -> tuple[str, ...]:
        """Return the contents of all files that match a pattern, in order of their names."""
        return tuple(map(self.text, self.matching(pattern)))

    def _read(self, path: Path) -> str:
        return path.read_text(errors="replace").strip()
