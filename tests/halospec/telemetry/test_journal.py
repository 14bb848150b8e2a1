"""Writing telemetry.jsonl: in pieces of a second, whole lines only."""

from __future__ import annotations

import errno
import io
from pathlib import Path

import pytest

from halospec.records.store import StoreError
from halospec.records.ticks import Tick, read_ticks
from halospec.telemetry.journal import TickJournal

TENTH_NS = 100_000_000


def at(number: int) -> Tick:
    return Tick(number * TENTH_NS, {"a.b": float(number)})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run" / "telemetry.jsonl"


def test_ticks_are_written_about_every_second_in_one_piece(path):
    journal = TickJournal(path)
    for number in range(10):
        journal.add(at(number))
    assert path.read_bytes() == b""
    journal.add(at(10))
    assert list(read_ticks(path)) == [at(number) for number in range(11)]
    journal.add(at(11))
    assert len(list(read_ticks(path))) == 11
    journal.close()
    assert len(list(read_ticks(path))) == 12
    journal.close()


def test_ticks_that_are_far_apart_are_written_one_by_one(path):
    journal = TickJournal(path)
    for number in range(4):
        journal.add(at(100 * number))
        assert len(list(read_ticks(path))) == (number + 1 if number else 0)


def test_a_run_that_goes_on_appends_behind_whole_lines(path):
    path.parent.mkdir()
    path.write_bytes(b'{"at_ns":1,"a.b":1.0}\n{"at_ns":2,"a.')
    journal = TickJournal(path)
    journal.add(Tick(3, {"a.b": 3.0}))
    journal.close()
    assert [tick.at_ns for tick in read_ticks(path)] == [1, 3]


class FullDisk(io.FileIO):
    """A stand-in for a file on a disk that is full after so many bytes more."""

    def write(self, data: bytes) -> int:
        super().write(data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_told_and_leaves_whole_lines(path, monkeypatch):
    journal = TickJournal(path)
    journal.add(at(0))
    journal.add(at(10))
    before = path.read_bytes()
    monkeypatch.setattr(journal, "_file", FullDisk(path, "a"))
    journal.add(at(11))
    with pytest.raises(StoreError, match=r"Cannot write .*: No space left on device"):
        journal.close()
    assert path.read_bytes() == before
    with pytest.raises(StoreError, match="closed"):
        journal.add(at(30))


def test_a_file_that_cannot_be_opened_is_told(tmp_path):
    with pytest.raises(StoreError, match="Cannot open"):
        TickJournal(tmp_path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_the_systems_own_full_device_is_told_too():
    journal = TickJournal(Path("/dev/full"))
    journal.add(at(0))
    with pytest.raises(StoreError, match="Cannot write /dev/full"):
        journal.add(at(20))
