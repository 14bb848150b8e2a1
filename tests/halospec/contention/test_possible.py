from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from halospec.contention import possible
from halospec.contention.loads import CpuLoad
from halospec.contention.possible import KEPT_FREE_BYTES, MAX_WORKERS_PER_CORE, require_possible
from halospec.contention.protocol import ContentionError
from halospec.contention.spelling import load_spelled
from halospec.cores import available_cores, usable_core_numbers
from halospec.limits import ContainerLimits


def refusal_of(*loads: str) -> str:
    with pytest.raises(ContentionError) as refusal:
        require_possible([load_spelled(text) for text in loads])
    return str(refusal.value)


def allow(*loads: str) -> None:
    require_possible([load_spelled(text) for text in loads])


@pytest.fixture
def free_memory(monkeypatch: pytest.MonkeyPatch) -> object:
    """Pretend that a machine, and a container on it, have so many MB of memory free."""

    def pretend(machine_mb: float, container: tuple[float, float] | None = None) -> None:
        available = SimpleNamespace(available=round(machine_mb * 1e6))
        monkeypatch.setattr(psutil, "virtual_memory", lambda: available)
        limit, used = (round(container[0] * 1e6), round(container[1] * 1e6)) if container else (None, None)
        monkeypatch.setattr(possible, "container_limits", lambda: ContainerLimits(None, limit, used))

    return pretend


@pytest.fixture
def free_disk(monkeypatch: pytest.MonkeyPatch) -> object:
    """Pretend that every disk has so many MB free."""

    def pretend(free_mb: float) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=round(free_mb * 1e6)))
        monkeypatch.setattr(possible, "is_in_memory", lambda _: False)

    return pretend


def test_no_load_is_always_possible() -> None:
    require_possible([])


def test_a_usual_load_of_every_kind_is_possible_here(free_memory, free_disk, tmp_path: Path) -> None:
    free_memory(8000)
    free_disk(8000)
    program = Path(sys.executable).as_posix()
    allow(
        "cpu:75%", "memory:1GB/s@buffer=64MB", "cache:1GB/s", f"disk:10MB/s@directory={tmp_path}", f"process:{program}"
    )


def test_all_workers_together_are_counted_against_the_cores() -> None:
    cores = available_cores()
    most = MAX_WORKERS_PER_CORE * cores
    allow(f"cpu:{most}")
    sentence = f"{most + 1} load workers are too many for {cores} cores; ask for {most} at most"
    assert refusal_of(f"cpu:{most + 1}").startswith(sentence)
    assert refusal_of(f"cpu:{most}", "cache:1GB/s@size=1MB") == f"{sentence}."


def test_a_number_of_workers_that_looks_like_a_percentage_is_taken_for_one_that_lost_its_sign(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(possible, "available_cores", lambda: 2)
    said = "load workers are too many for 2 cores; ask for 16 at most"
    assert refusal_of("cpu:75") == f"75 {said}, or for a share of every core (cpu:75%)."
    assert refusal_of("cpu:101") == f"101 {said}."


def test_a_load_is_pinned_to_cores_of_ours_alone() -> None:
    ours = usable_core_numbers()
    other = max(ours) + 1
    listed = ", ".join(map(str, ours))
    assert refusal_of(f"cpu:50%@cores={ours[0]},{other}") == (
        f"This process may not use core {other}; pin load workers to cores out of {listed}."
    )


def test_a_sentence_on_many_cores_is_still_one_to_read() -> None:
    assert len(refusal_of("cpu:50%@workers=1@cores=1000-9999").partition(";")[0]) < 150


def test_a_system_without_pinning_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(psutil.Process, "cpu_affinity", raising=False)
    assert refusal_of("cpu:50%@cores=0") == "This system lets no process be pinned to a core; leave cores= off."


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no niceness")
def test_niceness_above_our_own_needs_no_rights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("nothing has to be tried"))
    allow(f"cpu:50%@niceness={min(19, os.getpriority(os.PRIO_PROCESS, 0) + 1)}")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no niceness")
def test_niceness_below_our_own_is_possible_where_it_can_be_taken_on() -> None:
    wanted = os.getpriority(os.PRIO_PROCESS, 0) - 1
    tried = subprocess.run(
        [sys.executable, "-c", f"import os; os.setpriority(os.PRIO_PROCESS, 0, {wanted})"], check=False
    )
    if tried.returncode == 0:
        allow(f"cpu:50%@niceness={wanted}")
    else:
        assert "administrator rights (CAP_SYS_NICE)" in refusal_of(f"cpu:50%@niceness={wanted}")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no niceness")
def test_niceness_without_the_rights_to_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(possible, "_BECOME_NICE", "raise PermissionError")
    monkeypatch.setattr(os, "getpriority", lambda *_: 0)
    assert refusal_of("cpu:50%@niceness=-5").startswith("Load workers may not have niceness -5: values below")


@pytest.mark.parametrize(
    ("machine_mb", "container", "taken"),
    [
        (2000, None, 1488),
        (10_000, None, 9000),
        (10_000, (3000, 1000), 1488),
        (2000, (50_000, 1000), 1488),
        (400, None, 0),
    ],
)
def test_memory_is_taken_but_for_a_margin(
    machine_mb: float, container: tuple[float, float] | None, taken: float, free_memory
) -> None:
    free_memory(machine_mb, container)
    if taken:
        allow(f"memory:1GB/s@buffer={taken / 2}MB")
    where = "in this container" if container and container[0] - container[1] < machine_mb else "on this machine"
    free = min(machine_mb, container[0] - container[1]) if container else machine_mb
    assert refusal_of(f"memory:1GB/s@buffer={taken / 2 + 1}MB") == (
        f"The loads need {taken + 2:.0f} MB of memory, and of {free:.0f} MB that are free {where} they may take "
        f"{taken:.0f} MB; ask for less (buffer=, size=) or for fewer workers."
    )


def test_the_memory_of_all_loads_and_workers_is_summed(free_memory) -> None:
    free_memory(2000)
    allow("memory:1GB/s@buffer=300MB@workers=2", "cache:1GB/s@size=200MB")
    assert "need 1600 MB of memory" in refusal_of("memory:1GB/s@buffer=300MB@workers=2", "cache:1GB/s@size=400MB")


def test_loads_without_memory_of_their_own_are_possible_however_little_is_free(free_memory) -> None:
    free_memory(100)
    allow("cpu:50%")


def test_files_on_one_disk_are_summed_and_leave_a_margin(free_disk, tmp_path: Path) -> None:
    free_disk(2000)
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    allow(f"disk:10MB/s@size=1400MB@directory={one}")
    assert refusal_of(f"disk:10MB/s@size=800MB@directory={one}", f"disk:10MB/s@size=800MB@directory={other}") == (
        f"The disk loads need 1600 MB in {other}, and of 2000 MB that are free there they may take "
        f"{2000 - KEPT_FREE_BYTES / 1e6:.0f} MB; ask for a smaller file (size=) or name another directory (directory=)."
    )


def test_a_directory_must_be_there_and_take_a_file(free_disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free_disk(8000)
    assert refusal_of(f"disk:1MB/s@directory={tmp_path / 'nowhere'}") == (
        f"There is no directory {tmp_path / 'nowhere'} for a disk load; make it, or name another (directory=)."
    )

    def no_file(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(possible.tempfile, "TemporaryFile", no_file)
    assert refusal_of(f"disk:1MB/s@directory={tmp_path}") == (
        f"No file can be made in {tmp_path} for a disk load (Permission denied); name another directory (directory=)."
    )


def test_trying_a_directory_leaves_nothing_in_it(free_disk, tmp_path: Path) -> None:
    free_disk(8000)
    allow(f"disk:1MB/s@directory={tmp_path}")
    assert list(tmp_path.iterdir()) == []


def test_a_directory_in_memory_is_no_disk(free_disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free_disk(8000)
    monkeypatch.setattr(possible, "is_in_memory", lambda _: True)
    assert "are kept in memory" in refusal_of(f"disk:1MB/s@directory={tmp_path}")


def test_a_command_must_be_found() -> None:
    assert refusal_of("process:no-such-program-at-all --flag") == (
        "There is no program no-such-program-at-all to run as a load; install it, or write its path behind process:."
    )


def test_a_plan_for_a_larger_machine_can_be_made_here() -> None:
    load = CpuLoad(workers=MAX_WORKERS_PER_CORE * available_cores() + 1, cores=(9999,))
    assert load.workers > available_cores()
