"""What `benchmarks/cpu_share.py` makes of a load's activity."""

from __future__ import annotations

from pathlib import Path

import pytest

import cpu_share as program
from halospec.contention.activity import Activity, ActivitySample

SECOND = 1_000_000_000


def held(*seconds: float) -> program.Held:
    return program.Held("cpu:75%", 75.0, sum(seconds) / len(seconds), seconds, 74.0)


def test_seconds_are_averages_over_whole_seconds_from_the_first_sample_on():
    samples = [ActivitySample(7 + at * SECOND // 2, 7 + (at + 1) * SECOND // 2, amount=10.0 * at) for at in range(5)]

    assert program.by_second(Activity(tuple(samples))) == pytest.approx([5.0, 25.0])


def test_a_share_is_held_only_if_every_second_is_in_the_band():
    assert held(70.0, 75.0, 80.0).is_held
    assert not held(75.0, 75.0, 80.1).is_held
    assert not held(69.9, 75.0, 75.0).is_held


def test_the_table_says_how_far_it_went_and_whether_it_was_held():
    lines = program.table([held(74.0, 76.0), held(60.0, 90.0)]).splitlines()

    assert lines[2] == "| `cpu:75%` | 75.0 % | 74.0 % | 76.0 % | 74.0 % | yes |"
    assert lines[3].endswith("| 60.0 % | 90.0 % | 74.0 % | no |")


def test_the_chart_is_a_picture(tmp_path: Path):
    program.draw([held(74.0, 76.0)], tmp_path / "share.png")

    assert (tmp_path / "share.png").read_bytes().startswith(b"\x89PNG")
