from __future__ import annotations

import pytest

from halospec.contention import memory
from halospec.contention.last_level_cache import LastLevelCache
from halospec.contention.loads import MemoryLoad
from halospec.contention.memory import buffer_bytes, memory_bytes, program_of_memory
from halospec.contention.program import Counted

CACHE = LastLevelCache(8_000_000, known=True)


@pytest.fixture(autouse=True)
def _cache_of_8_mb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "last_level_cache", lambda: CACHE)


def test_workers_share_the_amount() -> None:
    program = program_of_memory(MemoryLoad(4.0, workers=2, buffer_mb=100.0))
    assert program.arguments == ("stream", "--bytes-per-s", "2000000000.0", "--buffer-bytes", "100000000")
    assert program.workers == 2


def test_no_cache_holds_a_default_buffer() -> None:
    assert buffer_bytes(MemoryLoad(4.0)) == 4 * CACHE.size_bytes


def test_memory_is_what_all_copy_from_and_to() -> None:
    assert memory_bytes(MemoryLoad(4.0, workers=3, buffer_mb=1.0)) == 6_000_000
    assert memory_bytes(MemoryLoad(4.0, workers=3)) == 3 * 2 * 4 * CACHE.size_bytes


def test_a_byte_a_nanosecond_is_a_gigabyte_a_second_and_a_hundredth_of_the_amount_is_work() -> None:
    program = program_of_memory(MemoryLoad(4.0))
    assert program.counted is Counted.OWN_COUNT
    assert 4_000_000_000 * program.scale / 1_000_000_000 == 4.0
    assert program.at_work_above == pytest.approx(0.04)
