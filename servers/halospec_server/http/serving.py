"""Runs the application until it is told to stop, and then stops it in order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import sys
from types import FrameType

import uvicorn

from halospec_server.http.app import Application
from halospec_server.llama import LlamaError

_log = logging.getLogger("halospec_server")

_FLUSH_S = 2.0
"""How long a client may take to fetch the end of its reply once all replies are complete."""
_LAST_RESORT_S = 5
_KEEP_ALIVE_S = 75
"""Longer than clients keep idle connections, so that none sends a request into one that is just being closed."""


class Server(uvicorn.Server):
    """A server that, told to stop, answers 503 to newcomers until those are served whose text is being written.

    Told a second time, it ends them before their next round.
    """

    def __init__(self, app: Application, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._app = app
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until told to stop."""
        self._loop = asyncio.get_running_loop()
        await super().serve(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  # uvicorn's signature
        """Begin to stop, or hurry up; called on a signal, from any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._told_to_stop)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Warm the models up, then open the socket."""
        try:
            # The application would do it itself, but could only fail with a traceback.
            await self._app.worker.start()
        except LlamaError as error:
            _log.error("the models cannot decode: %s", error)
            sys.exit(1)
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close what is left."""
        # uvicorn would cancel them, and log it as a fault.
        asyncio.get_running_loop().call_later(_FLUSH_S, self._cut_connections)
        await super().shutdown(sockets)

    def _told_to_stop(self) -> None:
        if self._stopping is None:
            self._stopping = asyncio.get_running_loop().create_task(self._finish())
        else:
            self._hurry.set()

    async def _finish(self) -> None:
        worker, grace_s = self._app.worker, self._app.settings.shutdown_grace_s
        worker.drain()
        _log.info("shutting down; requests that are being served have %g s to finish", grace_s)
        reasons = [asyncio.ensure_future(worker.idle()), asyncio.ensure_future(self._hurry.wait())]
        await asyncio.wait(reasons, timeout=grace_s, return_when=asyncio.FIRST_COMPLETED)
        for reason in reasons:
            reason.cancel()
        worker.end()
        await worker.idle()
        self.should_exit = True

    def _cut_connections(self) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.abort()


def serve_app(app: Application, *, host: str, port: int) -> None:
    """Serve until a signal says to stop; by then every request has its answer.

    Raises
    ------
    SystemExit
        If the server cannot start, for example because the port is taken; the log says why.
    """
    # Outside uvicorn's own handlers, in the last moments, an impatient Ctrl-C is no fault either.
    with contextlib.suppress(KeyboardInterrupt):
        server_for(app, host=host, port=port).run()


def server_for(app: Application, *, host: str, port: int) -> Server:
    """Return a server that is not started yet."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        lifespan="on",
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_LAST_RESORT_S,
    )
    return Server(app, config)
