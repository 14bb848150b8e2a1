"""Both compose services, as a user starts them: the server answers a request from the host, the bench measures it.

A Docker engine with `docker compose` or `docker-compose` is used where there is one. A machine without an engine may
have a program that stands in for it: at the path in HALOSPEC_COMPOSE_HOST.
"""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from halospec.records.schema import MEASURED_PHASES, Phase, RequestRecord

pytestmark = pytest.mark.compose

ROOT = Path(__file__).resolve().parents[2]
PROJECT = "halospec-e2e"
# As an engine names the image `halospec` of docker-compose.yml in full.
IMAGE = "docker.io/library/halospec"
BUILD_TIMEOUT_S = 3600
BENCH_TIMEOUT_S = 1800
HEALTHY_TIMEOUT_S = 180


@dataclass(frozen=True)
class Compose:
    """A compose command on this project's file, under a project name of its own."""

    command: tuple[str, ...]
    environment: dict[str, str]

    def __call__(self, *arguments: str, timeout_s: float = 300) -> str:
        """Run a compose command; return its output, or fail the test with it."""
        ended = subprocess.run(
            [*self.command, "--project-name", PROJECT, *arguments],
            cwd=ROOT,
            env=os.environ | self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert ended.returncode == 0, f"compose {shlex.join(arguments)} ended with {ended.returncode}:\n{ended.stdout}"
        return ended.stdout


def answers(*command: str) -> bool:
    """Whether a command exists and succeeds."""
    return shutil.which(command[0]) is not None and subprocess.run(command, capture_output=True).returncode == 0


def compose_command() -> tuple[str, ...] | None:
    """The compose program of this machine, new or old."""
    return next((c for c in (("docker", "compose"), ("docker-compose",)) if answers(*c, "version")), None)


def compose_host() -> Path | None:
    """The program that stands in for a Docker engine, if this machine has one."""
    given = os.environ.get("HALOSPEC_COMPOSE_HOST")
    return Path(given) if given else None


def exports(shell_line: str) -> dict[str, str]:
    """Read the variables out of a line `export A=1 B=2`."""
    assignments = (word.partition("=") for word in shlex.split(shell_line) if "=" in word)
    return {name: value for name, _, value in assignments}


@pytest.fixture(scope="module")
def engine() -> Iterator[Compose]:
    """Something that runs containers, with the image `halospec` built from this checkout."""
    host = compose_host()
    if host is not None:
        was_running = stand_in_runs(host)
        settings = exports(ended_well(host, "setup").splitlines()[-1])
        ended_well(host, "build", ROOT, IMAGE, ROOT / "servers" / "Dockerfile")
        yield Compose(("docker-compose",), settings)
        if not was_running:
            ended_well(host, "stop")
        return
    command = compose_command()
    if command is None:
        pytest.skip("neither `docker compose` nor `docker-compose` is installed")
    if not answers("docker", "info"):
        pytest.skip("no Docker engine answers `docker info`, and HALOSPEC_COMPOSE_HOST names no program in its place")
    compose = Compose(command, {})
    compose("build", "server", timeout_s=BUILD_TIMEOUT_S)
    yield compose


def stand_in_runs(host: Path) -> bool:
    """Whether the stand-in's socket was there before this test."""
    address = exports(ended_well(host, "env")).get("DOCKER_HOST", "")
    return Path(address.removeprefix("unix://")).is_socket()


def ended_well(*command: Path | str) -> str:
    """Run a command that must succeed; return its standard output."""
    ended = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=BUILD_TIMEOUT_S, check=False
    )
    assert ended.returncode == 0, f"{command} ended with {ended.returncode}:\n{ended.stdout}\n{ended.stderr}"
    return ended.stdout


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the host that the bench writes into."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def compose(engine: Compose, runs: Path, port: int) -> Iterator[Compose]:
    """The project, with the server started; whatever it started is removed at the end."""
    here = {"HALOSPEC_RUNS": str(runs), "HALOSPEC_PORT": str(port)}
    project = Compose(engine.command, engine.environment | here)
    try:
        project("up", "--detach", "server")
        yield project
    finally:
        project("--profile", "bench", "down", "--volumes", "--remove-orphans")


@pytest.fixture(scope="module")
def healthy_server(compose: Compose, port: int) -> str:
    """The server's URL on the host, once its own health check has passed."""
    deadline_s = time.monotonic() + HEALTHY_TIMEOUT_S
    while "(healthy)" not in (state := compose("ps")):
        assert time.monotonic() < deadline_s, f"not healthy:\n{state}\n{compose('logs', 'server')}"
        time.sleep(1)
    return f"http://127.0.0.1:{port}"


def test_the_server_is_published_on_loopback_only(compose: Compose, healthy_server: str) -> None:
    assert compose("port", "server", "8123").strip() == healthy_server.removeprefix("http://")


def test_a_request_from_the_host_is_decoded_with_its_draft_length(healthy_server: str) -> None:
    body = {
        "messages": [{"role": "user", "content": "Name three colours."}],
        "max_tokens": 24,
        "temperature": 0,
        "ignore_eos": True,
        "draft_length": 2,
    }
    reply = httpx.post(f"{healthy_server}/v1/chat/completions", json=body, timeout=120, trust_env=False)
    assert reply.status_code == 200, reply.text
    answer = reply.json()
    assert answer["usage"]["completion_tokens"] == 24
    assert answer["speculation"]["draft_length"] == 2
    assert {one["k"] for one in answer["speculation"]["rounds"]} <= {0, 1, 2}
    assert 0 < answer["timings"]["draft_n_accepted"] <= answer["timings"]["draft_n"]


def test_the_bench_measures_the_server_quiet_and_under_load(compose: Compose, healthy_server: str, runs: Path) -> None:
    compose("--profile", "bench", "run", "--rm", "-T", "bench", timeout_s=BENCH_TIMEOUT_S)

    (run,) = runs.iterdir()
    lines = (run / "records.jsonl").read_text(encoding="utf-8").splitlines()
    records = [RequestRecord.model_validate_json(line) for line in lines]
    assert all(record.success for record in records), [record.error for record in records if record.error]
    measured = [record for record in records if not record.is_warmup]
    assert {record.mode for record in measured} == {"fixed_0", "fixed_2", "fixed_4", "adaptive"}
    for mode in {record.mode for record in measured}:
        assert {record.phase for record in measured if record.mode == mode} == set(MEASURED_PHASES)
    assert all(record.load_percent for record in measured if record.phase is Phase.LOAD)
    assert all(record.drafted == 0 for record in measured if record.mode == "fixed_0")
    assert sum(record.accepted or 0 for record in measured if record.mode == "fixed_4") > 0
    assert (run / "summary.json").is_file()
    assert list((run / "charts").glob("*.png"))
    assert run.stat().st_uid == runs.stat().st_uid
