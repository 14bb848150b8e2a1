"""How `benchmarks/memory_contention.py` sets passes under load against passes without."""

from __future__ import annotations

import numpy as np

import memory_contention as program

LOAD = "memory:4GB/s"


def found(slowdown: float) -> dict[program.Cell, list[program.Timed]]:
    quiet_ms = (10.0, 12.0, 11.0)
    return {
        program.Cell(1, condition, width): [
            program.Timed(width * ms * (slowdown if condition == LOAD else 1.0), 3.5 if condition == LOAD else None)
            for ms in quiet_ms
        ]
        for condition in (program.QUIET, LOAD)
        for width in program.WIDTHS
    }


def test_a_load_is_set_against_the_quiet_machine_of_the_same_repetition():
    lines = program.table(found(1.5), [1], [LOAD]).splitlines()

    assert lines[2] == "| quiet | - | 11.0 ms | 55.0 ms | 99.0 ms |"
    assert lines[3].startswith(f"| {LOAD} | 3.5 GB/s | 16.5 ms, × 1.50 [1.50, 1.50] |")


def test_the_interval_of_a_ratio_covers_its_median_and_no_more_than_its_range():
    ratios = np.array([1.0, 1.1, 1.2, 1.3, 5.0])

    low, high = program.ratio_interval(ratios)

    assert ratios.min() <= low <= 1.2 <= high <= ratios.max()
    assert program.ratio_interval(ratios) == (low, high)
