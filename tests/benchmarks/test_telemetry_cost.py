"""How `benchmarks/telemetry_cost.py` lays out what it has measured."""

from __future__ import annotations

import telemetry_cost as program


def test_a_source_has_a_line_with_its_share_of_a_core():
    lines = program.costs_table([program.Cost("host", 14, 0.42, 1.5, 0.61)]).splitlines()

    assert lines[2] == "| host | 14 | 0.42 ms | 1.50 ms | 0.61 % |"


def test_tokens_with_and_without_are_compared_pair_by_pair():
    # The machine drifts between pairs; within each, telemetry costs 2 %.
    line = program.beside_line([(10.0, 10.2), (20.0, 20.4), (30.0, 30.6)])

    assert "20.00 ms without and 20.40 ms with" in line
    assert "ratio 1.020 (middle half 1.020 to 1.020)" in line
