"""What every check looks at."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from halospec.doctor.look import Look
from halospec.doctor.system_files import SystemFiles


@dataclass(frozen=True)
class Machine:
    """A machine, as far as it can be seen from here.

    Attributes
    ----------
    look
        What went on while it was watched for a moment; ``None`` if it was not.
    runs
        The folder that runs go to.
    server_url
        The server that is to be measured, if one was named.
    """

    files: SystemFiles = field(default_factory=SystemFiles)
    look: Look | None = None
    runs: Path = field(default_factory=lambda: Path("runs"))
    server_url: str | None = None
