import math

import pytest
from matplotlib.colors import to_hex

from halospec.analysis.loading import requests_of
from halospec.charts import CHARTS, NothingToDraw
from halospec.charts.style import LOAD_SHADE, PHASE_LOOK
from halospec.records.schema import Phase, Round


def panels(name, records):
    return CHARTS[name].draw(requests_of(records)).figure.axes


def points(axes):
    """(step, value, marker, colour) of every point that stands for a value."""
    return [
        (line.get_xdata()[0], line.get_ydata()[0], line.get_marker(), to_hex(line.get_color()).upper())
        for line in axes.lines
        if line.get_linestyle() == "None" and line.get_marker() != "x"
    ]


def crosses(axes):
    return [line for line in axes.lines if line.get_marker() == "x"]


def shaded(axes):
    """(from, to) of every shaded stretch."""
    spans = [patch for patch in axes.patches if to_hex(patch.get_facecolor()).upper() == LOAD_SHADE]
    return [(span.get_x(), span.get_x() + span.get_width()) for span in spans]


def trial(make_record, phases, **fields):
    return [
        make_record(**({"mode": "adaptive"} | fields), phase=phase, step=step, draft_length=step, latency_ms=100 * step)
        for step, phase in enumerate(phases, start=1)
    ]


THREE_PHASES = [Phase.STEADY, Phase.LOAD, Phase.LOAD, Phase.RECOVERY]


def test_each_point_has_the_marker_and_colour_of_its_phase(make_record):
    (axes,) = panels("adaptive_latency", trial(make_record, THREE_PHASES))
    assert points(axes) == [
        (step, 100 * step, PHASE_LOOK[phase].marker, PHASE_LOOK[phase].color)
        for step, phase in enumerate(THREE_PHASES, start=1)
    ]


def test_draft_lengths_are_drawn_by_step(make_record):
    (axes,) = panels("adaptive_draft_length", trial(make_record, THREE_PHASES))
    assert [(step, k) for step, k, _, _ in points(axes)] == [(1, 1), (2, 2), (3, 3), (4, 4)]


def test_the_load_window_is_shaded(make_record):
    (axes,) = panels("adaptive_latency", trial(make_record, THREE_PHASES))
    assert shaded(axes) == [(1.5, 3.5)]


def test_a_load_window_at_the_end_or_in_two_parts_is_shaded_too(make_record):
    load, steady = Phase.LOAD, Phase.STEADY
    (axes,) = panels("adaptive_latency", trial(make_record, [load, steady, load, load]))
    assert shaded(axes) == [(0.5, 1.5), (2.5, 4.5)]


def test_without_load_nothing_is_shaded(make_record):
    (axes,) = panels("adaptive_latency", trial(make_record, [Phase.STEADY, Phase.RECOVERY]))
    assert shaded(axes) == []


def test_the_window_of_several_trials_is_where_most_of_them_were_under_load(make_record):
    records = [
        record
        for block, step_2 in enumerate([Phase.LOAD, Phase.LOAD, Phase.STEADY], start=1)
        for record in trial(make_record, [Phase.STEADY, step_2, Phase.LOAD, Phase.RECOVERY], block=block)
    ]
    (axes,) = panels("adaptive_latency", records)
    assert shaded(axes) == [(1.5, 3.5)]


def test_a_failure_is_a_cross_on_the_axis_and_interrupts_the_line(make_record):
    records = trial(make_record, THREE_PHASES)
    records[1] = records[1].model_copy(update={"success": False, "error": "timed out", "latency_ms": 60_000.0})
    (axes,) = panels("adaptive_latency", records)

    (cross,) = crosses(axes)
    assert list(cross.get_xdata()) == [2]
    assert cross.get_transform() == axes.get_xaxis_transform()
    assert [step for step, *_ in points(axes)] == [1, 3, 4]
    line = next(line for line in axes.lines if len(line.get_xdata()) == 4)
    assert math.isnan(line.get_ydata()[1])


def test_each_adaptive_mode_has_a_panel_and_each_trial_a_line(make_record):
    records = [
        *trial(make_record, THREE_PHASES, block=1),
        *trial(make_record, THREE_PHASES, block=2),
        *trial(make_record, THREE_PHASES, mode="cost_model"),
        *trial(make_record, THREE_PHASES, mode="fixed_4"),
    ]
    drawn = panels("adaptive_latency", records)

    assert [axes.get_title(loc="left") for axes in drawn] == ["adaptive", "cost_model"]
    assert [sum(len(line.get_xdata()) == 4 for line in axes.lines) for axes in drawn] == [2, 1]


def test_a_mode_whose_length_the_server_chose_is_left_out_and_named(make_record):
    inside = [make_record(mode="auto:ema", draft_length=None)]
    picture = CHARTS["adaptive_draft_length"].draw(requests_of(inside + trial(make_record, THREE_PHASES)))
    assert picture.notes == (
        "Left out, the draft length was chosen inside the server, which does not say it: auto:ema.",
    )
    with pytest.raises(NothingToDraw, match="chosen inside the server"):
        CHARTS["adaptive_draft_length"].draw(requests_of(inside))


def test_a_rule_inside_the_server_is_drawn_by_what_was_in_force_in_its_rounds(make_record):
    rounds = tuple(Round(k=1, accepted=0, limit=limit) for limit in (2, 4))
    inside = [make_record(mode="auto:heuristic", draft_length=None, round_log=rounds)]
    picture = CHARTS["adaptive_draft_length"].draw(requests_of(inside))
    assert [line.get_ydata()[0] for line in picture.figure.axes[0].lines][:1] == [3.0]
    assert picture.notes == (
        "Chosen inside the server, round by round; shown is a request's mean of the longest draft allowed, and drafts"
        " may end earlier: auto:heuristic.",
    )


def test_a_request_that_drafts_nothing_is_a_whole_point_above_the_axis(make_record):
    (axes,) = panels("adaptive_draft_length", [make_record(mode="cost_model", draft_length=0)])
    assert axes.get_ylim()[0] < 0 == points(axes)[0][1]


def test_a_fixed_length_with_threads_of_its_own_does_not_adapt(make_record):
    with pytest.raises(NothingToDraw, match="no adaptive mode was run"):
        CHARTS["adaptive_draft_length"].draw(requests_of([make_record(mode="fixed_2@threads=1")]))


def test_fixed_modes_alone_leave_nothing_to_draw(make_record):
    with pytest.raises(NothingToDraw, match="no adaptive mode was run"):
        CHARTS["adaptive_latency"].draw(requests_of([make_record()]))
