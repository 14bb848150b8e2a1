"""How `benchmarks/threads.py` lays out what it has measured."""

from __future__ import annotations

import threads as program


def test_each_cell_shows_the_median_and_the_worst_by_both_clocks() -> None:
    setting = program.Threads(2, 1)
    found = {
        program.Cell(condition, setting, k): [
            program.TokenTime(by_rounds=k + extra + took, by_client=k + extra + took + 0.5) for took in (1.0, 9.0, 2.0)
        ]
        for condition, extra in ((program.QUIET, 0.0), (program.LOADED, 100.0))
        for k in program.LENGTHS
    }
    lines = program.table(found, [setting], burners=3).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[0][3:] == [f"k = {k}" for k in program.LENGTHS]
    assert set(cells[1]) == {"---"}
    assert cells[2] == ["quiet", "2 / 1", "rounds", *(f"{k + 2.0:.1f} ({k + 9.0:.1f})" for k in program.LENGTHS)]
    assert cells[3] == ["quiet", "2 / 1", "client", *(f"{k + 2.5:.1f} ({k + 9.5:.1f})" for k in program.LENGTHS)]
    assert cells[4][:3] == ["3 burners", "2 / 1", "rounds"]
    assert cells[4][3] == "102.0 (109.0)"
    assert len(cells) == 6
