"""The server as a process: what signals do to it, and what it leaves in its log."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

import serve_tiny
from tiny_engines import PATIENCE_S, Pair
from tiny_server import COMPLETIONS, chat, eventually

pytestmark = pytest.mark.skipif(os.name != "posix", reason="there are no such signals on this system")

ENDLESS: dict[str, Any] = {"max_tokens": 59_000, "draft_length": 0}
"""More than the tiny pair writes before it is stopped."""


@dataclass
class Served:
    process: subprocess.Popen[str]
    client: httpx.Client
    log: Path

    @property
    def logged(self) -> str:
        return self.log.read_text()

    def ended_well(self) -> bool:
        """Wait for the end, and return whether it was orderly."""
        return self.process.wait(timeout=PATIENCE_S) == 0 and not any(
            sign in self.logged for sign in ("Traceback", "CancelledError", "Exception", "ERROR")
        )


@contextmanager
def served(pair: Pair, log: Path, *, grace_s: float = 1000.0, log_format: str = "text") -> Iterator[Served]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = [serve_tiny.__file__, *map(str, (*pair, port, grace_s, log_format))]
    with (
        log.open("w") as stderr,
        subprocess.Popen([sys.executable, *arguments], stderr=stderr, text=True) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=PATIENCE_S) as client,
    ):
        try:
            eventually(lambda: process.poll() is not None or answers(client))
            assert process.poll() is None, log.read_text()
            yield Served(process, client, log)
        finally:
            process.kill()


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/health").is_success
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_with_nothing_to_do_it_ends_at_once_and_well(tiny_pair: Pair, tmp_path: Path, sig: signal.Signals) -> None:
    with served(tiny_pair, tmp_path / "log") as server:
        assert server.client.post(COMPLETIONS, json=chat()).status_code == 200
        server.process.send_signal(sig)
        assert server.ended_well()


def test_a_stream_is_finished_first(tiny_pair: Pair, tmp_path: Path) -> None:
    body = chat(max_tokens=2000, stream=True, draft_length=0)
    with served(tiny_pair, tmp_path / "log") as server:
        with server.client.stream("POST", COMPLETIONS, json=body) as reply:
            lines = reply.iter_lines()
            next(lines)
            server.process.send_signal(signal.SIGTERM)
            *_, last = (line for line in lines if line)
            assert last == "data: [DONE]"
        assert server.ended_well()


def test_after_the_grace_streams_end_with_an_error(tiny_pair: Pair, tmp_path: Path) -> None:
    with served(tiny_pair, tmp_path / "log", grace_s=0.1) as server:
        with server.client.stream("POST", COMPLETIONS, json=chat(stream=True, **ENDLESS)) as reply:
            lines = reply.iter_lines()
            next(lines)
            server.process.send_signal(signal.SIGINT)
            *_, last = (line for line in lines if line)
            assert json.loads(last.removeprefix("data: "))["error"]["code"] == "server_shutting_down"
        assert server.ended_well()


def test_a_second_signal_ends_the_grace(tiny_pair: Pair, tmp_path: Path) -> None:
    with (
        served(tiny_pair, tmp_path / "log") as server,
        server.client.stream("POST", COMPLETIONS, json=chat(stream=True, **ENDLESS)) as reply,
    ):
        lines = reply.iter_lines()
        next(lines)
        server.process.send_signal(signal.SIGTERM)
        eventually(lambda: "shutting down" in server.logged)
        server.process.send_signal(signal.SIGTERM)
        *_, last = (line for line in lines if line)
        assert json.loads(last.removeprefix("data: "))["error"]["code"] == "server_shutting_down"
        assert server.ended_well()


def test_a_client_that_reads_nothing_does_not_hold_it_up(tiny_pair: Pair, tmp_path: Path) -> None:
    with served(tiny_pair, tmp_path / "log", grace_s=0.0) as server, socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect((server.client.base_url.host, server.client.base_url.port))
        body = json.dumps(chat(stream=True, logprobs=True, top_logprobs=20, **ENDLESS))
        head = f"POST {COMPLETIONS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        deaf.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        assert deaf.recv(10)
        server.process.send_signal(signal.SIGTERM)
        assert server.ended_well()


def test_a_body_that_stops_halfway_does_not_hold_it_up_either(tiny_pair: Pair, tmp_path: Path) -> None:
    with served(tiny_pair, tmp_path / "log") as server, socket.socket() as slow:
        slow.connect((server.client.base_url.host, server.client.base_url.port))
        slow.sendall(f"POST {COMPLETIONS} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{{".encode())
        server.client.get("/v1/models")
        server.process.send_signal(signal.SIGTERM)
        assert server.ended_well()


def test_its_log_is_one_json_object_a_line_if_asked_for(tiny_pair: Pair, tmp_path: Path) -> None:
    with served(tiny_pair, tmp_path / "log", log_format="json") as server:
        headers = {"X-Request-Id": "abc"}
        assert server.client.post(COMPLETIONS, json=chat(), headers=headers).status_code == 200
        server.process.send_signal(signal.SIGTERM)
        assert server.ended_well()
        records: list[dict[str, Any]] = [json.loads(line) for line in server.logged.splitlines()]
    (request,) = [record for record in records if record["message"] == "request"]
    assert (request["id"], request["status"], request["completion_tokens"]) == ("abc", 200, 24)
    assert request["level"] == "INFO"
    assert request["timestamp"]


def test_otherwise_it_is_for_people(tiny_pair: Pair, tmp_path: Path) -> None:
    with served(tiny_pair, tmp_path / "log") as server:
        assert server.client.get("/v1/two words").status_code == 404
        server.process.send_signal(signal.SIGTERM)
        assert server.ended_well()
        (line,) = [line for line in server.logged.splitlines() if "request" in line and "404" in line]
    assert ' method=GET path="/v1/two words" status=404 ' in line


def test_a_port_that_is_taken_is_said_without_a_traceback(tiny_pair: Pair) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        arguments = [serve_tiny.__file__, *map(str, (*tiny_pair, taken.getsockname()[1], 1, "text"))]
        done = subprocess.run(
            [sys.executable, *arguments], capture_output=True, text=True, check=False, timeout=PATIENCE_S
        )
    assert done.returncode != 0
    assert "address already in use" in done.stderr
    assert "Traceback" not in done.stderr
