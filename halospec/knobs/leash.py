"""A foreign program as a child process that cannot outlive this one."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Self

import anyio
from anyio.abc import Process

from halospec.child_process import new_session_flags

_PROGRAM = Path(__file__).with_name("leashed_process.py")
_SLACK_S = 5.0
"""What the program in between may add to the time that the program under it takes to end."""


class LeashedProcess:
    """A program under `leashed_process`, which ends it when this process lets go of a pipe, or is no more."""

    def __init__(self, process: Process, lifeline: int, grace_s: float) -> None:
        self._process = process
        self._lifeline: int | None = lifeline
        self._grace_s = grace_s

    @classmethod
    async def start(
        cls, arguments: Sequence[str], environment: Mapping[str, str], log: BinaryIO, *, grace_s: float
    ) -> Self:
        """Start a program with its output in a log.

        Parameters
        ----------
        grace_s
            How long it may take to end in order once it is told to.

        Raises
        ------
        OSError
            If no process could be started.
        """
        inner_end, lifeline = os.pipe()
        try:
            process = await anyio.open_process(
                [sys.executable, "-I", "-S", str(_PROGRAM), repr(grace_s), *arguments],
                stdin=inner_end,
                stdout=log,
                stderr=log,
                env=environment,
                # Ctrl-C is for this process, which then stops the other one in order.
                start_new_session=True,
                creationflags=new_session_flags(),
            )
        except BaseException:
            os.close(lifeline)
            raise
        finally:
            os.close(inner_end)
        return cls(process, lifeline, grace_s)

    @property
    def returncode(self) -> int | None:
        """How it ended, negative for a signal; None while it runs."""
        return self._process.returncode

    async def stop(self) -> None:
        """End it and all that it started, and return when it is gone."""
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None
        with anyio.move_on_after(self._grace_s + _SLACK_S):
            await self._process.wait()
            return
        self._process.kill()
        await self._process.wait()
