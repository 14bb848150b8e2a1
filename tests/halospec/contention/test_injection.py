from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.lowlevel
import psutil
import pytest

from halospec.clock import Clock
from halospec.contention import fleet, injection
from halospec.contention.cpu import ShareSteering, program_of_cpu
from halospec.contention.injection import Injection
from halospec.contention.loads import CpuLoad, Load, ProcessLoad
from halospec.contention.protocol import ContentionError
from halospec.contention.together import Together, program_of

Children = Callable[[], list[psutil.Process]]
LIGHT = CpuLoad(workers=2, percent=20)


def cpu(load: CpuLoad, clock: Clock) -> Injection:
    return Injection(Load(load), program_of_cpu(load), clock, ShareSteering(load))


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A load may take long to be seen at work, on a machine that is busy with something else."""
    monkeypatch.setattr(injection, "ONSET_TIMEOUT_S", 60.0)


@pytest.mark.usefixtures("patient")
async def test_a_start_returns_when_the_load_was_seen_at_work_in_this_window(clock: Clock) -> None:
    async with cpu(LIGHT, clock) as load:
        for _ in range(2):
            asked_ns = clock()
            await load.start()
            assert any(load.activity.at_work_in(asked_ns, clock()))
            await load.stop()


async def test_a_load_that_gets_nothing_is_not_waited_for_forever(
    clock: Clock, sleepy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(injection, "ONSET_TIMEOUT_S", 0.1)
    async with cpu(LIGHT, clock) as load:
        await load.start()
        assert load.running


@dataclass(frozen=True)
class Later:
    """A profile that begins with nothing."""

    def level(self, elapsed_s: float) -> float:
        return 0.0 if elapsed_s < 3600 else 1.0


@pytest.mark.usefixtures("patient")
async def test_a_load_whose_course_begins_with_nothing_is_not_waited_for(clock: Clock) -> None:
    later = Load(LIGHT, Later())
    async with Injection(later, program_of_cpu(LIGHT), clock) as load:
        with anyio.fail_after(20):
            await load.start()
        await anyio.sleep(0.2)
        await load.stop()
    samples = load.activity.samples
    assert {one.target for one in samples} == {0.0}
    assert sum(one.amount * (one.ended_ns - one.started_ns) for one in samples) / 100 < 50_000_000


@pytest.mark.usefixtures("patient")
async def test_it_works_from_start_to_stop_and_leaves_no_process(clock: Clock, children: Children) -> None:
    async with cpu(LIGHT, clock) as load:
        assert not load.running
        assert children() == []
        assert load.activity.samples == ()

        before_ns = clock()
        await load.start()
        started_ns = clock()
        assert load.running
        assert len(children()) == 2
        await anyio.sleep(0.4)
        asked_ns = clock()
        now = load.activity
        assert now.samples[-1].ended_ns >= asked_ns
        assert before_ns <= now.samples[0].started_ns <= started_ns

        await load.stop()
        stopped_ns = clock()
        assert not load.running
        assert children() == []
        activity = load.activity
        assert activity.samples[-1].ended_ns <= stopped_ns
        assert (activity.amount(before_ns, stopped_ns) or 0.0) > 0.0
        assert {one.target for one in activity.samples} == {20.0}
    assert load.activity == activity


async def test_the_share_is_not_exceeded(clock: Clock) -> None:
    async with cpu(CpuLoad(workers=1, percent=50), clock) as load:
        await load.start()
        await anyio.sleep(2)
        await load.stop()
    samples = load.activity.samples
    achieved = load.activity.amount(samples[0].started_ns, samples[-1].ended_ns)
    assert achieved is not None
    assert 0 < achieved <= 60


async def test_starting_and_stopping_twice_is_once(clock: Clock, children: Children) -> None:
    async with cpu(LIGHT, clock) as load:
        await load.stop()
        await load.start()
        working = children()
        await load.start()
        assert children() == working
        await load.stop()
        await load.stop()
        assert children() == []


async def test_a_second_window_goes_on_from_the_first(clock: Clock, children: Children) -> None:
    async with cpu(LIGHT, clock) as load:
        await load.start()
        await anyio.sleep(0.2)
        await load.stop()
        first = load.activity.samples
        between_ns = clock()
        await load.start()
        await anyio.sleep(0.2)
        await load.stop()
        samples = load.activity.samples
    assert samples[: len(first)] == first
    assert len(samples) > len(first)
    assert samples[len(first)].started_ns >= between_ns
    assert children() == []


async def test_leaving_by_an_error_stops_the_workers(clock: Clock, children: Children) -> None:
    load = cpu(LIGHT, clock)

    async def broken_trial() -> None:
        async with load:
            await load.start()
            raise RuntimeError("the run broke")

    with pytest.raises(RuntimeError, match="the run broke"):
        await broken_trial()
    assert children() == []
    assert not load.running


async def test_cancelling_a_trial_stops_the_workers(clock: Clock, children: Children) -> None:
    with anyio.CancelScope() as trial:
        async with cpu(LIGHT, clock) as load:
            await load.start()
            trial.cancel()
            await anyio.sleep_forever()
    assert trial.cancelled_caught
    assert children() == []
    assert not load.running


async def test_cancelling_a_start_leaves_nothing(clock: Clock, children: Children, silent: Path) -> None:
    async with cpu(LIGHT, clock) as load:
        with anyio.move_on_after(0.3) as start:
            await load.start()
        assert start.cancelled_caught
        assert not load.running
        assert children() == []


async def test_a_stop_waits_for_a_start_under_way(clock: Clock, children: Children) -> None:
    async with cpu(LIGHT, clock) as load:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(load.start)
            await anyio.lowlevel.checkpoint()
            tasks.start_soon(load.stop)
        assert not load.running
        assert children() == []


async def test_workers_killed_from_outside_show_as_absent(clock: Clock, children: Children) -> None:
    async with cpu(CpuLoad(workers=1, percent=50), clock) as load:
        await load.start()
        for worker in children():
            worker.kill()
            worker.wait()
        with anyio.fail_after(20):
            while load.activity.samples[-1].at_work:  # noqa: ASYNC110 - time is all that has to pass
                await anyio.sleep(0.05)
        at_rest_ns = load.activity.samples[-1].started_ns
        await anyio.sleep(0.2)
        assert load.running
        assert load.activity.amount(at_rest_ns, clock()) == 0.0
        await load.stop()
        assert children() == []


async def test_a_stopped_worker_is_killed(clock: Clock, children: Children) -> None:
    async with cpu(LIGHT, clock) as load:
        await load.start()
        children()[0].suspend()
        await load.stop()
    assert children() == []


async def test_a_worker_that_dies_at_once_is_a_clear_error(
    clock: Clock, children: Children, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("raise SystemExit('no cores today')\n")
    monkeypatch.setattr(fleet, "PROGRAMS", broken)
    async with cpu(LIGHT, clock) as load:
        with pytest.raises(ContentionError, match=r"\(burn\) ended before it began, saying: no cores today; see to"):
            await load.start()
        assert not load.running
        assert load.activity.samples == ()
        assert children() == []


async def test_workers_that_do_not_begin_in_time_are_a_clear_error(
    clock: Clock, children: Children, silent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(injection, "START_TIMEOUT_S", 0.2)
    async with cpu(LIGHT, clock) as load:
        with pytest.raises(ContentionError, match=r"Not all workers of the cpu load began within 0\.2 s"):
            await load.start()
        assert children() == []


async def test_an_interpreter_that_cannot_be_started_is_a_clear_error(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    async with cpu(LIGHT, clock) as load:
        with pytest.raises(ContentionError, match=r"could not be started with /nowhere/python \("):
            await load.start()


@pytest.mark.skipif(not hasattr(psutil.Process, "cpu_affinity"), reason="this system pins no processes")
async def test_workers_are_pinned_to_their_cores_in_turn(clock: Clock, children: Children) -> None:
    cores = psutil.Process().cpu_affinity()[:2]
    async with cpu(CpuLoad(workers=3, percent=5, cores=tuple(cores)), clock) as load:
        await load.start()
        pinned = [worker.cpu_affinity() for worker in sorted(children(), key=lambda worker: worker.create_time())]
    assert sorted(pinned) == sorted([core] for core in (*cores, *cores, *cores)[:3])


@pytest.mark.skipif(not hasattr(psutil.Process, "cpu_affinity"), reason="this system pins no processes")
async def test_a_core_that_is_not_there_is_a_clear_error(clock: Clock, children: Children) -> None:
    async with cpu(CpuLoad(workers=1, percent=5, cores=(4000,)), clock) as load:
        with pytest.raises(ContentionError, match="could not be pinned to core 4000; name cores that this process"):
            await load.start()
        assert children() == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no niceness")
async def test_workers_are_as_nice_as_asked_for(clock: Clock, children: Children) -> None:
    niceness = min(19, int(psutil.Process().nice()) + 3)
    async with cpu(CpuLoad(workers=2, percent=5, niceness=niceness), clock) as load:
        await load.start()
        assert [worker.nice() for worker in children()] == [niceness, niceness]


@pytest.fixture
def silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that neither begins nor looks at its input."""
    program = tmp_path / "silent.py"
    program.write_text("import time\ntime.sleep(60)\n")
    monkeypatch.setattr(fleet, "PROGRAMS", program)
    return program


@pytest.fixture
def sleepy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that begins, and then does nothing."""
    program = tmp_path / "sleepy.py"
    program.write_text("import os, sys\nprint(os.getpid(), flush=True)\nfor line in sys.stdin: pass\n")
    monkeypatch.setattr(fleet, "PROGRAMS", program)
    return program


@pytest.mark.skipif(sys.platform == "win32", reason="the command is a POSIX shell's")
async def test_a_command_that_ends_before_the_load_is_told_of(
    clock: Clock, children: Children, has_ended: Callable[[psutil.Process], bool]
) -> None:
    what = ProcessLoad(("sh", "-c", "sleep 0.5; echo out of luck; exit 3"))
    async with Together([Injection(Load(what), program_of(what), clock)]) as together:
        await together.start()
        with anyio.fail_after(20):
            while not all(map(has_ended, children())):  # noqa: ASYNC110 - the system has no event for this
                await anyio.sleep(0.05)
        await together.stop()
        (injected,) = together.injected

    assert injected.ended_early is not None
    assert injected.ended_early.startswith("it ended before the load was to end: ")
    assert "out of luck" in injected.ended_early


async def test_a_load_that_was_ended_as_meant_has_no_such_remark(clock: Clock) -> None:
    async with cpu(LIGHT, clock) as load:
        await load.start()
        await load.stop()
        assert load.ended_early is None
