"""What the charts of a study show."""

from __future__ import annotations

import pytest
from matplotlib.patches import StepPatch

from halospec.charts.style import LOAD_SHADE
from halospec.simulate.charts import draw_study
from halospec.simulate.charts.length_over_time import length_over_time
from halospec.simulate.charts.regret_over_time import regret_over_time
from halospec.simulate.study import study
from stand_in_simulations import QUIET_THEN_LOADED, STEADY, recording_unread, stated_times


@pytest.fixture(scope="module")
def found():
    return study(
        recording_unread(),
        (QUIET_THEN_LOADED, STEADY),
        ("slow",),
        (0,),
        processes=1,
        max_length=2,
        tracked=("slow", "auto:joint"),
        simulate=stated_times,
    )


def legend(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def shaded(axes):
    return [
        (patch.get_x(), patch.get_x() + patch.get_width())
        for patch in axes.patches
        if patch.get_facecolor()[:3] == pytest.approx(tuple(int(LOAD_SHADE[i : i + 2], 16) / 255 for i in (1, 3, 5)))
    ]


def test_regret_grows_from_0_to_its_sum_over_shaded_load(found):
    axes, moving = regret_over_time(found.scenarios[0]).figure.axes
    slow = axes.lines[0]
    assert slow.get_ydata()[0] == 0
    assert slow.get_ydata()[-1] == pytest.approx(1.04)
    assert list(slow.get_xdata())[-1] == 100
    assert legend(axes) == ["slow", "fixed_0"]
    assert legend(moving) == ["auto:joint"]
    assert moving.lines[0].get_ydata()[-1] == pytest.approx((880 - 1280) / 1e3)
    assert shaded(axes) == shaded(moving) == [(60, 100)]


def test_without_load_nothing_is_shaded(found):
    picture = regret_over_time(found.scenarios[1])
    (axes,) = picture.figure.axes
    assert shaded(axes) == []
    assert picture.legend == ()
    assert [entry.get_label() for entry in regret_over_time(found.scenarios[0]).legend] == ["load"]


def test_the_oracles_k_steps_where_the_load_comes(found):
    slow, joint, threads = length_over_time(found.scenarios[0]).figure.axes
    assert [legend(axes) for axes in (slow, joint)] == [["slow"], ["auto:joint"]]
    (steps,) = [patch for patch in joint.patches if isinstance(patch, StepPatch)]
    values = list(steps.get_data().values)
    assert (values[0], values[-1]) == (1, 0)
    assert list(threads.lines[0].get_ydata())[-1] == 1
    assert threads.get_ylabel() == "threads"


def test_where_no_policy_moves_the_threads_there_is_no_panel_for_them(found):
    panels = length_over_time(found.scenarios[1]).figure.axes
    assert [axes.get_ylabel() for axes in panels] == ["k", "k"]


def test_each_scenario_has_its_pictures_and_they_are_small(found, tmp_path):
    paths = draw_study(found, tmp_path)
    assert [path.name for path in paths] == [
        "made-up-on-off-regret.png",
        "made-up-on-off-length.png",
        "made-up-steady-regret.png",
        "made-up-steady-length.png",
    ]
    assert all(0 < path.stat().st_size < 100_000 for path in paths)


def test_the_same_study_gives_the_same_bytes(found, tmp_path):
    once, again = draw_study(found, tmp_path / "a"), draw_study(found, tmp_path / "b")
    assert [path.read_bytes() for path in once] == [path.read_bytes() for path in again]


def test_a_scenarios_name_cannot_lead_out_of_the_directory(found, tmp_path):
    odd = found.model_copy(update={"scenarios": (found.scenarios[1].model_copy(update={"name": "../x"}),)})
    assert all(path.parent == tmp_path for path in draw_study(odd, tmp_path))
