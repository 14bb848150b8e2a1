"""A study as tables: in the terminal and as Markdown."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.console import Console

from halospec.simulate.grids import percent
from halospec.simulate.markdown import study_markdown
from halospec.simulate.study import study
from halospec.simulate.tables import study_tables
from stand_in_simulations import QUIET_THEN_LOADED, STEADY, recording_unread, stated_times


def studied(scenarios=(STEADY, QUIET_THEN_LOADED), seeds=(1, 2, 3), **more):
    chosen = {"simulate": stated_times, "processes": 1, "max_length": 2} | more
    return study(recording_unread(), scenarios, ("perfect", "slow"), seeds, **chosen)


def lines_of(text, title):
    block = text.partition(f"**{title}**")[2].lstrip("\n")
    return block.partition("\n\n")[0].splitlines()


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_row_a_policy_and_a_column_a_scenario_bold_where_certainly_better():
    lines = lines_of(study_markdown(studied()), "made-up: against the best fixed draft length in hindsight")
    assert cells(lines[0]) == ["policy", "steady", "on-off"]
    assert cells(lines[2]) == ["phase oracle", "0.0 [0.0, 0.0]", "**−8.6 [−8.6, −8.6]**"]
    assert cells(lines[3]) == ["`perfect`", "0.0 [0.0, 0.0]", "**−8.6 [−8.6, −8.6]**"]
    assert cells(lines[4]) == ["`slow`", "+50.0 [+50.0, +50.0]", "+65.7 [+65.7, +65.7]"]
    assert len(lines) == 5


def test_the_caption_says_what_the_intervals_do_not_cover():
    text = study_markdown(studied())
    assert "not for other machines" in text
    assert "paired over 3 seeds" in text


def test_hindsight_is_laid_open():
    lines = lines_of(study_markdown(studied()), "made-up: what hindsight would have chosen")
    assert cells(lines[3])[:6] == ["on-off: load comes", "100", "0", "14.28", "quiet: 1; cpu&#58;2: 0", "13.06"]


def test_regret_is_given_in_milliseconds_too():
    lines = lines_of(study_markdown(studied(seeds=(0,))), "made-up: regret per token")
    assert cells(lines[2]) == ["`perfect`", "+0.00 / +0.00 (0.0 %)", "−1.20 / +0.00 (0.0 %)"]


def test_load_has_tables_of_its_own_that_leave_out_scenarios_without():
    text = study_markdown(studied())
    lines = lines_of(text, "made-up: the stretches with load alone, against the fixed k that is best in them")
    assert cells(lines[0]) == ["policy", "on-off"]
    assert "with load" not in study_markdown(studied(scenarios=(STEADY,)))


def test_a_comparison_with_a_named_policy_ends_in_a_verdict():
    text = study_markdown(studied(contenders=("perfect",), others=("slow",)))
    lines = lines_of(text, "made-up: policies against each other")
    assert cells(lines[2])[0] == "`perfect` against `slow`"
    assert cells(lines[2])[2] == "**−44.8 [−44.8, −44.8] better**"
    assert len(lines) == 3


def test_one_seed_shows_no_interval_and_nothing_bold():
    lines = lines_of(study_markdown(studied(seeds=(1,))), "made-up: against the best fixed draft length in hindsight")
    assert cells(lines[3]) == ["`perfect`", "0.0", "−8.6"]
    assert "nothing can be told apart" in study_markdown(studied(seeds=(1,)))


def test_a_scenario_from_a_file_cannot_add_markup():
    bad = replace(STEADY, name="a|b", title="<b>[x](y)")
    text = study_markdown(studied(scenarios=(bad,)))
    assert "<b>" not in text
    assert "a|b" not in text


def test_the_terminal_shows_the_same_numbers():
    console = Console(width=200, record=True, file=None, quiet=False, force_terminal=False)
    with console.capture() as captured:
        for table in study_tables(studied(contenders=("perfect",), others=("slow",))):
            console.print(table)
    shown = captured.get()
    for expected in ("phase oracle", "−8.6 [−8.6, −8.6]", "on-off", "headroom", "perfect against slow", "better"):
        assert expected in shown


@pytest.mark.parametrize(("value", "text"), [(0.04, "0.0"), (-0.04, "0.0"), (-1.26, "−1.3"), (12.0, "+12.0")])
def test_a_percentage_has_a_sign_unless_it_rounds_to_nothing(value, text):
    assert percent(value) == text
