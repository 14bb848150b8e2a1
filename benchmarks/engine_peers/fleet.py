"""The systems, started and ready: one process each, or one a draft length where a server takes it at its start."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from engine_peers.loop_protocol import LoopReply, LoopRequest
from engine_peers.plan import Cell
from engine_peers.processes import Child, CpuReading, free_port
from engine_peers.records import Measurement, Reply, SystemName
from engine_peers.streaming import Asked, Together, ask_together
from engine_peers.systems import Server, Setup
from halospec.workloads.prompts import Prompt

PROGRAMS = Path(__file__).resolve().parent.parent
LOOPS: dict[SystemName, Path] = {"bare": PROGRAMS / "bare_loop.py", "engine": PROGRAMS / "engine_loop.py"}
WARM_UP_TOKENS = 8


class Started(Protocol):
    """A process that writes texts."""

    @property
    def child(self) -> Child:
        """The process."""
        ...

    async def write(self, prompts: Sequence[Prompt], draft_length: int, tokens: int) -> Together:
        """Write one text a prompt, all at the same time."""
        ...


@dataclass(frozen=True)
class StartedLoop:
    """A decode loop without a server, asked over its standard streams."""

    child: Child

    async def write(self, prompts: Sequence[Prompt], draft_length: int, tokens: int) -> Together:
        """Write one text a prompt, all at the same time.

        Raises
        ------
        StartFault
            If the process has ended.
        """
        process = self.child.process
        if process.stdin is None or process.stdout is None:
            raise ValueError("a loop was started without its standard streams")
        texts = tuple(prompt.text for prompt in prompts)
        request = LoopRequest(prompts=texts, draft_length=draft_length, tokens=tokens)
        self.child.require_running()
        process.stdin.write(request.model_dump_json() + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            process.wait()
            self.child.require_running()
        reply = LoopReply.model_validate_json(line)
        replies = (
            Reply(prompt_id=prompt.prompt_id, **text.model_dump())
            for prompt, text in zip(prompts, reply.texts, strict=True)
        )
        return Together(tuple(replies), reply.wall_ms, reply.outside_decode)


@dataclass(frozen=True)
class StartedServer:
    """A server on a port of the loopback interface."""

    child: Child
    server: Server
    port: int

    async def write(self, prompts: Sequence[Prompt], draft_length: int, tokens: int) -> Together:
        """Write one text a prompt, all at the same time."""
        asked = [Asked(prompt.prompt_id, self.server.body(prompt.text, draft_length, tokens)) for prompt in prompts]
        return await ask_together(self.port, asked, tokens)


@dataclass(frozen=True)
class _Key:
    system: SystemName
    configuration: int | None


@dataclass(frozen=True)
class Place:
    """Where a measurement stands in a run: its repetition, counted from 0, and its attempt, counted from 1."""

    repetition: int
    attempt: int


class Fleet:
    """Every process of a run. All but the one in use are asleep: an idle server takes no CPU time."""

    def __init__(self, setup: Setup, servers: Sequence[Server], logs: Path) -> None:
        self._setup = setup
        self._servers: dict[SystemName, Server] = {server.name: server for server in servers}
        self._logs = logs
        self._started: dict[_Key, Started] = {}
        self._stack = ExitStack()

    @asynccontextmanager
    async def running(self, cells: Sequence[Cell], prompt: Prompt) -> AsyncIterator[None]:
        """Start what the cells need, warm it up, and end it all afterwards.

        Raises
        ------
        StartFault
            If one of them does not start.
        """
        with self._stack:
            # The longest drafts first: the process that serves every length is then warm in all of them.
            for cell in sorted(cells, key=lambda cell: -cell.draft_length):
                key = self._key(cell)
                if key not in self._started:
                    self._started[key] = self._start(cell)
                    prompts = [prompt] * self._setup.parallel
                    await self._started[key].write(prompts, cell.draft_length, WARM_UP_TOKENS)
            yield

    async def measure(self, at: Place, cell: Cell, prompts: Sequence[Prompt], tokens: int) -> Measurement:
        """Measure one cell once."""
        started = self._started[self._key(cell)]
        before = CpuReading.now(started.child)
        written = await started.write(prompts, cell.draft_length, tokens)
        foreign_load = CpuReading.now(started.child).foreign_load_since(before)
        return Measurement(
            repetition=at.repetition,
            attempt=at.attempt,
            system=cell.system,
            draft_length=cell.draft_length,
            clients=cell.clients,
            replies=written.replies,
            wall_ms=written.wall_ms,
            outside_decode=written.outside_decode,
            foreign_load=foreign_load,
            memory=started.child.memory(),
        )

    def _key(self, cell: Cell) -> _Key:
        if cell.system in LOOPS:
            return _Key(cell.system, None)
        return _Key(cell.system, self._servers[cell.system].configuration(cell.draft_length))

    def _start(self, cell: Cell) -> Started:
        setup, key = self._setup, self._key(cell)
        name = key.system if key.configuration is None else f"{key.system}-k{key.configuration}"
        log = self._logs / f"{name}.log"
        if cell.system in LOOPS:
            command = (
                *(sys.executable, str(LOOPS[cell.system]), "--serve", "--sequences", str(setup.parallel)),
                *("--target", str(setup.target), "--draft", str(setup.draft)),
                *("--threads", str(setup.threads), "--ctx-size", str(setup.ctx_size)),
            )
            child = Child.start(name, command, log, talks=True)
            self._stack.callback(child.stop)
            return StartedLoop(child)
        server = self._servers[cell.system]
        port = free_port()
        child = Child.start(name, server.command(setup, cell.draft_length, port), log)
        self._stack.callback(child.stop)
        child.wait_until_healthy(f"http://127.0.0.1:{port}{server.health_path}")
        return StartedServer(child, server, port)
