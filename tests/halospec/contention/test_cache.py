from __future__ import annotations

import pytest

from halospec.contention import cache
from halospec.contention.cache import program_of_cache, touched_bytes
from halospec.contention.last_level_cache import LastLevelCache
from halospec.contention.loads import CacheLoad
from halospec.contention.program import Counted


@pytest.fixture(autouse=True)
def _cache_of_8_mb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "last_level_cache", lambda: LastLevelCache(8_000_000, known=True))


def test_workers_share_the_amount_and_the_size() -> None:
    program = program_of_cache(CacheLoad(6.0, workers=3, size_mb=12.0))
    # Two buffers each: 3 × 2 × 2 MB.
    assert program.arguments == ("stream", "--bytes-per-s", "2000000000.0", "--buffer-bytes", "2000000")
    assert program.workers == 3


def test_all_of_the_cache_is_touched_by_default() -> None:
    assert touched_bytes(CacheLoad(6.0)) == 8_000_000
    assert program_of_cache(CacheLoad(6.0)).arguments[-1] == "4000000"


def test_a_size_too_small_for_its_workers_leaves_each_a_byte() -> None:
    assert program_of_cache(CacheLoad(6.0, workers=8, size_mb=1e-6)).arguments[-1] == "1"


def test_a_byte_a_nanosecond_is_a_gigabyte_a_second_and_a_hundredth_of_the_amount_is_work() -> None:
    program = program_of_cache(CacheLoad(6.0))
    assert program.counted is Counted.OWN_COUNT
    assert 6_000_000_000 * program.scale / 1_000_000_000 == 6.0
    assert program.at_work_above == pytest.approx(0.06)
