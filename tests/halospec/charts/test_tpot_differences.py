"""The chart of differences to the reference: points and intervals are those that verdicts rest on."""

import math
from dataclasses import replace

import numpy as np
import pytest

from halospec.analysis.comparisons import comparisons
from halospec.analysis.loading import requests_of
from halospec.charts import CHARTS, NothingToDraw, draw_charts
from halospec.charts.style import PHASE_LOOK
from halospec.charts.tpot_differences import tpot_differences
from halospec.records.schema import MEASURED_PHASES, Phase
from made_runs import made_records
from simulated_requests import simulated

NAME = "tpot_differences"


def drawn(requests, **options):
    picture = tpot_differences(**options).draw(requests)
    (axes,) = picture.figure.axes
    return axes, " ".join(picture.notes)


def intervals(axes):
    """The ends of each line in percent, the line at 0 left out."""
    lines = [line.get_xdata() for line in axes.lines if line.get_marker() == "None" and len(set(line.get_xdata())) > 1]
    return [tuple(100 * math.expm1(end) for end in ends) for ends in lines]


def test_every_row_is_its_difference_with_its_interval_in_its_phases_look():
    requests = simulated(modes=("fixed_0", "fixed_2"), effects={"fixed_2": -0.3})
    family = comparisons(requests).primary
    axes, _ = drawn(requests)
    expected = [row.to_reference for row in family.rows if row.to_reference is not None]
    assert intervals(axes) == [pytest.approx((one.low_percent, one.high_percent)) for one in expected]
    points = [line for line in axes.lines if line.get_marker() != "None"]
    assert [100 * math.expm1(line.get_xdata()[0]) for line in points] == [pytest.approx(o.percent) for o in expected]
    looks = [PHASE_LOOK[phase] for phase in MEASURED_PHASES]
    assert [(line.get_color(), line.get_marker()) for line in points] == [(look.color, look.marker) for look in looks]


def test_the_modes_are_named_in_order_and_the_reference_on_the_axis():
    axes, notes = drawn(simulated(modes=("fixed_1", "fixed_2", "adaptive")))
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["fixed_2", "adaptive"]
    assert "difference to fixed_1 (%)" in axes.get_xlabel()
    assert "all 6, with 95 % confidence" in notes


def test_it_shows_what_the_summary_was_judged_by():
    requests = simulated(modes=("fixed_0", "fixed_2"))
    axes, _ = drawn(requests, compare=lambda seen: comparisons(seen, reference="fixed_2"))
    assert "fixed_2" in axes.get_xlabel()


def test_a_single_interval_is_not_said_to_hold_together_with_others():
    _, notes = drawn(simulated(modes=("fixed_0", "fixed_2"), phases=(Phase.STEADY,)))
    assert "Line: the 95 % interval." in notes


def test_intervals_too_wide_for_the_picture_are_cut_and_said_to_be():
    wide = simulated(modes=("fixed_0", "fixed_2"), blocks=3, mode_in_block_sd=2.0)
    axes, notes = drawn(wide)
    low, high = (100 * math.expm1(end) for end in axes.get_xlim())
    assert low >= -95
    assert high <= 1100
    assert "goes on beyond it" in notes
    assert "goes on beyond it" not in drawn(simulated())[1]


def test_a_mode_without_an_interval_is_named():
    records = [
        record
        for record in made_records(modes=("fixed_0", "fixed_2", "fixed_4"), blocks=4)
        if record.mode != "fixed_4" or record.block == 1
    ]
    assert "Left out, no interval: fixed_4." in drawn(requests_of(records))[1]


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        (made_records(blocks=1), "no two blocks hold the reference and another mode"),
        (made_records(modes=("fixed_2",)), "there are no two modes that can be compared"),
        ([r.model_copy(update={"first_token_ns": None}) for r in made_records()], "no time per output token"),
    ],
    ids=["one block", "one mode", "no times"],
)
def test_without_comparisons_it_says_why(records, reason):
    with pytest.raises(NothingToDraw, match=reason):
        CHARTS[NAME].draw(requests_of(records))


def test_a_design_without_a_random_order_is_not_drawn():
    # What a manifest would say is not known here; the order of the records is the same in all blocks.
    requests = simulated(modes=("fixed_0", "fixed_2"))
    in_order = requests.taken(np.lexsort((requests.mode, requests.block)))
    same = replace(in_order, started_ns=np.full(len(requests), -1))
    with pytest.raises(NothingToDraw, match="no two modes that can be compared"):
        CHARTS[NAME].draw(same)


def test_the_same_requests_give_the_same_bytes(tmp_path):
    one, two = (draw_charts(simulated(), "", tmp_path / name, [NAME]) for name in ("one", "two"))
    assert [path.read_bytes() for path in one.paths] == [path.read_bytes() for path in two.paths]
