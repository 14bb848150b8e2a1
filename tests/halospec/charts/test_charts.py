"""Charts of a run: what is drawn, what is left out and said so, and nothing read out of a name."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from halospec.charts import CHARTS, DrawnCharts, draw_charts
from halospec.charts.style import PHASE_LOOK
from halospec.records.classic_csv import classic_row
from halospec.records.schema import Phase, RequestRecord

SIX_OF_THE_ORIGINAL = {
    "adaptive_latency",
    "adaptive_draft_length",
    "latency_by_phase",
    "fixed_mean_latency",
    "fixed_p95_latency",
    "score_by_mode",
}
PHASES = [Phase.STEADY] * 5 + [Phase.LOAD] * 3 + [Phase.RECOVERY] * 3


def record(mode: str, step: int, *, success: bool = True, k: int = 2) -> RequestRecord:
    started_ns = step * 10**9
    return RequestRecord(
        mode=mode,
        phase=PHASES[step - 1],
        step=step,
        global_step=step,
        block=1,
        prompt_id="p",
        draft_length=k,
        success=success,
        error=None if success else "The server said no.",
        latency_ms=100.0 + step,
        completion_tokens=10 if success else None,
        started_ns=started_ns,
        first_token_ns=started_ns + 10**7 if success else None,
        ended_ns=started_ns + 10**8,
    )


def trial(mode: str, *, fails: Iterable[int] = ()) -> list[RequestRecord]:
    return [record(mode, step, success=step not in set(fails), k=1 + step % 8) for step in range(1, 12)]


RUN = [r for mode in ("fixed_0", "fixed_4", "adaptive") for r in trial(mode)]


@pytest.fixture
def draw(tmp_path: Path) -> Callable[..., DrawnCharts]:
    return lambda records, **options: draw_charts(records, options.pop("subtitle", "a run"), tmp_path, **options)


def test_a_whole_run_gives_every_chart_as_png_and_svg(draw):
    drawn = draw(RUN)
    assert set(CHARTS) > SIX_OF_THE_ORIGINAL
    assert {path.name for path in drawn.paths} == {f"{name}.{form}" for name in CHARTS for form in ("png", "svg")}
    assert drawn.skipped == ()
    assert all(path.read_bytes()[:4] == b"\x89PNG" for path in drawn.paths if path.suffix == ".png")


def test_equal_records_give_equal_bytes(draw):
    first = {path.name: path.read_bytes() for path in draw(RUN).paths}
    assert {path.name: path.read_bytes() for path in draw(RUN).paths} == first


def test_only_the_charts_and_formats_asked_for_are_drawn(draw):
    drawn = draw(RUN, names=["score_by_mode"], formats=("svg",))
    assert [path.name for path in drawn.paths] == ["score_by_mode.svg"]


@pytest.mark.parametrize("options", [{"names": ["pie"]}, {"formats": ("gif",)}])
def test_an_unknown_chart_or_format_is_refused_with_those_that_exist(draw, options):
    with pytest.raises(ValueError, match=r"There is no .*; there are "):
        draw(RUN, **options)


def test_charts_without_data_are_skipped_with_the_reason(draw):
    skipped = {chart.name: chart.reason for chart in draw(trial("fixed_0")).skipped}
    assert {"adaptive_latency", "adaptive_draft_length"} <= set(skipped)
    assert all(skipped.values())
    assert not SIX_OF_THE_ORIGINAL & {path.stem for path in draw(trial("adaptive")).paths} & {"fixed_mean_latency"}


def test_a_run_in_which_everything_failed_draws_no_statistic(draw):
    drawn = draw(trial("fixed_0", fails=range(1, 12)))
    assert {chart.name for chart in drawn.skipped} >= {"fixed_mean_latency", "score_by_mode", "tpot_by_mode"}


def test_a_failure_among_successes_and_an_empty_run_are_no_obstacle(draw):
    assert draw(trial("adaptive", fails=[2, 7])).paths
    assert draw([]).paths == ()


def test_the_originals_rows_can_be_drawn_but_for_the_time_per_token(draw):
    drawn = draw([classic_row(r) for r in RUN])
    assert {path.stem for path in drawn.paths} >= SIX_OF_THE_ORIGINAL
    assert {chart.name for chart in drawn.skipped} == {"tpot_by_mode"}


@pytest.mark.parametrize("name", ["$x^$", "a<script>alert(1)</script>", "]]>&amp;", "\x1b[31mred", "x" * 500])
def test_names_from_outside_are_only_ever_text(draw, name):
    records = [r.model_copy(update={"mode": name}) for r in trial("adaptive")]
    drawn = draw(records, subtitle=name)
    assert drawn.paths
    for path in drawn.paths:
        if path.suffix == ".svg":
            ElementTree.fromstring(path.read_text())
            assert "<script>alert" not in path.read_text()


def test_phases_differ_in_colour_and_in_marker_and_hatch():
    looks = PHASE_LOOK.values()
    assert len({look.color for look in looks}) == len({look.marker for look in looks}) == 3
    assert len({look.hatch for look in looks}) == 3
