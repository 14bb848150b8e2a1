"""The charts whose bars are statistics: fixed modes, score, time per token; and the distribution by phase."""

import pytest

from halospec.analysis.loading import requests_of
from halospec.charts import CHARTS
from halospec.charts.style import PHASE_LOOK
from halospec.records.schema import Phase

MS = 1_000_000


def draw(name, records):
    picture = CHARTS[name].draw(requests_of(records))
    (axes,) = picture.figure.axes
    return axes, picture.notes


def heights(axes):
    return [patch.get_height() for patch in axes.patches]


def fixed(make_record, latencies, **fields):
    return [make_record(**fields, step=step, latency_ms=ms) for step, ms in enumerate(latencies, start=1)]


def test_mean_bars_stand_by_draft_length_with_their_n(make_record):
    records = fixed(make_record, [100, 300], mode="fixed_10") + fixed(make_record, [50], mode="fixed_2")
    axes, _ = draw("fixed_mean_latency", [*records, make_record(mode="adaptive")])

    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["2", "10"]
    assert heights(axes) == [50, 200]
    assert [text.get_text() for text in axes.texts] == ["50\nn = 1", "200\nn = 2"]


def test_every_request_behind_a_bar_is_a_point(make_record):
    axes, _ = draw("fixed_mean_latency", fixed(make_record, [100, 300, 500]))
    assert [list(line.get_ydata()) for line in axes.lines] == [[100, 300, 500]]


def test_a_p95_of_few_requests_is_called_the_maximum_that_it_is(make_record):
    axes, notes = draw("fixed_p95_latency", fixed(make_record, range(1, 20)))
    assert heights(axes) == [19]
    assert axes.texts[0].get_text() == "19\nmax\nof 19"
    assert any("fewer than 20 requests is their maximum" in note for note in notes)


def test_a_p95_of_enough_requests_is_by_nearest_rank(make_record):
    axes, notes = draw("fixed_p95_latency", fixed(make_record, range(1, 21)))
    assert heights(axes) == [19]
    assert axes.texts[0].get_text() == "19\nn = 20"
    assert not any("maximum" in note for note in notes)


def test_the_score_is_a_stack_of_its_parts(make_record):
    # mean 200, p95 300, population sd 100
    axes, _ = draw("score_by_mode", fixed(make_record, [100, 300]))
    assert heights(axes) == [200, 150, 20]
    assert [patch.get_y() for patch in axes.patches] == [0, 200, 350]
    assert axes.texts[0].get_text() == "370\nn = 2"


def test_scores_over_different_phases_are_marked_as_such(make_record):
    alike = [make_record(mode="fixed_1"), make_record(mode="adaptive")]
    assert not any("cannot be compared" in note for note in draw("score_by_mode", alike)[1])
    unlike = [*alike, make_record(mode="adaptive", phase=Phase.LOAD)]
    assert any("cannot be compared" in note for note in draw("score_by_mode", unlike)[1])


def test_tpot_bars_carry_colour_and_hatch_of_their_phase_and_a_line_shows_plain_decoding(make_record):
    def reply(mode, phase, decode_ms):
        return make_record(mode=mode, phase=phase, first_token_ns=0, ended_ns=decode_ms * MS, completion_tokens=11)

    axes, notes = draw(
        "tpot_by_mode",
        [
            reply("fixed_0", Phase.STEADY, 250),
            reply("fixed_0", Phase.LOAD, 400),
            reply("fixed_4", Phase.STEADY, 180),
        ],
    )
    assert heights(axes) == [25, 18, 40]
    assert [patch.get_hatch() or "" for patch in axes.patches] == [
        PHASE_LOOK[phase].hatch for phase in (Phase.STEADY, Phase.STEADY, Phase.LOAD)
    ]
    assert [line.get_ydata()[0] for line in axes.lines] == [25, 40]
    assert any("Dashed: fixed_0" in note for note in notes)


def test_without_plain_decoding_there_is_no_line_to_explain(make_record):
    axes, notes = draw("tpot_by_mode", [make_record(mode="fixed_4")])
    assert len(axes.lines) == 0
    assert not any("Dashed" in note for note in notes)


def markers(axes, marker):
    return [line for line in axes.lines if line.get_marker() == marker]


def test_the_distribution_shows_every_point_and_the_median(make_record):
    axes, _ = draw("latency_by_phase", fixed(make_record, [100, 120, 400]))
    (points,) = markers(axes, PHASE_LOOK[Phase.STEADY].marker)
    (median,) = markers(axes, "None")
    assert list(points.get_ydata()) == [100, 120, 400]
    assert list(median.get_ydata()) == [120, 120]


@pytest.mark.parametrize(("n", "boxes"), [(4, 0), (5, 1)])
def test_quartiles_are_drawn_from_five_requests_on(make_record, n, boxes):
    axes, _ = draw("latency_by_phase", fixed(make_record, range(100, 100 + n)))
    assert len(axes.collections) == boxes


def test_phases_of_one_mode_stand_side_by_side(make_record):
    records = [make_record(phase=phase) for phase in PHASE_LOOK]
    axes, _ = draw("latency_by_phase", records)
    places = [markers(axes, look.marker)[0].get_xdata()[0] for look in PHASE_LOOK.values()]
    assert places == sorted(places)
    assert len(set(places)) == 3


def test_a_failure_is_a_cross_on_the_axis_not_a_latency(make_record):
    failed = make_record(success=False, error="timed out", latency_ms=60_000)
    axes, _ = draw("latency_by_phase", [make_record(), failed])
    (cross,) = markers(axes, "x")
    (points,) = markers(axes, PHASE_LOOK[Phase.STEADY].marker)
    assert cross.get_transform() == axes.get_xaxis_transform()
    assert list(points.get_ydata()) == [100]
