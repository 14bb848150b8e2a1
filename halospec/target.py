"""A server to measure, opened: found, recognised, and with the knobs that may set its draft length."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from halospec.clock import Clock
from halospec.config import AUTO, TargetSettings, debug_json_wanted
from halospec.endpoints.api import ServerApi
from halospec.endpoints.chat import ChatEndpoint
from halospec.endpoints.connection import open_client
from halospec.endpoints.preflight import PreflightError, ServerFacts, check_server
from halospec.knobs.naming import Surroundings, candidate_knobs, knob_named
from halospec.knobs.no_knob import NoKnob
from halospec.knobs.restart import Restart, ServerCommand
from halospec.knobs.types import Knob
from halospec.probe.observer import ProbeObserver
from halospec.probe.probe import probe
from halospec.probe.settings import ProbeSettings
from halospec.records.probe import ProbeReport, Untried


@dataclass(frozen=True)
class Target:
    """A server that answers.

    Attributes
    ----------
    knobs
        The one that was named, or all that may work, likeliest first. They have been entered.
    untried
        Those that would change the server and were not named.
    """

    server: ServerFacts
    api: ServerApi
    knobs: tuple[Knob, ...]
    untried: tuple[Untried, ...]
    clock: Clock
    _settings: TargetSettings

    def endpoint(self, knob: Knob | None = None) -> ChatEndpoint:
        """Return an endpoint that this knob steers; the caller enters it."""
        steering = NoKnob() if knob is None else knob
        return ChatEndpoint(
            self.server.base_url,
            self.server.model,
            self.clock,
            dialect=self.server.dialect,
            steer=steering.request_change,
            connection=self._settings.connection,
            timeout_s=self._settings.timeout_s,
            debug_json=debug_json_wanted(),
        )


@asynccontextmanager
async def open_target(
    settings: TargetSettings, clock: Clock, server_log: Path, *, first_length: int
) -> AsyncIterator[Target]:
    """Find the server, or start it where a command for it is given; on leaving, everything is as it was.

    Parameters
    ----------
    server_log
        Where the output of a server that is started goes.
    first_length
        k of its first start: at a k that will be asked for, and that drafts, it says of its speculation what holds.

    Raises
    ------
    PreflightError
        If there is no server that could be measured, or a setting does not suit it.
    KnobError
        If a server could not be started.
    """
    async with AsyncExitStack() as stack:
        restart = None
        if settings.server_command is not None:
            restart = await stack.enter_async_context(_restart(settings, settings.server_command, clock, server_log))
            await restart.switch_to(first_length)
        server = await check_server(
            restart.url if restart else settings.url,
            model=settings.model,
            connection=settings.connection,
            server=settings.server,
        )
        client = await stack.enter_async_context(open_client(server.base_url, settings.connection, None))
        api = ServerApi(client, server.base_url, api_key=settings.connection.api_key)
        knobs, untried = _knobs(settings, server, api, clock, restart)
        for knob in knobs:
            if knob is not restart:
                await stack.enter_async_context(knob)
        yield Target(server, api, knobs, untried, clock, settings)


async def probe_target(target: Target, asked: ProbeSettings, observer: ProbeObserver) -> ProbeReport:
    """Probe a server that is open already."""
    async with target.endpoint() as endpoint:
        return await probe(
            endpoint,
            target.knobs,
            target.server,
            target.api,
            target.clock,
            untried=target.untried,
            settings=asked,
            observer=observer,
        )


def _restart(settings: TargetSettings, command: str, clock: Clock, server_log: Path) -> Restart:
    # Settings hold no command that cannot be parsed.
    parsed = ServerCommand.parse(command, url=settings.url, draft_args=settings.drafting)
    try:
        return Restart(parsed, clock, server_log, connection=settings.connection)
    except ValueError as problem:
        raise PreflightError(f"No request can be made: {problem}.") from problem


def _knobs(
    settings: TargetSettings, server: ServerFacts, api: ServerApi, clock: Clock, restart: Restart | None
) -> tuple[tuple[Knob, ...], tuple[Untried, ...]]:
    around = Surroundings(
        model=server.model,
        models=server.models,
        api=api,
        clock=clock,
        request_fields=server.kind.request_fields,
        is_router=server.speculation.is_router,
        can_reload=server.speculation.can_reload,
        draft_args=settings.drafting,
        restart=restart,
    )
    try:
        if settings.knob != AUTO:
            return (knob_named(settings.knob, around),), ()
        candidates = candidate_knobs(around)
    except ValueError as problem:
        raise PreflightError(str(problem)) from problem
    return candidates.knobs, candidates.untried
