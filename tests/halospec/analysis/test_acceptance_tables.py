import io
from pathlib import Path

from rich.console import Console

from halospec.analysis.acceptance_by_position import acceptance_by_position
from halospec.analysis.acceptance_tables import acceptance_tables
from halospec.analysis.loading import read_run, run_of
from halospec.records.schema import Round

DEMO = Path(__file__).parents[3] / "plots" / "demo"


def printed(parts):
    """What 100 columns show."""
    file = io.StringIO()
    console = Console(file=file, width=100, color_system=None, highlight=False)
    for part in parts:
        console.print(part)
    return file.getvalue()


def shown_for(make_record, *rounds, **fields):
    run = run_of([make_record(round_log=tuple(Round(k=k, accepted=kept) for k, kept in rounds), **fields)])
    return printed(acceptance_tables(acceptance_by_position(run.requests, run.rounds)))


def test_each_position_has_its_share_and_the_longer_side_of_its_interval(make_record):
    # Wilson for 70 of 100: 60.4 to 78.1; for 40 of 70: 45.5 to 68.1.
    shown = shown_for(make_record, *[(2, 2)] * 40, *[(2, 1)] * 30, *[(2, 0)] * 30)
    row = next(line.split() for line in shown.splitlines() if line.startswith("fixed_2"))
    assert row == ["fixed_2", "steady", "100", "70±10", "57±12"]


def test_positions_reached_too_rarely_are_missing_and_the_caption_says_why(make_record):
    shown = shown_for(make_record, *[(1, 0)] * 29)
    assert ["fixed_2", "steady", "29"] in [line.split() for line in shown.splitlines()]
    assert "fewer than 30 rounds reached are left out." in " ".join(shown.split())


def test_long_drafts_are_shown_up_to_the_eighth_position(make_record):
    shown = shown_for(make_record, *[(12, 12)] * 40)
    row = next(line.split() for line in shown.splitlines() if line.startswith("fixed_2"))
    assert len(row) == 3 + 8
    assert "Positions beyond 8 stand in summary.json." in " ".join(shown.split())


def test_the_recorded_run_is_shown_within_100_columns():
    run = read_run(DEMO)
    shown = printed(acceptance_tables(acceptance_by_position(run.requests, run.rounds)))
    assert "fixed_4  steady" in shown
    assert max(map(len, shown.splitlines())) <= 100
