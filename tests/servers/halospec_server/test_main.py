"""``python -m halospec_server`` as a process: it starts, or says in one sentence why not, and it stops when told."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from tiny_engines import PATIENCE_S, Pair
from tiny_models import write_foreign_draft
from tiny_server import COMPLETIONS, chat, eventually

ENDLESS = 65_000
"""Tokens: more than the tiny pair writes before it is stopped."""

needs_posix_signals = pytest.mark.skipif(os.name != "posix", reason="there are no such signals on this system")


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "halospec_server", *map(str, arguments)]


@contextmanager
def running(pair: Pair, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    """Start a server on a free port and yield it once it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options: list[str | Path] = [
        "--target",
        pair[0],
        "--draft",
        pair[1],
        "--threads",
        "1",
        "--port",
        str(port),
        *arguments,
    ]
    process = subprocess.Popen(command(*options), stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with (
        process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=PATIENCE_S) as client,
    ):
        try:
            eventually(lambda: process.poll() is not None or answers(client))
            assert process.poll() is None, process.communicate()[1]
            yield process, client
        finally:
            process.kill()


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/health").is_success
    except httpx.TransportError:
        return False


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--target", "nope.gguf"], "There is no model file nope.gguf. Give a path to a GGUF file."),
        (["--target", "{target}", "--draft", "nope.gguf"], "There is no model file nope.gguf."),
        (["--target", "{poem}"], "poem.gguf is not a GGUF model"),
        (["--target", "{target}", "--draft", "{poem}"], "poem.gguf is not a GGUF model"),
        (
            ["--target", "{target}", "--draft", "{foreign}"],
            "foreign.gguf cannot draft for target.gguf: token 284 is '▁to' in the target and '▁zu' in the draft.",
        ),
    ],
)
def test_models_that_do_not_work_are_one_sentence(
    tiny_pair: Pair, tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    poem = tmp_path / "poem.gguf"
    poem.write_text("so much depends upon")
    places = {"target": tiny_pair[0], "poem": poem, "foreign": write_foreign_draft(tmp_path)}
    filled = [argument.format_map(places) for argument in arguments]
    done = subprocess.run(command(*filled), capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert done.stderr.splitlines()[-1].startswith("halospec serve: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("option", [["--draft-length", "17"], ["--port", "0"], ["--log-level", "loud"]])
def test_an_option_out_of_range_is_named(option: list[str]) -> None:
    done = subprocess.run(command(*option), capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert done.returncode == 2
    assert option[0] in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_in_use_is_said_without_a_traceback(tiny_pair: Pair) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        arguments: list[str | Path] = [
            "--target",
            tiny_pair[0],
            "--draft",
            "none",
            "--port",
            str(taken.getsockname()[1]),
        ]
        done = subprocess.run(command(*arguments), capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert done.returncode != 0
    assert "address already in use" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_line_decides_what_is_served(tiny_pair: Pair) -> None:
    with running(tiny_pair, "--draft-length", "5", "--ctx-size", "512", "--api-key", "open sesame") as (_, client):
        assert client.get("/v1/models").status_code == 401
        client.headers["Authorization"] = "Bearer open sesame"
        meta = client.get("/v1/models").json()["data"][0]["meta"]
        assert (meta["draft_length"], meta["ctx_size"], meta["threads"]) == (5, 512, 1)
        reply = client.post(COMPLETIONS, json=chat()).json()
        assert reply["speculation"]["draft_length"] == 5
        assert reply["timings"]["draft_n"] > 0


def interrupted(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGINT)


def terminated(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)


def left_by_its_parent(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.close()


ends = pytest.mark.parametrize("end", [interrupted, terminated, left_by_its_parent])


@needs_posix_signals
@ends
def test_it_stops_when_told(tiny_pair: Pair, end: Callable[[subprocess.Popen[str]], None]) -> None:
    with running(tiny_pair, "--stop-at-end-of-input") as (process, client):
        assert client.post(COMPLETIONS, json=chat()).is_success
        end(process)
        assert process.wait(timeout=PATIENCE_S) in (0, -signal.SIGTERM)
        assert "Traceback" not in the_log(process)


@needs_posix_signals
@pytest.mark.parametrize("end", [interrupted, terminated])
def test_a_stream_in_progress_does_not_hold_it_up(
    tiny_pair: Pair, end: Callable[[subprocess.Popen[str]], None]
) -> None:
    with running(tiny_pair, "--stop-at-end-of-input", "--ctx-size", "66000") as (process, client):
        with client.stream("POST", COMPLETIONS, json=chat(max_tokens=ENDLESS, stream=True)) as response:
            lines = response.iter_lines()
            assert next(lines)
            end(process)
            with suppress(httpx.RemoteProtocolError):  # what a stream that is cut looks like to this client
                assert all(line != "data: [DONE]" for line in lines)
        assert process.wait(timeout=PATIENCE_S) in (0, -signal.SIGTERM)


def the_log(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    return process.stderr.read()
