"""How `benchmarks/telemetry_cost.py` lays out what it has measured."""

from __future__ import annotations

import telemetry_cost as program


def test_a_source_has_a_line_with_its_share_of_a_core():
    lines = program.costs_table([program.Cost("host", 14, 0.42, 1.5, 0.61)]).splitlines()

    assert lines[2] == "| host | 14 | 0.42 ms | 1.50 ms | 0.61 % |"


def test_tokens_beside_telemetry_are_compared_with_those_of_the_same_repetition():
    # The machine drifts between repetitions; within each, telemetry costs 2 %.
    lines = program.rates_table({0.0: [10.0, 20.0, 30.0], 5.0: [10.2, 20.4, 30.6]}).splitlines()

    assert lines[2] == "| none | 20.00 | - |"
    assert lines[3] == "| 5 Hz | 20.40 | 1.020 [1.020, 1.020] |"
