"""Tables of energy, memory and load."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.console import Console

from halospec.analysis.load_achieved import loads_achieved
from halospec.analysis.loading import RunData, run_of
from halospec.analysis.machine_tables import load_tables
from halospec.analysis.summary import summarize
from halospec.analysis.tables import WIDTH, summary_tables
from halospec.records.loads import InjectedLoad, LoadKind, LoadReport
from halospec.records.schema import MEASURED_PHASES, Phase
from stand_in_telemetry import stand_in_loads, stand_in_telemetry
from telemetry_by_hand import between, readings


@pytest.fixture
def run(make_record) -> RunData:
    """Two modes of six requests of a second each, with readings of everything and two loads."""
    records = [
        between(make_record(mode=mode, step=step, phase=MEASURED_PHASES[(step - 1) // 2]), start, start + 1)
        for place, mode in enumerate(("fixed_0", "a mode [red]with a long name[/red]"))
        for step in range(1, 7)
        for start in [10 + 20 * place + 1.5 * step]
    ]
    made = run_of(records)
    return replace(made, telemetry=stand_in_telemetry(made.requests), loads=stand_in_loads(made.requests))


def printed(run: RunData, *, details: bool = False) -> str:
    console = Console(width=WIDTH, color_system=None, highlight=False)
    with console.capture() as shown:
        for part in summary_tables(summarize(run), details=details):
            console.print(part)
    return shown.get()


def said(run: RunData, *, details: bool = False) -> str:
    return " ".join(printed(run, details=details).split())


def test_energy_memory_and_load_are_shown_where_there_are_any(run):
    text = said(run)
    assert "Load on the machine, achieved against target" in text
    assert "Peak memory of the server, MiB" in text
    assert "Sum of energy.package-0_j, gpu0.power_w over successful requests." in text
    assert "Net: less 60.0 W of idle power (watched for 5.0 s). In phase load it holds what the load draws." in text
    assert "Peak °C: the hottest of gpu0.temperature_c, host.temperature_c." in text
    for title in ("Load during requests", "by trial"):
        assert title not in text
        assert title in said(run, details=True)


def test_a_run_without_any_of_it_has_none_of_these_tables(run):
    text = said(replace(run, telemetry=None, loads=()), details=True)
    for title in ("Load on the machine", "Peak memory", "Energy", "Temperature"):
        assert title not in text


@pytest.mark.parametrize("details", [False, True])
def test_nothing_is_cut_off_at_a_hundred_columns(run, details):
    names = ("cpu:75%", "process:stress-ng --vm 1 --vm-bytes 1G " + "--more-of-it " * 20, "memory:" + "9" * 400)
    text = printed(replace(run, loads=stand_in_loads(run.requests, names)), details=details)
    assert "…" not in text
    assert max(len(line) for line in text.splitlines()) <= WIDTH


def test_a_load_table_with_long_names_fits_a_terminal_of_eighty_columns(run):
    names = ("cpu:75%@workers=2@cores=0,1@niceness=5@profile=bursts,on=2s,off=4s", "process:stress-ng --vm 1 " * 3)
    loads = tuple(
        one.model_copy(update={"loads": tuple(load.model_copy(update={"unit": "% of a core"}) for load in one.loads)})
        for one in stand_in_loads(run.requests, names)
    )
    found = loads_achieved(run.requests, loads)
    console = Console(width=80, color_system=None, highlight=False)
    with console.capture() as shown:
        for part in load_tables(found, details=True):
            console.print(part)
    assert "…" not in shown.get()


def test_the_title_over_few_columns_stays_on_one_line(run):
    few = replace(run.telemetry, columns={"server.rss_bytes": run.telemetry.column("server.rss_bytes")})
    assert "Peak memory of the server, MiB" in printed(replace(run, telemetry=few))


def test_loads_whose_workers_ended_early_are_named_with_the_reason(run):
    def mended(number, load):
        said = {0: "it ended before the load was to end, saying: [red]disk full[/red].", 1: None}[number]
        return load.model_copy(update={"ended_early": said if load.kind is LoadKind.MEMORY else None})

    loads = tuple(
        one.model_copy(update={"loads": tuple(mended(number, load) for load in one.loads)})
        for number, one in enumerate(run.loads)
    )
    text = said(replace(run, loads=loads))
    assert "memory:4GB/s in 1 of 2 trials: it ended before the load was to end, saying: [red]disk full[/red]." in text
    assert "cpu:75% in" not in text
    assert " trials: " not in said(run)


def test_of_several_reasons_for_an_early_end_the_most_frequent_is_told(run):
    reasons = ["it was full", "it was gone", "it was full"]
    loads = tuple(
        LoadReport(
            block=block,
            mode="fixed_0",
            loads=(
                InjectedLoad(
                    name="disk:50MB/s", kind=LoadKind.DISK, unit="MB/s", workers=1, ended_early=reason,
                    samples=((block * 10**9, (block + 1) * 10**9, 5.0, 50.0, True),),
                ),
            ),
        )
        for block, reason in enumerate(reasons, start=1)
    )  # fmt: skip
    text = said(replace(run, loads=loads))
    assert "disk:50MB/s in 2 of 3 trials: it was full. It ended early in 1 more, for which load.jsonl holds" in text


def test_names_from_files_are_no_markup_and_hold_no_terminal_codes(run):
    telemetry = run.telemetry
    name = "[bold]x[/bold]\x1b[31m"
    columns = dict(telemetry.columns) | {name: telemetry.column("energy.package-0_j")}
    account = telemetry.account.model_copy(update={"energy_counters": (name,)})
    load = InjectedLoad(name=name, kind=LoadKind.CPU, unit=name, workers=1, samples=((0, 10**9, 5.0, None, True),))
    hostile = replace(
        run,
        telemetry=replace(telemetry, columns=columns, account=account),
        loads=(LoadReport(block=1, mode="fixed_0", loads=(load,)),),
    )
    text = said(hostile, details=True)
    assert "Sum of [bold]x[/bold]" in text
    assert "[bold]x[/bold]" in text.split("Load on the machine")[1]
    assert "\x1b" not in text


def test_what_is_not_known_is_said_with_its_number(make_record):
    records = [
        between(make_record(), 1, 3),
        between(make_record(step=2), 2, 4),
        between(make_record(step=3), 5, 5.01),
        between(make_record(step=4), 20, 21),
    ]
    telemetry = readings(
        range(11),
        {"energy.package-0_j": [10 * s for s in range(11)], "server.rss_bytes": [2**30] * 11},
        counters=["energy.package-0_j"],
    )
    text = said(replace(run_of(records), telemetry=telemetry))
    assert "The idle power is not known, so there is no net energy." in text
    assert "2 requests shared time with another, so whose the energy was is not known." in text
    assert "1 request not covered by readings." in text
    assert "1 request shorter than the time between two readings: interpolated." in text
    assert "During 1 request it was not read." in text


def test_temperatures_alone_are_a_table_of_their_own(make_record):
    telemetry = readings(range(11), {"host.temperature_c": [50.0] * 10 + [80.0]})
    run = replace(run_of([between(make_record(phase=Phase.STEADY), 1, 3)]), telemetry=telemetry)
    text = said(run)
    assert "Temperature" in text
    assert "fixed_2 steady 1 50" in text
    assert "Energy" not in text


def test_numbers_of_the_machine_are_in_what_is_written_as_json(run):
    summary = summarize(run)
    held = summary.model_dump(mode="json")
    assert held["energy"]["idle_w"] == 60
    assert {row["phase"] for row in held["memory"]["modes"]} == {"steady", "load", "recovery"}
    assert [row["load"] for row in held["loads"]["totals"]] == ["cpu:75%", "memory:4GB/s"]
    assert type(summary).model_validate_json(summary.model_dump_json()) == summary
