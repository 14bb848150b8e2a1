from __future__ import annotations

from collections.abc import Callable

import anyio
import psutil
import pytest

from halospec.clock import Clock
from halospec.contention import fleet, injection
from halospec.contention.cpu import program_of_cpu
from halospec.contention.injection import Injection
from halospec.contention.loads import AnyLoad, CacheLoad, CpuLoad, DiskLoad, Load, MemoryLoad, ProcessLoad
from halospec.contention.no_load import NoLoad
from halospec.contention.protocol import ContentionError, Injector
from halospec.contention.together import Together, injector_for, program_of

Children = Callable[[], list[psutil.Process]]
CPU = Load(CpuLoad(workers=1, percent=20))
MEMORY = Load(MemoryLoad(0.2, buffer_mb=1))


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A load may take long to be seen at work, on a machine that is busy with something else."""
    monkeypatch.setattr(injection, "ONSET_TIMEOUT_S", 60.0)


@pytest.mark.parametrize(
    ("load", "program"),
    [
        (CpuLoad(workers=2), "burn"),
        (MemoryLoad(4.0), "stream"),
        (CacheLoad(8.0), "stream"),
        (DiskLoad(50.0), "write"),
        (ProcessLoad(("stress-ng", "--vm", "1")), "guard"),
    ],
)
def test_each_kind_has_its_program(load: AnyLoad, program: str) -> None:
    assert program_of(load).arguments[0] == program
    assert program_of(load).workers == load.workers


def test_without_loads_there_is_nothing_to_inject(clock: Clock) -> None:
    assert isinstance(injector_for((), clock), NoLoad)


@pytest.mark.usefixtures("patient")
async def test_several_loads_are_on_together_and_off_together(clock: Clock, children: Children) -> None:
    injector: Injector
    async with injector_for((MEMORY, CPU), clock) as injector:
        assert not injector.running
        asked_ns = clock()
        await injector.start()
        on_ns = clock()
        assert injector.running
        assert len(children()) == 2
        assert [one.load for one in injector.injected] == [MEMORY, CPU]
        for one in injector.injected:
            assert any(one.activity.at_work_in(asked_ns, on_ns))
        await injector.start()
        assert len(children()) == 2
        await injector.stop()
        assert not injector.running
        assert children() == []
    memory, cpu = injector.activities.loads
    assert injector.activities.cpu == {1: CPU.what.workers}
    assert injector.activities.cpu_percent(asked_ns, clock()) == cpu.amount(asked_ns, clock())
    assert (memory.amount(asked_ns, clock()) or 0.0) > 0.0


async def test_if_one_cannot_be_put_on_none_is_left(clock: Clock, children: Children) -> None:
    missing = Load(ProcessLoad(("/nowhere/stress",)))
    async with injector_for((CPU, missing, MEMORY), clock) as injector:
        with pytest.raises(ContentionError, match="/nowhere/stress cannot be started"):
            await injector.start()
        assert not injector.running
        assert children() == []


async def test_one_that_fails_late_ends_those_that_are_at_work_already(clock: Clock, children: Children) -> None:
    async def fail_late() -> None:
        with anyio.fail_after(20):
            while not first.running:  # noqa: ASYNC110 - there is no event for it
                await anyio.sleep(0.01)
        raise ContentionError("It cannot be done.")

    first = Injection(CPU, program_of_cpu(CpuLoad(workers=1, percent=20)), clock)
    second = Injection(CPU, program_of_cpu(CpuLoad(workers=1, percent=20)), clock)
    second.start = fail_late  # type: ignore[method-assign]
    async with Together([first, second]) as together:
        with pytest.raises(ContentionError, match=r"^It cannot be done\.$"):
            await together.start()
        assert not together.running
        assert children() == []


async def test_two_that_fail_are_one_sentence(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    async with injector_for((CPU, MEMORY), clock) as injector:
        with pytest.raises(ContentionError, match="could not be started"):
            await injector.start()


async def test_cancelling_a_start_leaves_nothing(
    clock: Clock, children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = anyio.Event()

    class Slow(fleet.Fleet):
        """A fleet that says when it has been started, and is never ready."""

        def wait_until_ready(self) -> None:
            anyio.from_thread.run_sync(started.set)
            for process in self._processes:
                process.wait()

    monkeypatch.setattr(injection, "Fleet", Slow)
    async with injector_for((CPU, MEMORY), clock) as injector:
        async with anyio.create_task_group() as trial:
            trial.start_soon(injector.start)
            await started.wait()
            trial.cancel_scope.cancel()
        assert not injector.running
        assert children() == []


async def test_leaving_by_an_error_stops_all(clock: Clock, children: Children) -> None:
    injector = injector_for((CPU, MEMORY), clock)

    async def broken_trial() -> None:
        async with injector:
            await injector.start()
            raise RuntimeError("the run broke")

    with pytest.raises(RuntimeError, match="the run broke"):
        await broken_trial()
    assert children() == []
    assert not injector.running
