"""Systems as child processes: what is said of one that fails, and what is read off one that runs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from engine_peers.processes import Child, CpuReading, StartFault, free_port

SLEEPS = "import time; time.sleep(600)"


def python(source: str, log: Path) -> Child:
    return Child.start("peer", [sys.executable, "-c", source], log)


def test_a_program_that_is_missing_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StartFault, match=r"^peer cannot be started: .*No such file or directory"):
        Child.start("peer", [str(tmp_path / "missing")], tmp_path / "log")


def test_one_that_ends_before_it_answers_is_named_with_its_last_words(tmp_path: Path) -> None:
    child = python("import sys; sys.exit('no such model')", tmp_path / "log")
    with pytest.raises(StartFault, match="peer ended with status 1: no such model"):
        child.wait_until_healthy(f"http://127.0.0.1:{free_port()}/")


def test_what_runs_has_memory_and_ends_when_it_is_stopped(tmp_path: Path) -> None:
    child = python(SLEEPS, tmp_path / "log")
    memory = child.memory()
    assert memory.resident_bytes >= memory.private_bytes > 0
    child.stop()
    assert child.process.returncode is not None
    child.stop()


class TestForeignLoad:
    def test_is_what_the_measured_processes_did_not_use(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("psutil.cpu_count", lambda: 2)
        before = CpuReading(at_s=0.0, busy_s=100.0, measured_s=10.0)
        after = CpuReading(at_s=10.0, busy_s=118.0, measured_s=24.0)
        assert after.foreign_load_since(before) == pytest.approx(4 / 20)

    def test_is_never_negative(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("psutil.cpu_count", lambda: 2)
        before = CpuReading(at_s=0.0, busy_s=100.0, measured_s=10.0)
        after = CpuReading(at_s=1.0, busy_s=101.0, measured_s=11.02)
        assert after.foreign_load_since(before) == 0.0
