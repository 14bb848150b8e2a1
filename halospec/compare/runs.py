"""A run that is to be compared, and what it is called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from halospec.analysis.printable import printable
from halospec.analysis.requests import Requests
from halospec.records.manifest import Manifest


@dataclass(frozen=True, eq=False)
class ComparedRun:
    """A run to compare, under the name that it is told by.

    Attributes
    ----------
    torn
        Whether the journal's last line was cut short and is left out.
    """

    name: str
    path: Path
    requests: Requests
    manifest: Manifest | None
    torn: bool = False

    @property
    def is_placebo(self) -> bool:
        """Whether it went on although the server ignores the draft length."""
        return self.requests.placebo or (self.manifest is not None and self.manifest.placebo)


def directory_of(path: Path) -> Path:
    """Return the run directory that a path, of the directory or of a file in it, stands for."""
    whole = path.resolve()
    return whole if whole.is_dir() else whole.parent


def unique_names(paths: Sequence[Path]) -> tuple[str, ...]:
    """Return a name for each run: its directory's, with as many of the folders above as tell it from the others.

    Raises
    ------
    ValueError
        If a run is there twice.
    """
    directories = [directory_of(path) for path in paths]
    for directory, count in Counter(directories).items():
        if count > 1:
            raise ValueError(f"{directory} is given twice; a run differs from itself in nothing.")
    names = [printable(directory.name or str(directory)) for directory in directories]
    for depth in range(2, 1 + max(len(directory.parts) for directory in directories)):
        taken = Counter(names)
        names = [
            printable("/".join(directory.parts[-depth:])) if taken[name] > 1 else name
            for directory, name in zip(directories, names, strict=True)
        ]
    # Names that differ only in characters which cannot be shown are equal even now.
    return tuple(
        f"{name} ({names[:place].count(name) + 1})" if names.count(name) > 1 else name
        for place, name in enumerate(names)
    )
