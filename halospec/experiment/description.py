"""What has to be written down beside every measurement, and whether there is room for it."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pydantic import JsonValue

from halospec.config import TargetSettings
from halospec.knobs.arguments import shown_arguments, split_arguments
from halospec.records.store import StoreError

_PACKAGES = ("anyio", "httpx", "numpy", "pandas", "psutil", "pydantic", "scipy", "llama-cpp-python")


def settings_to_keep(settings: TargetSettings) -> dict[str, JsonValue]:
    """Return settings without the keys that may stand among the arguments of a command line."""
    command_lines = {
        "server_command": settings.server_command,
        "draft_args": settings.draft_args,
        "no_draft_args": settings.no_draft_args,
    }
    shown = {
        name: None if line is None else shown_arguments(split_arguments(line)) for name, line in command_lines.items()
    }
    return {**settings.model_dump(mode="json"), **shown}


def software_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages on which measurements depend; those not there are left out."""
    found = {name: version_ for name in _PACKAGES if (version_ := _version_of(name)) is not None}
    return {"python": platform.python_version(), **found}


def require_unused_directory(directory: Path, *files: Path) -> None:
    """Make sure, before anything is measured, that results can be written to a directory that holds none.

    Parameters
    ----------
    files
        Those that would be there if it did.

    Raises
    ------
    StoreError
        If it does, or cannot be written to.
    """
    used = next((path for path in files if path.exists()), None)
    if used is not None:
        raise StoreError(f"{directory} holds a run already ({used.name}); give another directory with --out.")
    absolute = directory.absolute()
    nearest = next(path for path in (absolute, *absolute.parents) if path.exists())
    if not (nearest.is_dir() and os.access(nearest, os.W_OK)):
        raise StoreError(f"Nothing can be written below {nearest}; give another directory with --out.")


def _version_of(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
