"""Charts of what the machine did: telemetry, loads, energy."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest

from halospec.analysis.energy import energy
from halospec.analysis.loading import requests_of
from halospec.analysis.requests import PHASES
from halospec.charts import draw_charts
from halospec.charts.chart import NothingToDraw
from halospec.charts.energy_by_mode import energy_by_mode
from halospec.charts.k_latency_cpu import k_latency_cpu
from halospec.charts.load_over_time import load_over_time
from halospec.charts.style import drawing_rules
from halospec.charts.telemetry_over_time import telemetry_over_time
from halospec.records.classic_csv import classic_row
from halospec.records.loads import InjectedLoad, LoadKind, LoadReport
from halospec.records.schema import MEASURED_PHASES, Phase
from stand_in_telemetry import stand_in_loads, stand_in_telemetry
from telemetry_by_hand import between, readings

NAMES = ["telemetry_over_time", "load_over_time", "k_latency_cpu", "energy_by_mode"]


@pytest.fixture
def timed(make_record):
    """Two blocks of a fixed and an adaptive mode, requests of a second each, one after another."""
    records, clock_s = [], 10.0
    for block in (1, 2):
        for mode in ("fixed_4", "adaptive"):
            for step in range(1, 10):
                record = make_record(
                    mode=mode,
                    block=block,
                    step=step,
                    phase=MEASURED_PHASES[(step - 1) // 3],
                    draft_length=4 if mode == "fixed_4" else step % 5,
                    latency_ms=1000,
                    ended_ns=10**9,
                )
                records.append(between(record, clock_s, clock_s + 1))
                clock_s += 1.2
            clock_s += 3
    return requests_of(records)


def texts(picture) -> str:
    """Everything that a chart writes, apart from its heading."""
    written = [
        text.get_text()
        for axes in picture.figure.axes
        for text in (*axes.texts, axes.get_legend(), axes.title)
        if hasattr(text, "get_text")
    ]
    legends = [text.get_text() for axes in picture.figure.axes if axes.get_legend() for text in axes.get_legend().texts]
    labels = [label for axes in picture.figure.axes for label in (axes.get_xlabel(), axes.get_ylabel())]
    return "\n".join([*written, *legends, *labels, *(str(one.get_label()) for one in picture.legend), *picture.notes])


def line(picture, panel: int, label: str):
    """The x and y of a line by its label."""
    (found,) = [drawn for drawn in picture.figure.axes[panel].lines if drawn.get_label() == label]
    return np.asarray(found.get_xdata()), np.asarray(found.get_ydata())


def test_all_are_drawn_of_a_run_that_has_everything(timed, tmp_path):
    drawn = draw_charts(
        timed, "a model", tmp_path, NAMES, telemetry=stand_in_telemetry(timed), loads=stand_in_loads(timed)
    )
    assert drawn.skipped == ()
    assert sorted(path.name for path in drawn.paths) == sorted(f"{n}.{f}" for n in NAMES for f in ("png", "svg"))


def test_the_same_run_gives_the_same_bytes(timed, tmp_path):
    first, second = (
        draw_charts(
            timed,
            "",
            tmp_path / folder,
            NAMES,
            ["svg"],
            telemetry=stand_in_telemetry(timed),
            loads=stand_in_loads(timed),
        )
        for folder in ("one", "two")
    )
    assert [path.read_bytes() for path in first.paths] == [path.read_bytes() for path in second.paths]


def test_a_run_without_telemetry_is_told_why_each_is_missing(timed, tmp_path):
    drawn = draw_charts(timed, "", tmp_path, NAMES)
    assert {skipped.name: skipped.reason for skipped in drawn.skipped} == {
        "telemetry_over_time": "no telemetry was recorded",
        "load_over_time": "no load ever ran",
        "k_latency_cpu": "no telemetry was recorded",
        "energy_by_mode": "nothing that was read off the machine counts energy",
    }


def test_a_csv_without_times_cannot_be_laid_beside_telemetry(run, timed, tmp_path):
    rows = requests_of([classic_row(record) for record in run])
    drawn = draw_charts(rows, "", tmp_path, NAMES, telemetry=stand_in_telemetry(timed), loads=stand_in_loads(timed))
    assert [skipped.reason for skipped in drawn.skipped][:3] == ["the records hold no times"] * 3


def test_there_is_a_panel_for_each_kind_of_number_that_was_read(timed):
    picture = telemetry_over_time(stand_in_telemetry(timed)).draw(timed)
    labels = [axes.get_ylabel().split("\n")[0] for axes in picture.figure.axes]
    assert labels == ["latency", "CPU", "memory", "bandwidth", "waiting for", "power", "temperature"]
    few = readings(np.arange(8, 100, 0.1), {"server.rss_bytes": np.full(920, 2.0**30)})
    picture = telemetry_over_time(few).draw(timed)
    assert [axes.get_ylabel() for axes in picture.figure.axes] == ["latency\n(ms)", "memory\n(GiB)"]


def test_host_and_server_are_shown_in_the_same_unit(timed):
    telemetry = readings(
        np.arange(8, 100, 0.1),
        {
            "host.cpu_percent": np.full(920, 75.0),
            "host.cpu0_percent": np.full(920, 100.0),
            "host.cpu1_percent": np.full(920, 50.0),
            "server.cpu_percent": np.full(920, 120.0),
        },
    )
    picture = telemetry_over_time(telemetry).draw(timed)
    assert set(line(picture, 1, "host, of 2 cores")[1]) == {1.5}
    assert set(line(picture, 1, "server")[1]) == {1.2}


def test_readings_are_laid_under_the_requests_of_the_first_block_on_its_time_axis(timed):
    telemetry = stand_in_telemetry(timed)
    picture = telemetry_over_time(telemetry).draw(timed)
    seconds, cores = line(picture, 1, "host, of 2 cores")
    of_block = timed.of_block(1)
    assert seconds[0] == pytest.approx(0, abs=0.1)
    assert seconds[-1] == pytest.approx((of_block.ended_ns.max() - of_block.started_ns.min()) / 1e9, abs=0.1)
    # Under load from the fourth request on, at 1.2 s each.
    assert cores[(seconds > 3.8) & (seconds < 4.4)].min() > 1.7 > 1.3 > cores[seconds < 3.4].max()
    assert "Shown is block 1 of 2." in picture.notes


def test_too_many_readings_to_draw_each_are_drawn_as_mean_and_range_so_that_no_peak_is_lost(timed):
    telemetry = stand_in_telemetry(timed, tick_ns=4_000_000)
    values = np.array(telemetry.column("server.rss_bytes"))
    values[len(values) // 4] = 9 * 2**30
    peaked = replace(telemetry, columns={"server.rss_bytes": values})
    picture = telemetry_over_time(peaked).draw(timed)
    (band,) = picture.figure.axes[1].collections
    assert band.get_paths()[0].vertices[:, 1].max() == pytest.approx(9)
    assert len(line(picture, 1, "server, resident")[1]) == 500
    assert any("the mean and the range of each of 500 spans" in note for note in picture.notes)


def test_a_line_is_broken_where_nothing_was_read(timed):
    seconds = [*np.arange(9, 14, 0.1), *np.arange(16, 40, 0.1)]
    telemetry = readings(seconds, {"server.rss_bytes": np.full(len(seconds), 2.0**30)})
    drawn = line(telemetry_over_time(telemetry).draw(timed), 1, "server, resident")[1]
    assert np.count_nonzero(np.isnan(drawn)) == 1


def test_a_number_that_is_read_seldom_is_a_line_all_the_same(timed):
    seconds = [*np.arange(9, 20, 1.1), *np.arange(28, 36, 1.1)]
    telemetry = readings(seconds, {"host.temperature_c": np.linspace(50, 60, len(seconds))})
    drawn = line(telemetry_over_time(telemetry).draw(timed), 1, "host")[1]
    assert np.count_nonzero(np.isnan(drawn)) == 1
    assert np.count_nonzero(~np.isnan(drawn)) == 15


def test_readings_from_another_time_leave_nothing_to_draw(timed):
    far = readings([9000, 9001], {"host.cpu_percent": [1, 2], "server.cpu_percent": [1, 2]})
    with pytest.raises(NothingToDraw, match="nothing was read off the machine during the requests"):
        telemetry_over_time(far).draw(timed)
    with pytest.raises(NothingToDraw, match="CPU was not read"):
        k_latency_cpu(far).draw(timed)


def test_each_load_has_a_panel_with_what_it_achieved_and_its_target(timed):
    picture = load_over_time(stand_in_loads(timed)).draw(timed)
    assert [axes.get_ylabel() for axes in picture.figure.axes] == ["%", "GB/s"]
    seconds, achieved = line(picture, 0, "achieved")
    known = ~np.isnan(achieved)
    # Samples are 90 %, 100 % and 110 % of the target in turn; over half a second that is all but the target.
    assert np.abs(achieved[known] - 75).max() < 1.5
    assert len(set(achieved[known])) > 1
    target = line(picture, 1, "target")[1]
    assert target[~np.isnan(target)] == pytest.approx(4.0)
    # Its time in the first block alone: steps 4 to 6 of the first trial begin at 3.6 s.
    assert seconds[0] == pytest.approx(3.6, abs=0.1)
    assert seconds[known].max() < 24
    assert "cpu:75%" in texts(picture)
    assert "Lines are means over 0.5 to 1 s, or over all of a shorter load." in picture.notes


def test_a_load_that_outlasts_the_last_request_is_drawn_up_to_its_end(make_record):
    records = [between(make_record(phase=Phase.LOAD, latency_ms=1300, ended_ns=10**9), 10, 11.3)]
    samples = tuple((at * 10**8, (at + 1) * 10**8, 70.0, 75.0, True) for at in range(98, 118))
    load = InjectedLoad(name="cpu:75%", kind=LoadKind.CPU, unit="%", workers=2, offered=75.0, samples=samples)

    picture = load_over_time([LoadReport(block=1, mode="x", loads=(load,))]).draw(requests_of(records))

    seconds, achieved = line(picture, 0, "achieved")
    known = seconds[~np.isnan(achieved)]
    assert (known.min(), known.max()) == pytest.approx((0.0, 1.3))


def test_loads_are_taken_from_telemetry_where_there_is_no_report(timed):
    ticks = np.arange(8, 100, 0.1)
    telemetry = readings(ticks, {"load.cpu:75%.amount": np.full(920, 70.0), "load.cpu:75%.target": np.full(920, 75.0)})
    picture = load_over_time((), telemetry).draw(timed)
    assert line(picture, 0, "achieved")[1] == pytest.approx(70.0)
    assert line(picture, 0, "target")[1] == pytest.approx(75.0)


def test_k_latency_and_cpu_are_of_the_adaptive_mode_where_there_is_one(timed):
    telemetry = stand_in_telemetry(timed)
    picture = k_latency_cpu(telemetry).draw(timed)
    assert [axes.get_ylabel().split("\n")[0] for axes in picture.figure.axes] == [
        "draft length k",
        "latency (ms)",
        "CPU",
    ]
    (lengths,) = picture.figure.axes[0].lines[:1]
    assert lengths.get_ydata().tolist() == [1, 2, 3, 4, 0, 1, 2, 3, 4, 4]
    assert lengths.get_xdata()[:3] == pytest.approx([0, 1.2, 2.4])
    assert "Shown is adaptive in block 1 of 2." in picture.notes

    fixed = timed.of_mode("fixed_4")
    (lengths,) = k_latency_cpu(telemetry).draw(fixed).figure.axes[0].lines[:1]
    assert set(lengths.get_ydata()) == {4.0}


def test_a_rule_inside_the_server_that_says_nothing_has_no_k_to_draw(make_record):
    silent = requests_of([between(make_record(mode="auto:ema", draft_length=None), 10, 11)])
    with pytest.raises(NothingToDraw, match="chosen inside the server"):
        k_latency_cpu(stand_in_telemetry(silent)).draw(silent)


def test_energy_is_drawn_net_of_what_idling_draws(timed):
    telemetry = stand_in_telemetry(timed)
    found = energy(timed, telemetry)
    picture = energy_by_mode(found).draw(timed)
    heights = sorted(round(bar.get_height(), 9) for bar in picture.figure.axes[0].patches)
    assert heights == sorted(round(use.net_joules_per_token, 9) for use in found.uses)
    assert "less 60.0 W of idle power" in texts(picture)

    no_idle = replace(telemetry, account=telemetry.account.model_copy(update={"idle": None}))
    gross = energy_by_mode(energy(timed, no_idle)).draw(timed)
    assert "idle power, which is not known, included" in texts(gross)
    assert min(bar.get_height() for bar in gross.figure.axes[0].patches) > max(0, min(heights))


def test_failed_requests_are_crosses_and_not_latencies(make_record):
    records = [between(make_record(), 10, 11), between(make_record(step=2, success=False, error="cut"), 12, 13)]
    requests = requests_of(records)
    picture = telemetry_over_time(stand_in_telemetry(requests)).draw(requests)
    crosses = [drawn for drawn in picture.figure.axes[0].lines if drawn.get_marker() == "x"]
    assert [cross.get_xdata()[0] for cross in crosses] == pytest.approx([3])
    assert "failed" in texts(picture)


def test_a_latency_axis_without_a_latency_has_no_numbers(make_record):
    failed = requests_of([between(make_record(success=False, error="cut"), 10, 11)])
    picture = telemetry_over_time(stand_in_telemetry(failed)).draw(failed)
    assert not len(picture.figure.axes[0].get_yticks())


def test_the_highest_latency_has_room_for_its_marker(timed):
    picture = telemetry_over_time(stand_in_telemetry(timed)).draw(timed)
    assert picture.figure.axes[0].get_ylim() == pytest.approx((0, 1100))


@pytest.mark.parametrize(("count", "rotation"), [(3, 0), (12, 90)])
def test_every_trial_is_named_and_set_off_from_its_neighbour(make_record, count, rotation):
    records = [between(make_record(mode=f"fixed_{k}"), 10 + 2 * k, 11 + 2 * k) for k in range(count)]
    requests = requests_of(records)
    axes = telemetry_over_time(stand_in_telemetry(requests)).draw(requests).figure.axes[0]
    assert [name.get_text() for name in axes.texts] == [f"fixed_{k}" for k in range(count)]
    assert {name.get_rotation() for name in axes.texts} == {rotation}
    assert sum(len(drawn.get_xdata()) == 2 and len(set(drawn.get_xdata())) == 1 for drawn in axes.lines) == count - 1


def test_the_phases_are_shaded_in_every_panel(timed):
    picture = telemetry_over_time(stand_in_telemetry(timed)).draw(timed)
    for axes in picture.figure.axes:
        # Load and recovery, of two trials.
        assert len(axes.patches) == 4
    steady = timed.where(timed.phase == PHASES.index(Phase.STEADY))
    picture = load_over_time(stand_in_loads(timed)).draw(timed)
    assert [str(one.get_label()) for one in picture.legend] == ["phase load", "phase recovery"]
    assert not telemetry_over_time(stand_in_telemetry(timed)).draw(steady).figure.axes[0].patches


@pytest.mark.parametrize(
    "hostile", [r"$\frac{1}$", "</text><script>alert(1)</script>", "\x00\x1b[31mred", "x" * 500, "_hidden", "[red]"]
)
def test_names_from_files_are_neither_formulas_nor_markup(timed, tmp_path, hostile):
    telemetry = stand_in_telemetry(timed)
    columns = dict(telemetry.columns) | {
        f"{hostile}.temperature_c": telemetry.column("host.temperature_c"),
        f"load.{hostile}.amount": telemetry.column("host.temperature_c"),
        f"{hostile}_j": telemetry.column("energy.package-0_j"),
    }
    account = telemetry.account.model_copy(update={"energy_counters": (f"{hostile}_j",)})
    named = replace(telemetry, columns=columns, account=account)
    reports = stand_in_loads(timed)
    renamed = tuple(
        one.model_copy(
            update={"loads": tuple(load.model_copy(update={"name": hostile, "unit": hostile}) for load in one.loads)}
        )
        for one in reports
    )
    for names, loads in ((NAMES, renamed), (["load_over_time"], ())):
        drawn = draw_charts(timed, "", tmp_path, names, ["svg"], telemetry=named, loads=loads)
        assert drawn.skipped == ()
        for path in drawn.paths:
            assert not [str(element.tag) for element in ET.parse(path).iter() if str(element.tag).endswith("script")]
            assert "<script" not in path.read_text()
            assert "\x1b" not in path.read_text()


def test_a_day_is_shown_in_minutes(make_record):
    records = [between(make_record(step=step), 1200 * step, 1200 * step + 1) for step in (1, 2)]
    requests = requests_of(records)
    telemetry = readings(np.arange(1190, 2500, 0.5), {"server.rss_bytes": np.full(2620, 2.0**30)})
    with drawing_rules():
        picture = telemetry_over_time(telemetry).draw(requests)
    assert picture.figure.axes[-1].get_xlabel() == "time (min)"
    assert line(picture, 1, "server, resident")[0].max() == pytest.approx(20, abs=0.1)


def test_where_modes_took_turns_a_note_says_so_instead_of_names(make_record):
    records = []
    for step in range(1, 5):
        for place, mode in enumerate(("fixed_0", "fixed_4")):
            record = make_record(mode=mode, step=step, latency_ms=1000, ended_ns=10**9)
            records.append(between(record, 10 + 4 * step + 2 * place, 11 + 4 * step + 2 * place))
    requests = requests_of(records)

    picture = telemetry_over_time(stand_in_telemetry(requests)).panels(requests)

    assert "Modes took turns at every prompt." in picture.notes
