"""k by starting a server anew: a command line of the user's, run, health-checked and ended by HaloSpec."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio

from halospec.child_process import ending_in_words, is_illegal_instruction, last_lines
from halospec.clock import Clock
from halospec.endpoints.connection import ConnectionSettings, open_client
from halospec.endpoints.types import RequestChange
from halospec.knobs.leash import LeashedProcess
from halospec.knobs.readiness import is_gone, is_ready, something_listens
from halospec.knobs.server_command import ServerCommand
from halospec.knobs.types import KnobError, KnobKind, Switch, SwitchReason

__all__ = ["Restart", "ServerCommand"]

START_TIMEOUT_S = 600.0
STOP_GRACE_S = 15.0
_POLL_S = 0.05
_LOG_LINES = 3
_OUR_KEY = "HALOSPEC_API_KEY"


class Restart:
    """Starts the server anew for each other k.

    Its output is appended to ``log_path``. It inherits the environment, all but the key with which HaloSpec asks
    servers: that is ours to send, not a server's to find in its environment. (HALOSPEC_SERVER_API_KEY stays: it is
    the bundled server's own setting.)

    Parameters
    ----------
    start_timeout_s
        How long it may take until it answers.
    stop_grace_s
        How long it may take to end in order; then it is killed.

    Raises
    ------
    ValueError
        If no request can be made with these connection settings.
    """

    name = "restart"
    kind = KnobKind.RESTART
    per_request = False
    lengths: frozenset[int] | None = None

    def __init__(
        self,
        command: ServerCommand,
        clock: Clock,
        log_path: Path,
        *,
        connection: ConnectionSettings | None = None,
        start_timeout_s: float = START_TIMEOUT_S,
        stop_grace_s: float = STOP_GRACE_S,
    ) -> None:
        self._command = command
        self._clock = clock
        self._log_path = log_path
        self._start_timeout_s = start_timeout_s
        self._stop_grace_s = stop_grace_s
        self._process: LeashedProcess | None = None
        self._draft_length: int | None = None
        self._ran_before = False
        self._log_start_byte = 0
        self._client = open_client(command.url, connection or ConnectionSettings(), None)

    @property
    def url(self) -> str:
        """Where the server answers, or will."""
        return self._command.url

    def request_change(self, draft_length: int) -> RequestChange:  # noqa: ARG002  (a knob's signature)
        """Return no change: the server knows k from its start."""
        return RequestChange()

    async def switch_to(self, draft_length: int) -> Switch | None:
        """Start the server with this draft length, after ending the one that runs; None if it runs with it already.

        A server that died by itself is started again. The switch lasts from the moment when the old server is told to
        end until the new one answers. Should that fail or be cancelled, no server is left running.

        Raises
        ------
        KnobError
            If the server cannot be started, or does not answer.
        """
        died = await self._has_died()
        if self._process is not None and not died and draft_length == self._draft_length:
            return None
        started_ns = self._clock()
        try:
            await self._stop()
            await self._start(draft_length)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._stop()
            raise
        ended_ns = self._clock()
        reason = SwitchReason.DIED if died else SwitchReason.CHANGED if self._ran_before else SwitchReason.FIRST
        self._draft_length, self._ran_before = draft_length, True
        return Switch(draft_length, reason, started_ns, ended_ns, self._command.shown(draft_length))

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        with anyio.CancelScope(shield=True):
            await self._stop()
            await self._client.__aexit__(kind, fault, trace)

    async def _has_died(self) -> bool:
        if self._process is None:
            return False
        # Its sockets close a moment before the process is known to have ended.
        return self._process.returncode is not None or await is_gone(self._client, self.url)

    async def _stop(self) -> None:
        if self._process is not None:
            # Known until it is gone: whoever is cancelled while waiting for its end waits for it once more.
            await self._process.stop()
            self._process = None

    async def _start(self, draft_length: int) -> None:
        arguments = self._command.expand(draft_length)
        if shutil.which(arguments[0]) is None:
            raise KnobError(
                f"The server command's program, {arguments[0]}, is not there or cannot be run; check its name, or give"
                " its full path."
            )
        if await something_listens(self.url):
            raise KnobError(
                f"Something already answers at {self.url}, where the server is to be started; stop it, or let the"
                " server listen elsewhere (--port {port} takes a free port)."
            )
        self._process = await self._spawn(arguments)
        await self._wait_until_it_answers(self._process)

    async def _spawn(self, arguments: tuple[str, ...]) -> LeashedProcess:
        environment = {name: value for name, value in os.environ.items() if name != _OUR_KEY}
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        with self._log_path.open("ab") as log:
            self._log_start_byte = log.seek(0, os.SEEK_END)
            try:
                return await LeashedProcess.start(arguments, environment, log, grace_s=self._stop_grace_s)
            except OSError as problem:
                raise KnobError(f"The server could not be started ({problem.strerror or problem}).") from problem

    async def _wait_until_it_answers(self, process: LeashedProcess) -> None:
        with anyio.move_on_after(self._start_timeout_s):
            while process.returncode is None:
                if await is_ready(self._client, self.url):
                    return
                await anyio.sleep(_POLL_S)
        if process.returncode is None:
            raise KnobError(
                f"The server did not answer at {self.url} within {self._start_timeout_s:g} s (log: {self._log_path});"
                " check that this is where it listens."
            )
        raise KnobError(self._why_it_died(process.returncode))

    def _why_it_died(self, returncode: int) -> str:
        if is_illegal_instruction(returncode):
            return (
                "The server died of an illegal instruction: it was built for another CPU. Build it again for this one"
                f" (llama.cpp: with -DGGML_NATIVE=OFF for any); its log is {self._log_path}."
            )
        said = " / ".join(last_lines(self._log_path, count=_LOG_LINES, start_byte=self._log_start_byte))
        for secret in self._command.secrets:
            said = said.replace(secret, "***")
        ending = ending_in_words(returncode)
        return f"The server {ending} before it answered: {said or 'it wrote nothing'} (log: {self._log_path})"
