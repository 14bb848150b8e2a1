"""Running the set-up programs of servers/ with stand-ins for what compiles and installs. Nothing here compiles."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SERVERS = Path(__file__).resolve().parents[1] / "servers"
WHEEL_NAME = "{stem}-{version}-py3-none-any.whl"
NOTES_ITS_CALLS = """
import os, pathlib, sys, time
stand_ins = pathlib.Path(__file__).parents[1]
with open(stand_ins / "pip-calls", "a") as calls:
    calls.write(sys.argv[1] + "\\n")
if sys.argv[1] == "wheel":
"""
WRITES_A_WHEEL = f"""
folder = pathlib.Path(sys.argv[sys.argv.index("--wheel-dir") + 1])
name, _, version = sys.argv[-1].partition("==")
(folder / {WHEEL_NAME!r}.format(stem=name.replace("-", "_"), version=version)).write_bytes(b"stand-in")
"""


@dataclass(frozen=True)
class SetUp:
    """A set-up program, a virtual environment to run it in, an empty cache, and stand-ins before what is installed."""

    program: Path
    python: Path
    cache: Path
    stand_ins: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.cache.parent),
            "XDG_CACHE_HOME": str(self.cache),
            "PYTHONPATH": str(self.stand_ins),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    @property
    def wheels(self) -> Path:
        return self.cache / "halospec" / "wheels"

    @property
    def pip_calls(self) -> list[str]:
        """The subcommands that the stand-in pip was called with, in order."""
        calls = self.stand_ins / "pip-calls"
        return calls.read_text().split() if calls.exists() else []

    def stand_in(self, package: str, file: str, source: str) -> None:
        path = self.stand_ins / package / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source))

    def stand_in_pip(self, on_wheel: str) -> None:
        """Put a pip in place that notes its subcommand, installs nothing, and does ``on_wheel`` when asked to build."""
        self.stand_in("pip", "__init__.py", "")
        self.stand_in("pip", "__main__.py", NOTES_ITS_CALLS + textwrap.indent(on_wheel, "    "))

    def run(self, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.python, self.program],
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


def python_of(environment: Path) -> Path:
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def make_bare_environment(folder: Path) -> Path:
    """Make a virtual environment without pip, and return it."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    return folder


def put_stand_in_wheel(folder: Path, name: str, version: str, files: Mapping[str, str]) -> None:
    """Write a wheel of these files that pip accepts as a distribution of that name."""
    folder.mkdir(parents=True)
    stem = name.replace("-", "_")
    metadata = f"{stem}-{version}.dist-info"
    with zipfile.ZipFile(folder / WHEEL_NAME.format(stem=stem, version=version), "w") as wheel:
        for path, content in files.items():
            wheel.writestr(path.format(metadata=metadata), content)
        wheel.writestr(f"{metadata}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(
            f"{metadata}/WHEEL", "Wheel-Version: 1.0\nGenerator: a test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{metadata}/RECORD", "")
