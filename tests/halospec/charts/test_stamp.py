"""The stamp on the charts of a placebo run, as it is seen: in the pixels, not in the intentions."""

from __future__ import annotations

import re
from io import StringIO

import matplotlib.image
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from halospec.analysis.loading import requests_of
from halospec.charts import CHARTS, charts_of, draw_charts
from halospec.charts.style import head_and_foot
from halospec.records.classic_csv import read_classic_csv, write_classic_csv
from halospec.records.placebo import MEANING
from halospec.records.schema import Phase
from stand_in_telemetry import stand_in_loads, stand_in_telemetry

SUBTITLE = "a model"


@pytest.fixture
def placebo(run):
    return [record.model_copy(update={"placebo": True}) for record in run]


def drawn(name, records):
    """A chart of a run with load and telemetry."""
    requests = requests_of(records)
    charts = charts_of(requests, telemetry=stand_in_telemetry(requests), loads=stand_in_loads(requests))
    return charts[name].draw(requests)


def stamps(picture):
    return [[text.get_text() for text in axes.texts].count("PLACEBO") for axes in picture.figure.axes]


def panel_in_grey(name, records):
    """What a grey print shows of the first panel, from 0 (black) to 255."""
    picture = drawn(name, records)
    canvas = FigureCanvasAgg(picture.figure)
    # The same head for both, so that only what is inside the panel can differ.
    head_and_foot(picture, "title", SUBTITLE)
    canvas.draw()
    box = picture.figure.axes[0].get_window_extent()
    red, green, blue = np.moveaxis(np.asarray(canvas.buffer_rgba(), dtype=float)[..., :3], -1, 0)
    grey = 0.299 * red + 0.587 * green + 0.114 * blue
    bottom = grey.shape[0] - int(box.y0)
    return grey[bottom - int(box.height) : bottom, int(box.x0) : int(box.x0 + box.width)]


@pytest.mark.parametrize("name", CHARTS)
def test_each_panel_of_a_placebo_run_is_stamped_however_it_comes_to_be_drawn(name, placebo, make_record):
    records = [*placebo, *(make_record(mode="cost_model", step=step) for step in (1, 2))]
    picture = drawn(name, records)
    assert stamps(picture) == [1] * len(picture.figure.axes)
    assert f"PLACEBO. {MEANING}" in picture.notes


@pytest.mark.parametrize("name", CHARTS)
def test_the_title_bears_the_stamp(name, placebo):
    picture, title = drawn(name, placebo), CHARTS[name].title
    head_and_foot(picture, title, SUBTITLE)
    assert f"PLACEBO: {title}" in [text.get_text() for text in picture.figure.texts]


@pytest.mark.parametrize("name", CHARTS)
def test_the_stamp_is_seen_in_grey_and_hides_nothing(name, run, placebo):
    plain, stamped = (panel_in_grey(name, records) for records in (run, placebo))
    height = min(plain.shape[0], stamped.shape[0])
    plain, stamped = plain[:height], stamped[:height]

    changed = np.abs(stamped - plain) > 15
    assert changed.mean() > 0.03
    # From the left third to the right third, so across the panel.
    columns = np.flatnonzero(changed.any(axis=0)) / changed.shape[1]
    assert columns.min() < 1 / 3
    assert columns.max() > 2 / 3
    # Points, edges and medians stay dark; what differs elsewhere is a veil.
    assert stamped[plain < 60].mean() < 80
    assert np.corrcoef(plain.ravel(), stamped.ravel())[0, 1] > 0.7


def test_points_are_drawn_over_the_stamp(placebo):
    (axes,) = CHARTS["latency_by_phase"].draw(requests_of(placebo)).figure.axes
    (stamp,) = [text for text in axes.texts if text.get_text() == "PLACEBO"]
    points = [line for line in axes.lines if line.get_linestyle() == "None"]
    assert points
    assert all(point.get_zorder() > stamp.get_zorder() for point in points)


def test_one_placebo_request_of_the_warm_up_is_enough(run, make_record):
    warm = make_record(mode="fixed_0", phase=Phase.WARMUP, placebo=True)
    picture = CHARTS["score_by_mode"].draw(requests_of([warm, *run]))
    assert stamps(picture) == [1]


def test_the_files_are_stamped_and_the_same_every_time(placebo, run, tmp_path):
    first, second = (draw_charts(requests_of(placebo), SUBTITLE, tmp_path / folder) for folder in ("one", "two"))
    plain = draw_charts(requests_of(run), SUBTITLE, tmp_path / "plain")

    assert [path.read_bytes() for path in first.paths] == [path.read_bytes() for path in second.paths]
    for stamped, unstamped in zip(first.paths, plain.paths, strict=True):
        if stamped.suffix == ".svg":
            # Letters are paths in an SVG; matplotlib leaves a title's text beside them as a comment.
            assert "<!-- PLACEBO: " in stamped.read_text()
            assert "fill-opacity: 0.1;" in stamped.read_text()
            assert "fill-opacity: 0.1;" not in unstamped.read_text()
            assert not re.search("placebo", unstamped.read_text(), re.IGNORECASE)
        else:
            assert matplotlib.image.imread(stamped).shape[1] == matplotlib.image.imread(unstamped).shape[1]
            assert stamped.read_bytes() != unstamped.read_bytes()


def test_an_exported_csv_is_drawn_with_the_stamp_again(placebo, tmp_path):
    file = StringIO()
    write_classic_csv(placebo, file)
    (tmp_path / "run.csv").write_text(file.getvalue())
    # The fixture's steps start again with every mode, and so does what it counts as a run.
    rows = [row for one in read_classic_csv(tmp_path / "run.csv") for row in one.rows]

    picture = CHARTS["fixed_mean_latency"].draw(requests_of(rows))

    assert stamps(picture) == [1]
    assert [tick.get_text() for tick in picture.figure.axes[0].get_xticklabels()] == ["0", "4"]


@pytest.mark.parametrize("name", CHARTS)
def test_without_a_placebo_no_chart_speaks_of_one(name, run):
    picture = drawn(name, run)
    head_and_foot(picture, CHARTS[name].title, SUBTITLE)
    texts = [text.get_text() for axes in picture.figure.axes for text in axes.texts]
    texts += [text.get_text() for text in picture.figure.texts]
    assert not re.search("placebo", "\n".join([*texts, *picture.notes]), re.IGNORECASE)


def test_charts_of_a_run_through_restarts_are_those_of_any_run(run, tmp_path):
    restarted = [
        record.model_copy(update={"knob": "restart", "switch_ms": 900.0 if record.step == 1 else None})
        for record in run
    ]
    plain = draw_charts(requests_of(run), SUBTITLE, tmp_path / "plain", formats=["svg"])
    with_restarts = draw_charts(requests_of(restarted), SUBTITLE, tmp_path / "restarts", formats=["svg"])
    assert [path.read_bytes() for path in plain.paths] == [path.read_bytes() for path in with_restarts.paths]
