"""The sampling thread: when it reads, what a sampler's fault does, and what a full disk does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.clock import start_clock
from halospec.records.store import StoreError
from halospec.records.ticks import read_ticks
from halospec.telemetry.journal import TickJournal
from halospec.telemetry.protocol import Column, Reading
from halospec.telemetry.recorder import Recorder, next_tick_ns

PATIENCE_S = 20.0


@dataclass
class StandInSampler:
    """A sampler of nothing: it counts its readings, and fails or works as long as it is told to."""

    source: str = "a"
    fails_at: int | None = None
    works: Callable[[], None] = lambda: None
    columns: tuple[Column, ...] = (Column("b", "readings so far"),)
    readings: int = 0
    enough: threading.Event = field(default_factory=threading.Event)

    def read(self) -> Reading:
        self.readings += 1
        if self.readings >= 5:
            self.enough.set()
        if self.readings == self.fails_at:
            raise RuntimeError("the sensor fell off")
        self.works()
        return {"b": float(self.readings)}

    def close(self) -> None:
        pass


@given(
    due_ns=st.integers(0, 10**12),
    late_ns=st.integers(-(10**9), 10**11),
    period_ns=st.integers(1, 10**9),
)
def test_the_next_tick_is_on_schedule_lies_ahead_and_is_the_first_such(due_ns, late_ns, period_ns):
    now_ns = due_ns + late_ns
    after_ns = next_tick_ns(due_ns, now_ns, period_ns)
    assert (after_ns - due_ns) % period_ns == 0
    assert after_ns > max(due_ns, now_ns)
    assert after_ns - period_ns <= max(due_ns, now_ns)


def recorded(tmp_path, *samplers: StandInSampler, until: StandInSampler, hz: float = 50.0):
    journal = tmp_path / "telemetry.jsonl"
    with Recorder(samplers, TickJournal(journal), start_clock(), hz=hz) as recorder:
        assert until.enough.wait(PATIENCE_S)
    return list(read_ticks(journal)), recorder


def test_all_samplers_are_read_at_the_same_ticks(tmp_path):
    first, second = StandInSampler(), StandInSampler(source="gpu0")
    ticks, recorder = recorded(tmp_path, first, second, until=second)
    assert all(tick.values.keys() == {"a.b", "gpu0.b"} for tick in ticks)
    assert [tick.values["a.b"] for tick in ticks] == [float(n) for n in range(1, len(ticks) + 1)]
    assert all(later.at_ns > earlier.at_ns for earlier, later in pairwise(ticks))
    assert recorder.dropped == ()


def test_a_sampler_that_fails_is_dropped_with_a_reason_and_the_others_go_on(tmp_path):
    broken, whole = StandInSampler(source="gpu0", fails_at=2), StandInSampler()
    ticks, recorder = recorded(tmp_path, broken, whole, until=whole)
    assert broken.readings == 2
    assert ["gpu0.b" in tick.values for tick in ticks[:3]] == [True, False, False]
    assert all("a.b" in tick.values for tick in ticks)
    (dropped,) = recorder.dropped
    assert dropped.source == "gpu0"
    assert "the sensor fell off" in dropped.reason


def test_a_sampler_that_is_too_dear_is_read_at_fewer_ticks(tmp_path):
    def compute() -> None:
        end_s = time.thread_time() + 0.2
        while time.thread_time() < end_s:
            pass

    dear, cheap = StandInSampler(source="gpu0", works=compute), StandInSampler()
    ticks, recorder = recorded(tmp_path, dear, cheap, until=cheap)
    assert dear.readings == 1
    assert len(ticks) >= 5
    assert recorder.dropped == ()


def test_a_full_disk_stops_the_run_when_it_next_asks(tmp_path):
    class FullJournal:
        """A stand-in for a journal on a full disk."""

        def add(self, _tick) -> None:
            raise StoreError("Cannot write telemetry.jsonl: No space left on device.")

        def close(self) -> None:
            pass

    sampler = StandInSampler()
    recorder = Recorder((sampler,), FullJournal(), start_clock(), hz=100.0)

    def ask_until_told() -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline_s:
            recorder.require_kept()
            time.sleep(0.01)

    with pytest.raises(StoreError, match="No space left"), recorder:
        ask_until_told()
    assert sampler.readings == 1


def test_a_fault_of_the_last_write_is_told_at_the_end_unless_something_else_is(tmp_path):
    class LastWriteFails:
        """A stand-in for a journal whose last second finds no room."""

        def add(self, _tick) -> None:
            pass

        def close(self) -> None:
            raise StoreError("Cannot write telemetry.jsonl: No space left on device.")

    with (
        pytest.raises(StoreError, match="No space left"),
        Recorder((StandInSampler(),), LastWriteFails(), start_clock()),
    ):
        pass
    with pytest.raises(KeyError), Recorder((StandInSampler(),), LastWriteFails(), start_clock()):
        raise KeyError("the run's own")


def test_the_thread_is_gone_at_the_end(tmp_path):
    sampler = StandInSampler()
    recorded(tmp_path, sampler, until=sampler)
    assert not any(thread.name == "halospec-telemetry" for thread in threading.enumerate())


def test_everything_is_read_once_more_at_the_end(tmp_path):
    clock = start_clock()
    sampler = StandInSampler()
    # A tick a minute: the last request of a short run ends long before the next is due.
    with Recorder([sampler], TickJournal(tmp_path / "t.jsonl"), clock, hz=1 / 60):
        request_ended_ns = clock()

    assert [tick.at_ns >= request_ended_ns for tick in read_ticks(tmp_path / "t.jsonl")][-1]
