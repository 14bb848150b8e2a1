"""What holds for every chart."""

import struct
import xml.etree.ElementTree as ET

import pytest

from halospec.analysis.loading import requests_of
from halospec.charts import CHARTS, draw_charts
from halospec.charts.style import PHASE_LOOK
from halospec.records.classic_csv import classic_row
from halospec.records.schema import Phase
from halospec.records.store import StoreError

NAMES = [
    "adaptive_latency",
    "adaptive_draft_length",
    "latency_by_phase",
    "fixed_mean_latency",
    "fixed_p95_latency",
    "score_by_mode",
    "tpot_by_mode",
    "tpot_differences",
]
OF_THE_MACHINE = ["telemetry_over_time", "load_over_time", "k_latency_cpu", "energy_by_mode"]
"""Charts of what a run without telemetry and load lacks."""


def drawn_texts(name, records) -> str:
    """Everything that a chart writes, apart from its heading."""
    picture = CHARTS[name].draw(requests_of(records))
    texts = [text.get_text() for axes in picture.figure.axes for text in (*axes.texts, axes.title)]
    labels = [tick.get_text() for axes in picture.figure.axes for tick in axes.get_xticklabels()]
    legend = [str(handle.get_label()) for handle in picture.legend]
    axis_labels = [label for axes in picture.figure.axes for label in (axes.get_xlabel(), axes.get_ylabel())]
    return "\n".join([*texts, *labels, *axis_labels, *legend, *picture.notes])


def reason(drawn, name) -> str:
    return next(skipped.reason for skipped in drawn.skipped if skipped.name == name)


def test_the_table_lists_the_charts_by_their_own_names():
    assert list(CHARTS) == NAMES + OF_THE_MACHINE
    assert all(chart.name == name for name, chart in CHARTS.items())


def test_every_chart_is_drawn_as_png_and_svg(run, tmp_path):
    drawn = draw_charts(requests_of(run), "a model", tmp_path / "charts")

    assert sorted(path.name for path in drawn.paths) == sorted(f"{n}.{f}" for n in NAMES for f in ("png", "svg"))
    assert [skipped.name for skipped in drawn.skipped] == OF_THE_MACHINE
    for path in drawn.paths:
        if path.suffix == ".svg":
            assert ET.parse(path).getroot().tag == "{http://www.w3.org/2000/svg}svg"
        else:
            width, height = struct.unpack(">II", path.read_bytes()[16:24])
            # 6.5 inches wide, so at least 150 dots per inch.
            assert width >= 6.5 * 150
            assert height >= 2.5 * 150


def test_names_and_formats_can_be_chosen(run, tmp_path):
    drawn = draw_charts(requests_of(run), "", tmp_path, names=["score_by_mode"], formats=["svg"])
    assert drawn.paths == (tmp_path / "score_by_mode.svg",)
    assert [path.name for path in tmp_path.iterdir()] == ["score_by_mode.svg"]


@pytest.mark.parametrize(
    ("chosen", "complaint"), [({"names": ["pie"]}, "no chart 'pie'"), ({"formats": ["gif"]}, "gif")]
)
def test_an_unknown_name_or_format_is_refused_before_anything_is_drawn(run, tmp_path, chosen, complaint):
    with pytest.raises(ValueError, match=complaint):
        draw_charts(requests_of(run), "", tmp_path / "charts", **chosen)
    assert not (tmp_path / "charts").exists()


def test_the_same_records_give_the_same_bytes(run, tmp_path):
    first, second = (draw_charts(requests_of(run), "a model", tmp_path / folder) for folder in ("one", "two"))
    assert [path.read_bytes() for path in first.paths] == [path.read_bytes() for path in second.paths]


def test_a_place_that_cannot_be_written_is_one_sentence(run, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="Cannot write"):
        draw_charts(requests_of(run), "", tmp_path / "file", names=["score_by_mode"])


def test_without_requests_every_chart_is_skipped_with_a_reason(tmp_path):
    drawn = draw_charts(requests_of([]), "", tmp_path)
    assert [skipped.name for skipped in drawn.skipped] == NAMES + OF_THE_MACHINE
    assert all(skipped.reason for skipped in drawn.skipped)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("left_out", [{"phase": Phase.WARMUP}, {"void": True}], ids=["warm-up", "void"])
def test_warm_up_and_void_requests_are_never_drawn(run, tmp_path, left_out):
    more = [record.model_copy(update=left_out | {"latency_ms": 9e6}) for record in run]
    plain = draw_charts(requests_of(run), "", tmp_path / "plain", formats=["svg"])
    with_more = draw_charts(requests_of(more + run), "", tmp_path / "more", formats=["svg"])
    assert [path.read_bytes() for path in plain.paths] == [path.read_bytes() for path in with_more.paths]
    assert len(draw_charts(requests_of(more), "", tmp_path / "nothing").skipped) == len(CHARTS)


def test_only_failures_leave_nothing_to_measure(make_record, tmp_path):
    failed = [make_record(mode=mode, success=False, error="HTTP 500") for mode in ("fixed_0", "adaptive")]
    drawn = draw_charts(requests_of(failed), "", tmp_path)
    assert [path.stem for path in drawn.paths if path.suffix == ".svg"] == ["adaptive_draft_length"]
    assert reason(drawn, "score_by_mode") == "no request succeeded"
    assert reason(drawn, "adaptive_latency") == "no successful request"


def test_one_request_is_enough_for_every_chart_that_it_belongs_to(make_record, tmp_path):
    fixed = draw_charts(requests_of([make_record()]), "", tmp_path / "fixed")
    need_more = {"tpot_differences", *OF_THE_MACHINE}
    assert {skipped.name for skipped in fixed.skipped} == {"adaptive_latency", "adaptive_draft_length", *need_more}
    adaptive = draw_charts(requests_of([make_record(mode="adaptive")]), "", tmp_path / "adaptive")
    assert {skipped.name for skipped in adaptive.skipped} == {"fixed_mean_latency", "fixed_p95_latency", *need_more}


def test_rows_of_the_original_csv_can_be_drawn_as_far_as_they_go(run, tmp_path):
    drawn = draw_charts(requests_of([classic_row(record) for record in run]), "", tmp_path, formats=["svg"])
    assert [skipped.name for skipped in drawn.skipped] == ["tpot_by_mode", "tpot_differences", *OF_THE_MACHINE]
    assert reason(drawn, "tpot_by_mode") == "no successful reply was streamed with at least two tokens"


HOSTILE = [
    r"$\frac{1}$ $x^$",
    "</text><script>alert(1)</script>",
    "]]>&amp; --> <!--",
    "\x00\x1b[31mred",
    "x" * 500,
]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_names_from_outside_are_neither_formulas_nor_markup(make_record, tmp_path, hostile):
    blocks = [(1, ("fixed_0", hostile)), (2, (hostile, "fixed_0"))]
    records = [make_record(mode=mode, block=block) for block, modes in blocks for mode in modes]
    drawn = draw_charts(requests_of(records), hostile, tmp_path, formats=["svg"])

    assert [skipped.name for skipped in drawn.skipped] == OF_THE_MACHINE
    for path in drawn.paths:
        elements = [str(element.tag) for element in ET.parse(path).iter()]
        assert not [tag for tag in elements if tag.endswith("script")]
        assert "<script" not in path.read_text()
        assert "\x1b" not in path.read_text()


@pytest.mark.parametrize("name", ["latency_by_phase", "score_by_mode"])
def test_a_mode_name_is_written_as_it_is(make_record, name):
    assert "$x_1$" in drawn_texts(name, [make_record(mode="$x_1$")])


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("latency_by_phase", "no successful request"),
        ("fixed_mean_latency", "no successful request"),
        ("fixed_p95_latency", "no successful request"),
        ("score_by_mode", "no successful request"),
        ("tpot_by_mode", "time per token not known"),
        ("tpot_differences", "no interval"),
    ],
)
def test_a_mode_without_data_is_left_out_and_named(run, make_record, name, why):
    broken = make_record(mode="fixed_7", success=False, error="HTTP 500", first_token_ns=None)
    assert f"Left out, {why}: fixed_7." in drawn_texts(name, [*run, broken])
    assert "Left out" not in drawn_texts(name, run)


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("adaptive_latency", "latency (ms)"),
        ("adaptive_draft_length", "draft length k"),
        ("latency_by_phase", "latency (ms)"),
        ("fixed_mean_latency", "mean latency (ms)"),
        ("fixed_p95_latency", "p95 latency (ms)"),
        ("score_by_mode", "score (ms)"),
        ("tpot_by_mode", "TPOT (ms per token)"),
        ("tpot_differences", "difference to fixed_0 (%), less is faster"),
    ],
)
def test_axes_are_labelled_with_units(run, name, unit):
    assert unit in drawn_texts(name, run).splitlines()


def test_phases_differ_in_colour_and_in_marker_and_hatch():
    looks = PHASE_LOOK.values()
    for kind in ("color", "marker", "hatch"):
        assert len({getattr(look, kind) for look in looks}) == 3
