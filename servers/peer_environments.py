"""Virtual environments of their own for the servers that HaloSpec is measured against.

A peer never shares an environment with the project: its dependencies and its licence stay its own, and HaloSpec does no
more than start its program.
"""

from __future__ import annotations

import os
import subprocess
import venv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from wheel_builds import Distribution, SetUpError, install, user_cache


@dataclass(frozen=True)
class PeerEnvironment:
    """Where one build of a peer lives, whether it is there yet or not."""

    folder: Path

    @classmethod
    def of(cls, distribution: Distribution, environment: Mapping[str, str]) -> PeerEnvironment:
        """Return the environment for this machine's build of a distribution."""
        name = f"{distribution.name}-{distribution.recipe(environment).key}"
        return cls(user_cache(environment) / "peers" / name)

    @property
    def program(self) -> Path | None:
        """The peer's program, if it was set up to its end."""
        if not self._note.is_file():
            return None
        program = Path(self._note.read_text(encoding="utf-8").strip())
        return program if program.is_file() else None

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.script("python")

    def script(self, name: str) -> Path:
        """Return where a console script of it is."""
        return self.folder / ("Scripts" if os.name == "nt" else "bin") / (f"{name}.exe" if os.name == "nt" else name)

    def make(self, wheel: Path, extra: str | None = None) -> None:
        """Begin it anew with a wheel, and what its extra asks for.

        Raises
        ------
        SetUpError
            If there is no pip to begin with, or pip refuses.
        """
        try:
            venv.create(self.folder, clear=True, with_pip=True)
        except subprocess.CalledProcessError as error:
            raise SetUpError(
                f"No virtual environment could be made in {self.folder}: on Debian or Ubuntu, sudo apt-get install "
                "python3-venv."
            ) from error
        install(wheel, str(self.python), extra)

    def complete(self, program: Path) -> None:
        """Note that all is in place; without this it is made again the next time."""
        self._note.write_text(f"{program}\n", encoding="utf-8")

    @property
    def _note(self) -> Path:
        return self.folder / "program.txt"


def output_of(*command: str | Path) -> str:
    """Run a peer's program and return what it prints.

    Raises
    ------
    SetUpError
        If it does not start or fails.
    """
    program = command[0]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    except OSError as error:
        raise SetUpError(f"The peer was installed, but {program} cannot be started: {error}.") from error
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or [f"it ended with status {done.returncode}"])[-1]
        raise SetUpError(f"The peer was installed, but {program} does not start: {reason}")
    return done.stdout
