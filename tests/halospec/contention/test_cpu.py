from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.lowlevel
import psutil
import pytest

from halospec.clock import Clock
from halospec.contention import cpu, fleet
from halospec.contention.cpu import MAX_WORKERS_PER_CORE, CpuInjector, CpuLoadSettings
from halospec.contention.protocol import ContentionError, Injector
from halospec.cores import available_cores

Children = Callable[[], list[psutil.Process]]
LIGHT = CpuLoadSettings(workers=2, percent=20)


def test_the_default_is_all_of_every_core() -> None:
    assert CpuLoadSettings() == CpuLoadSettings(workers=available_cores(), percent=100.0)


@pytest.mark.parametrize(
    ("workers", "percent", "sentence"),
    [
        (0, 50.0, "CPU load needs at least 1 worker, not 0; leave the load off to run without any."),
        (-3, 50.0, "CPU load needs at least 1 worker, not -3; leave the load off to run without any."),
        (100_000, 50.0, "100000 load workers are too many for"),
        (1, 0.0, "The load percent must be above 0 and at most 100, not 0; it is the share of each worker's core."),
        (1, 100.5, "The load percent must be above 0 and at most 100, not 100.5"),
        (1, float("nan"), "The load percent must be above 0 and at most 100, not nan"),
    ],
)
def test_impossible_settings_are_refused_in_a_sentence(workers: int, percent: float, sentence: str) -> None:
    with pytest.raises(ValueError) as refusal:
        CpuLoadSettings(workers=workers, percent=percent)
    assert str(refusal.value).startswith(sentence)


def test_more_workers_than_cores_are_allowed_up_to_a_limit() -> None:
    most = MAX_WORKERS_PER_CORE * available_cores()
    assert CpuLoadSettings(workers=most).workers == most
    with pytest.raises(ValueError, match=f"ask for {most} at most"):
        CpuLoadSettings(workers=most + 1)


async def test_a_request_sent_right_after_the_start_already_overlaps_the_load(clock: Clock) -> None:
    async with CpuInjector(LIGHT, clock) as injector:
        await injector.start()
        sent_ns = clock()
        await anyio.sleep(0.001)
        assert injector.activity.overlap(sent_ns, clock()) > 0.5


async def test_a_second_window_too_starts_with_load_that_is_seen(clock: Clock) -> None:
    async with CpuInjector(LIGHT, clock) as injector:
        for _ in range(2):
            await injector.start()
            sent_ns = clock()
            await anyio.sleep(0.001)
            assert injector.activity.overlap(sent_ns, clock()) > 0.5
            await injector.stop()


async def test_it_burns_from_start_to_stop_and_leaves_no_process(clock: Clock, children: Children) -> None:
    injector: Injector
    async with CpuInjector(LIGHT, clock) as injector:
        assert not injector.running
        assert children() == []
        assert injector.activity.samples == ()

        before_ns = clock()
        await injector.start()
        started_ns = clock()
        assert injector.running
        assert len(children()) == 2
        await anyio.sleep(0.4)
        asked_ns = clock()
        now = injector.activity
        assert now.samples[-1].ended_ns >= asked_ns
        assert before_ns <= now.samples[0].started_ns <= started_ns

        await injector.stop()
        stopped_ns = clock()
        assert not injector.running
        assert children() == []
        activity = injector.activity
        assert activity.samples[-1].ended_ns <= stopped_ns
        assert (activity.percent(started_ns, stopped_ns) or 0.0) > 0.0
    assert injector.activity == activity


async def test_the_share_is_not_exceeded(clock: Clock) -> None:
    async with CpuInjector(CpuLoadSettings(workers=1, percent=50), clock) as injector:
        await injector.start()
        await anyio.sleep(2)
        await injector.stop()
    samples = injector.activity.samples
    achieved = injector.activity.percent(samples[0].started_ns, samples[-1].ended_ns)
    assert achieved is not None
    assert 0 < achieved <= 60
    assert injector.offered_percent == 50


async def test_starting_and_stopping_twice_is_once(clock: Clock, children: Children) -> None:
    async with CpuInjector(LIGHT, clock) as injector:
        await injector.stop()
        await injector.start()
        burning = children()
        await injector.start()
        assert children() == burning
        await injector.stop()
        await injector.stop()
        assert children() == []


async def test_a_second_window_goes_on_from_the_first(clock: Clock, children: Children) -> None:
    async with CpuInjector(LIGHT, clock) as injector:
        await injector.start()
        await anyio.sleep(0.2)
        await injector.stop()
        first = injector.activity.samples
        between_ns = clock()
        await injector.start()
        await anyio.sleep(0.2)
        await injector.stop()
        samples = injector.activity.samples
    assert samples[: len(first)] == first
    assert len(samples) > len(first)
    assert samples[len(first)].started_ns >= between_ns
    assert children() == []


async def test_leaving_by_an_error_stops_the_burners(clock: Clock, children: Children) -> None:
    injector = CpuInjector(LIGHT, clock)

    async def broken_trial() -> None:
        async with injector:
            await injector.start()
            raise RuntimeError("the run broke")

    with pytest.raises(RuntimeError, match="the run broke"):
        await broken_trial()
    assert children() == []
    assert not injector.running


async def test_cancelling_a_trial_stops_the_burners(clock: Clock, children: Children) -> None:
    with anyio.CancelScope() as trial:
        async with CpuInjector(LIGHT, clock) as injector:
            await injector.start()
            trial.cancel()
            await anyio.sleep_forever()
    assert trial.cancelled_caught
    assert children() == []
    assert not injector.running


async def test_cancelling_a_start_leaves_nothing(clock: Clock, children: Children, silent: Path) -> None:
    async with CpuInjector(LIGHT, clock) as injector:
        with anyio.move_on_after(0.3) as start:
            await injector.start()
        assert start.cancelled_caught
        assert not injector.running
        assert children() == []


async def test_a_stop_waits_for_a_start_under_way(clock: Clock, children: Children) -> None:
    async with CpuInjector(LIGHT, clock) as injector:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(injector.start)
            await anyio.lowlevel.checkpoint()
            tasks.start_soon(injector.stop)
        assert not injector.running
        assert children() == []


async def test_burners_killed_from_outside_show_as_absent(clock: Clock, children: Children) -> None:
    async with CpuInjector(CpuLoadSettings(workers=1, percent=50), clock) as injector:
        await injector.start()
        await anyio.sleep(0.2)
        for burner in children():
            burner.kill()
            burner.wait()
        killed_ns = clock()
        await anyio.sleep(1.2)
        assert injector.running
        assert injector.activity.percent(killed_ns + 600_000_000, clock()) == 0.0
        assert injector.activity.overlap(killed_ns + 600_000_000, clock()) == 0.0
        await injector.stop()
        assert children() == []


async def test_a_stopped_burner_is_killed(clock: Clock, children: Children) -> None:
    async with CpuInjector(LIGHT, clock) as injector:
        await injector.start()
        children()[0].suspend()
        await injector.stop()
    assert children() == []


async def test_a_burner_that_dies_at_once_is_a_clear_error(
    clock: Clock, children: Children, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("raise SystemExit('no cores today')\n")
    monkeypatch.setattr(fleet, "BURNER_PROGRAM", broken)
    async with CpuInjector(LIGHT, clock) as injector:
        with pytest.raises(ContentionError, match=r"ended before it began to burn \(no cores today\); check"):
            await injector.start()
        assert not injector.running
        assert injector.activity.samples == ()
        assert children() == []


async def test_burners_that_do_not_begin_in_time_are_a_clear_error(
    clock: Clock, children: Children, silent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpu, "START_TIMEOUT_S", 0.2)
    async with CpuInjector(LIGHT, clock) as injector:
        with pytest.raises(ContentionError, match=r"Not all load burners began to burn within 0\.2 s"):
            await injector.start()
        assert children() == []


async def test_an_interpreter_that_cannot_be_started_is_a_clear_error(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    async with CpuInjector(LIGHT, clock) as injector:
        with pytest.raises(ContentionError, match=r"could not be started with /nowhere/python \("):
            await injector.start()


@pytest.fixture
def silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A burner program that neither burns nor looks at its input."""
    program = tmp_path / "silent.py"
    program.write_text("import time\ntime.sleep(60)\n")
    monkeypatch.setattr(fleet, "BURNER_PROGRAM", program)
    return program
