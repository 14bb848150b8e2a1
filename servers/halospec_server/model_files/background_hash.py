"""Checksums of model files, reckoned while the models are being loaded."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

from halospec_server.model_files.model_cache import sha256_of


class BackgroundHash:
    """Hashes files on a thread of its own, once each; those that are unchanged since an earlier start cost nothing.

    The thread holds up nobody: a start that fails does not wait for it. It is to be waited for before anything is
    measured.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._sums: dict[Path, Future[str]] = {path: Future() for path in paths}
        threading.Thread(target=self._run, name="checksums", daemon=True).start()

    def of(self, path: Path) -> str:
        """Wait for the SHA-256 of one of the files.

        Raises
        ------
        OSError
            If it could not be read.
        """
        return self._sums[path].result()

    def _run(self) -> None:
        for path, checksum in self._sums.items():
            try:
                checksum.set_result(sha256_of(path))
            except Exception as error:  # noqa: BLE001  # whatever it is, whoever waits for the checksum gets it
                checksum.set_exception(error)
