import io
from pathlib import Path

import pytest
from rich.console import Console

from halospec.analysis.loading import read_run, requests_of
from halospec.analysis.percentiles import percentiles
from halospec.analysis.slo import Slo, SloSummary, parse_slo, resolve, score
from halospec.analysis.slo_tables import percentile_tables, slo_tables
from halospec.records.schema import Phase
from made_runs import made_records

DEMO = Path(__file__).parents[3] / "plots" / "demo"
PHASES = {Phase.STEADY: 4, Phase.LOAD: 4}


def printed(parts):
    """What 100 columns show."""
    file = io.StringIO()
    console = Console(file=file, width=100, color_system=None, highlight=False)
    for part in parts:
        console.print(part)
    return file.getvalue()


def flat(parts):
    return " ".join(printed(parts).split())


def scored(slo, reference="fixed_0", **settings):
    return score(requests_of(made_records(phases=PHASES, **settings)), slo, reference=reference)


def under_load_fixed_0_is_slow(cell):
    return 50.0 if cell.phase is Phase.LOAD and cell.mode == "fixed_0" else 10.0


def test_a_row_says_how_often_objectives_were_kept_and_at_what_rate():
    shown = printed(slo_tables(scored(Slo(e2e_ms=500), tpot_ms=under_load_fixed_0_is_slow, blocks=8)))
    rows = [line.split() for line in shown.splitlines()]
    # 32 requests of 50 + 32 * 50 ms missed, and of 50 + 32 * 10 ms met, one after another.
    assert ["load", "32", "0", "0", "0", "[0,", "11]", "0.000", "52.8", "100", "-", "-"] in rows
    assert ["load", "32", "0", "0", "100", "[89,", "100]", "2.703", "0.0", "0", "+100", "0.016"] in rows
    assert "Each objective by itself" not in shown


def test_the_caption_says_what_each_column_is_and_what_wilson_takes_for_granted():
    shown = flat(slo_tables(scored(Slo(e2e_ms=500))))
    assert "Objectives kept: E2E latency <= 500 ms" in shown
    for explained in ("attained:", "goodput:", "over:", "difference: attainment minus fixed_0's", "p: sign-flip"):
        assert explained in shown
    assert "takes requests for independent" in shown
    assert "Holm" in shown
    assert "auto:" not in shown


def test_several_objectives_are_shown_one_by_one_too():
    shown = printed(slo_tables(scored(Slo(ttft_ms=40, e2e_ms=500))))
    assert "Each objective by itself" in shown
    steady = [line.split() for line in shown.split("Each objective by itself")[1].splitlines() if "steady" in line]
    assert steady[0][1:] == ["steady", "0", "[0,", "19]", "100", "[81,", "100]"]


def test_automatic_objectives_say_where_they_come_from():
    requests = requests_of(made_records(phases=PHASES, warmup=2))
    found = score(requests, resolve(parse_slo(["auto"]), requests), reference="fixed_0")
    assert "auto: 1.2 times the median of 8 warm-ups of fixed_0, for every mode." in flat(slo_tables(found))


def test_without_requests_there_is_no_table():
    assert slo_tables(SloSummary(slo=Slo(e2e_ms=1), reference="fixed_0", phases=())) == []
    assert percentile_tables(()) == []


def test_names_from_a_server_are_neither_markup_nor_control_characters(make_record):
    records = [make_record(mode=mode) for mode in ("[red]\x1b[31mk", "[bold]x\x1b")]
    found = score(requests_of(records), Slo(e2e_ms=500), reference="[bold]x\x1b")
    shown = printed(slo_tables(found))
    assert "[red]" in shown
    assert "[bold]x" in shown
    assert "\x1b" not in shown


def test_it_is_said_from_how_many_blocks_on_a_difference_can_be_found_at_all():
    records = made_records(modes=("fixed_0", "fixed_1", "fixed_2", "fixed_4"), blocks=6)
    shown = flat(slo_tables(score(requests_of(records), Slo(e2e_ms=500), reference="fixed_0")))
    # Three rows: 3 * 2 / 2^7 is below 0.05, and 3 * 2 / 2^6 is not.
    assert "fewer than 7 blocks bring no p below 0.05 here" in shown


def test_where_modes_cannot_be_compared_no_column_compares_them():
    records = made_records(blocks=6)
    found = score(requests_of(records), Slo(e2e_ms=500), reference="fixed_0", compared=False)
    shown = flat(slo_tables(found))
    assert "attained" in shown
    assert "difference" not in shown
    assert "(Holm)" not in shown


@pytest.mark.parametrize(("size", "cells"), [(71, "n < 72 n < 368"), (72, "n < 368")])
def test_a_percentile_that_n_cannot_support_is_shown_as_the_n_it_takes(make_record, size, cells):
    records = [make_record(step=step, latency_ms=100.0 + step) for step in range(1, size + 1)]
    shown = flat(percentile_tables(percentiles(requests_of(records))))
    assert f"fixed_2 steady {size} " in shown
    assert cells in shown
    assert ("n < 72" in shown) == (size < 72)
    assert "n < N: it takes N requests" in shown


def test_where_no_percentile_can_be_given_one_sentence_says_so():
    shown = printed(percentile_tables(percentiles(read_run(DEMO).requests)))
    assert shown.startswith("Too few requests for percentiles: p50 takes 6, p95 takes 72, p99 takes 368")
    assert shown.count("\n") == 1


def test_no_line_is_cut_at_100_columns_even_with_long_names_and_times(make_record):
    records = [
        make_record(mode=mode, block=block, step=step, phase=phase, latency_ms=98_765.4 + step, ttft_ms=12_345.6 + step,
                    first_token_ns=0, ended_ns=90_000_000_000)
        for mode in ("fixed_0", "a_controller_with_a_long_name")
        for phase in (Phase.STEADY, Phase.RECOVERY)
        for block in range(1, 7)
        for step in range(1, 71)
    ]  # fmt: skip
    requests = requests_of(records)
    slo = Slo(ttft_ms=12_380.5, tpot_ms=2000.5, e2e_ms=98_800.5)
    parts = [
        *slo_tables(score(requests, slo, reference="fixed_0")),
        *percentile_tables(percentiles(requests)),
    ]
    shown = printed(parts)
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= 100


def test_the_recorded_run_is_shown():
    requests = read_run(DEMO).requests
    shown = printed(slo_tables(score(requests, resolve(parse_slo(["auto"]), requests), reference="fixed_0")))
    assert shown.count("recovery") == 2 * 5
