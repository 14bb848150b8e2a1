"""``python -m halospec_server`` as a process: it starts, or says in one sentence why not, and it stops when told."""

from __future__ import annotations

import json
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

from halospec_server.model_files.model_cache import file_sha256
from hub_stand_in import COMMIT, LICENCE, REPO, serving_hub
from tiny_engines import PATIENCE_S, Pair
from tiny_models import write_foreign_draft
from tiny_server import COMPLETIONS, chat, eventually

ENDLESS = 65_000
"""Tokens: more than the tiny pair writes before it is stopped."""

needs_posix_signals = pytest.mark.skipif(os.name != "posix", reason="there are no such signals on this system")


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "halospec_server", *map(str, arguments)]


@contextmanager
def running(pair: Pair | tuple[str, str], *arguments: str) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
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
        (["--target", "nope.gguf"], "There is no model file nope.gguf. Give a path to a GGUF file, or"),
        (["--pair", "nope"], "There is no pair nope; there are: embedded, "),
        (["--pair", "embedded", "--target", "{target}"], "--pair and --target both name a target; give one of them."),
        (["--target", "{target}", "--draft", "nope.gguf"], "There is no model file nope.gguf."),
        (["--target", "{poem}"], "poem.gguf is not a GGUF model"),
        (["--target", "{target}", "--draft", "{poem}"], "poem.gguf is not a GGUF model"),
        (["--target", "{shell}"], "shell.gguf is not a GGUF model that this llama.cpp can load."),
        (
            ["--target", "{target}", "--draft", "{foreign}"],
            "foreign.gguf cannot draft for target.gguf: token 284 is '▁to' in the target and '▁zu' in the draft.",
        ),
        (["--target", "{target}", "--ctx-size", "9000000000"], " GB of memory are needed at least and "),
        (["--target", "{target}", "--draft", "ngram", "--drafter", "model"], "--drafter model needs a draft model"),
        (["--target", "{target}", "--device", "CUDA7"], "it lists: "),
    ],
)
def test_models_that_do_not_work_are_one_sentence(
    tiny_pair: Pair, tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    poem = tmp_path / "poem.gguf"
    poem.write_text("so much depends upon")
    shell = tmp_path / "shell.gguf"
    shell.write_bytes(tiny_pair[0].read_bytes()[:20_000])
    places = {"target": tiny_pair[0], "poem": poem, "shell": shell, "foreign": write_foreign_draft(tmp_path)}
    filled = [argument.format_map(places) for argument in arguments]
    done = subprocess.run(command(*filled), capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert done.stderr.splitlines()[-1].startswith("halospec serve: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("option", [["--draft-length", "17"], ["--port", "0"], ["--tensor-split", "0,0"]])
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
    options = ("--draft-length", "5", "--ctx-size", "512", "--parallel", "2", "--batch-size", "128")
    with running(tiny_pair, *options, "--draft-threads", "2", "--api-key", "open sesame") as (_, client):
        assert client.get("/v1/models").status_code == 401
        client.headers["Authorization"] = "Bearer open sesame"
        meta = client.get("/v1/models").json()["data"][0]["meta"]
        assert (meta["draft_length"], meta["ctx_size"], meta["parallel"], meta["batch_size"]) == (5, 512, 2, 128)
        assert (meta["threads"], meta["draft_threads"]) == (1, 2)
        assert (meta["drafter"], meta["drafters"]) == ("model", ["none", "model", "prompt_lookup", "ngram_store"])
        for role, path in (("target", tiny_pair[0]), ("draft", tiny_pair[1])):
            assert meta[role]["sha256"] == file_sha256(path)
            assert meta[role]["size_bytes"] == path.stat().st_size
        reply = client.post(COMPLETIONS, json=chat()).json()
        assert reply["speculation"]["draft_length"] == 5
        assert reply["timings"]["draft_n"] > 0


def test_the_command_line_decides_what_requests_get_that_ask_for_nothing(tiny_pair: Pair) -> None:
    options = (
        "--draft-length",
        "auto",
        "--drafter",
        "ngram_store",
        "--max-prompt-tokens",
        "30",
        "--attention",
        "exact",
    )
    with running(tiny_pair, *options) as (_, client):
        speculation = client.post(COMPLETIONS, json=chat()).json()["speculation"]
        assert speculation["draft_length"] is None
        assert (speculation["length_policy"], speculation["drafter"]) == ("heuristic", "ngram_store")
        refused = client.post(COMPLETIONS, json=chat("ka " * 30))
        assert refused.status_code == 400


def test_a_pair_of_the_hub_is_shown_fetched_verified_and_served(
    tiny_pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client of the hub is the real one; the hub is a stand-in on the loopback."""
    with serving_hub({"large.gguf": tiny_pair[0], "small.gguf": tiny_pair[1]}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        words = (f"hf:{REPO}/large.gguf", f"hf:{REPO}/small.gguf")
        for _ in range(2):
            with running(words, "--log-format", "json") as (process, client):
                card = client.get("/v1/models").json()["data"][0]
                process.kill()
                said = [json.loads(line)["message"] for line in the_log(process).splitlines() if line.startswith("{")]
            assert card["id"] == "large"
            assert card["meta"]["draft"]["sha256"] == file_sha256(tiny_pair[1])
            target = next(line for line in said if line.startswith("target: large.gguf"))
            assert f"licence {LICENCE}, {REPO} at {COMMIT[:12]}, " in target
            assert f"target: SHA-256 {file_sha256(tiny_pair[0])}" in said
            assert any(line.startswith("memory: ") for line in said)
        assert hub.downloads == ["large.gguf", "small.gguf"]


@pytest.mark.parametrize(
    ("option", "expected"),
    [("--list-pairs", ["embedded", "qwen3-8b", "apache-2.0", "hf:Qwen/Qwen3-8B-GGUF"]), ("--list-devices", ["CPU"])],
)
def test_what_there_is_can_be_listed(option: str, expected: list[str]) -> None:
    done = subprocess.run(command(option), capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    assert all(word in done.stdout for word in expected)


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
    options = ("--stop-at-end-of-input", "--ctx-size", "66000", "--shutdown-grace", "0.2")
    with running(tiny_pair, *options) as (process, client):
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
