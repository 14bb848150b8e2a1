"""Runs that do not reach their end: killed, interrupted, or left by their server."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from command_line import PATIENCE_S, command, halospec, halospec_running, until
from halospec.demo import REFERENCE_DIRECTORY
from halospec.records.manifest import Status, read_manifest
from halospec.records.store import RunFiles, read_records
from halospec.server_process import bundled_server
from tiny_models import write_tiny_pair

pytestmark = pytest.mark.e2e


def long_run(url: str, out: Path) -> tuple[object, ...]:
    return (
        "run", "--url", url, "--modes", "fixed_0,fixed_2,adaptive", "--phases", "steady:3,load:100000", "--warmup", 1,
        "--max-tokens", 16, "--ignore-eos", "--load", "--load-workers", 2, "--out", out,
    )  # fmt: skip


def burners_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def in_load(process: subprocess.Popen[str], out: Path) -> bool:
    journal = RunFiles(out).records
    return len(burners_of(process)) == 2 and journal.exists() and journal.read_text().count("\n") > 8


def test_sigkill_under_load_leaves_every_finished_record_and_no_burner(tiny_server, tmp_path):
    out = tmp_path / "run"
    with halospec_running(*long_run(tiny_server, out)) as process:
        until(lambda: in_load(process, out))
        burners = burners_of(process)
        process.send_signal(signal.SIGKILL)
        process.wait()
        _, alive = psutil.wait_procs(burners, timeout=3)
    assert alive == []
    lines = RunFiles(out).records.read_text().splitlines()
    assert len(read_records(out).records) >= len(lines) - 1 > 7
    manifest = read_manifest(RunFiles(out).manifest)
    assert manifest is not None
    assert manifest.status is Status.RUNNING
    assert halospec("summarize", out).returncode == 0


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
def test_a_polite_kill_reaches_what_a_script_started_in_the_background():
    """A shell without job control has its background jobs ignore Ctrl-C from birth."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(PATIENCE_S)
        probe = command("probe", f"http://127.0.0.1:{listening.getsockname()[1]}")
        with subprocess.Popen(
            ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *probe], stderr=subprocess.PIPE, text=True
        ) as process:
            accepted, _ = listening.accept()
            process.send_signal(signal.SIGTERM)
            try:
                _, told = process.communicate(timeout=5)
            finally:
                process.kill()
                accepted.close()
    assert process.returncode == 130
    assert told == "halospec: Interrupted before anything was measured.\n"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_polite_end_keeps_and_summarises_what_was_measured(tiny_server, tmp_path, how):
    out = tmp_path / "run"
    with halospec_running(*long_run(tiny_server, out)) as process:
        until(lambda: in_load(process, out))
        burners = burners_of(process)
        process.send_signal(how)
        printed, told = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert "Traceback" not in told
    assert "Interrupted" in printed
    assert psutil.wait_procs(burners, timeout=3)[1] == []
    files = RunFiles(out)
    manifest = read_manifest(files.manifest)
    assert manifest is not None
    assert manifest.status is Status.INTERRUPTED
    assert json.loads(files.summary.read_text())["requests"] == sum(not r.is_warmup for r in read_records(out).records)
    assert files.parquet.exists()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_a_server_that_dies_half_way_ends_the_run_with_the_reason_and_the_records(tmp_path, stack):
    target, draft = write_tiny_pair(tmp_path)
    out = tmp_path / "run"
    options = ["--target", str(target), "--draft", str(draft), "--ctx-size", "512", "--threads", "1"]
    with bundled_server(options, tmp_path / "server.log") as url:
        process = stack.enter_context(halospec_running(*long_run(url, out), "--max-failures", "2"))
        until(lambda: in_load(process, out))
    printed, told = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    assert "2 requests in a row failed" in " ".join(told.split())
    assert "Traceback" not in told
    records = read_records(out).records
    assert [r.success for r in records[-2:]] == [False, False]
    assert all(r.error and r.latency_ms > 0 for r in records[-2:])
    manifest = read_manifest(RunFiles(out).manifest)
    assert manifest is not None
    assert manifest.status is Status.FAILED
    assert "fixed_" in printed


def test_interrupting_the_demo_ends_it_there_and_keeps_what_it_measured(tmp_path):
    out = tmp_path / "demo"
    with halospec_running("demo", "--out", out) as process:
        journal = RunFiles(out).records
        until(lambda: journal.exists() and journal.read_text().count("\n") > 3, patience_s=300)
        servers = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        printed, told = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert "Interrupted" in printed
    assert "Traceback" not in told
    assert not (out / REFERENCE_DIRECTORY).exists()
    assert psutil.wait_procs(servers, timeout=15)[1] == []
    assert read_records(out).records


def test_the_bundled_server_dies_with_its_parent(tmp_path):
    target, draft = write_tiny_pair(tmp_path)
    options = ["--target", str(target), "--draft", str(draft)]
    program = (
        "import time\n"
        "from pathlib import Path\n"
        "from halospec.server_process import bundled_server\n"
        f"with bundled_server({options!r}, Path({str(tmp_path)!r}, 'log')):\n"
        "    print('up', flush=True)\n"
        "    time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "up\n"
        servers = psutil.Process(parent.pid).children(recursive=True)
        assert servers
        parent.kill()
        _, alive = psutil.wait_procs(servers, timeout=20)
    assert alive == []
