"""The system call that counts events, on this machine's kernel."""

from __future__ import annotations

import errno
import functools
import mmap
import platform
import sys
from pathlib import Path

import pytest

from halospec.telemetry.counters import Tally
from halospec.telemetry.perf_events import Event, KernelPerfEvents
from halospec.telemetry.pmu import Pmu

SOFTWARE, CPU_CLOCK, PAGE_FAULTS = 1, 0, 2
MSR = Path("/sys/bus/event_source/devices/msr")
REFUSALS = (errno.EACCES, errno.EPERM, errno.ENOSYS)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="perf events are Linux's")


@pytest.fixture
def opened():
    """Open an event, or show that the kernel refused it for want of rights."""
    kernel = KernelPerfEvents()
    descriptors = []

    def open_one(event: Event, process: int = 0, cpu: int = -1):
        try:
            descriptors.append(kernel.open(event, process=process, cpu=cpu))
        except OSError as error:
            if error.errno not in REFUSALS:
                raise
            pytest.skip(f"the kernel refuses perf events: {error.strerror}")
        return functools.partial(kernel.read, descriptors[-1])

    yield open_one
    for descriptor in descriptors:
        kernel.close(descriptor)


def test_the_kernels_own_clock_is_counted_and_timed(opened):
    read = opened(Event(SOFTWARE, (CPU_CLOCK, 0, 0)))
    before = read()
    assert sum(range(300_000)) > 0
    after = read()
    assert isinstance(before, Tally)
    assert isinstance(after, Tally)
    # The event is in nanoseconds of CPU time, and so are the times that stand beside it: were a field of the structure
    # in the wrong place, they would not agree.
    assert 0 < after.running_ns - before.running_ns <= after.enabled_ns - before.enabled_ns
    assert after.count - before.count == pytest.approx(after.running_ns - before.running_ns, rel=0.2)


def test_pages_touched_for_the_first_time_are_faults(opened):
    read = opened(Event(SOFTWARE, (PAGE_FAULTS, 0, 0)))
    pages = 500
    with mmap.mmap(-1, pages * mmap.PAGESIZE) as memory:
        memory.madvise(mmap.MADV_NOHUGEPAGE)
        before = read().count
        for page in range(pages):
            memory[page * mmap.PAGESIZE] = 1
        assert pages <= read().count - before < 2 * pages


@pytest.mark.skipif(not MSR.is_dir(), reason="this processor has no time-stamp counter to count")
def test_a_unit_that_the_kernel_describes_is_counted_for_all_processes(opened):
    read = opened(Pmu(MSR).event_named("tsc"), process=-1, cpu=0)
    before, after = read(), read()
    assert after.count > before.count
    assert after.running_ns == after.enabled_ns > before.enabled_ns


def test_an_event_that_does_not_exist_is_an_error():
    with pytest.raises(OSError) as caught:
        KernelPerfEvents().open(Event(SOFTWARE, (10_000, 0, 0)), process=0, cpu=-1)
    assert caught.value.errno in (errno.EINVAL, errno.ENOENT, errno.EOPNOTSUPP, *REFUSALS)


def test_a_machine_whose_calls_are_not_known_is_told_so(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "vax")
    with pytest.raises(OSError) as caught:
        KernelPerfEvents().open(Event(SOFTWARE, (CPU_CLOCK, 0, 0)), process=0, cpu=-1)
    assert caught.value.errno == errno.ENOSYS
