from __future__ import annotations

import os

import psutil
import pytest

from halospec import cores
from halospec.cores import available_cores, usable_core_numbers
from halospec.limits import ContainerLimits


def container_of(cpu_cores: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend to be in a container with this CPU quota."""
    monkeypatch.setattr(cores, "container_limits", lambda: ContainerLimits(cpu_cores, None, None))


def processors(numbers: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend to be allowed these logical cores."""
    monkeypatch.setattr(psutil.Process, "cpu_affinity", lambda self: list(numbers), raising=False)


@pytest.mark.parametrize(
    ("quota", "expected"), [(None, 4), (8.0, 4), (4.0, 4), (2.5, 3), (2.0, 2), (0.5, 1), (0.001, 1)]
)
def test_a_quota_is_rounded_up_and_never_adds_cores(
    quota: float | None, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    processors((3, 1, 5, 7), monkeypatch)
    container_of(quota, monkeypatch)
    assert available_cores() == expected


def test_core_numbers_are_those_of_the_affinity_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    processors((7, 1, 5), monkeypatch)
    assert usable_core_numbers() == (1, 5, 7)


def test_where_the_system_knows_no_affinity_all_cores_are_usable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(psutil.Process, "cpu_affinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert usable_core_numbers() == (0, 1, 2)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system knows no affinity")
def test_a_process_that_is_bound_to_a_core_has_one() -> None:
    before = os.sched_getaffinity(0)
    one = max(before)
    try:
        os.sched_setaffinity(0, {one})
        assert usable_core_numbers() == (one,)
        assert available_cores() == 1
    finally:
        os.sched_setaffinity(0, before)
