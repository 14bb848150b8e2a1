"""AMD GPUs, against a stand-in for what their driver shows."""

from __future__ import annotations

import errno
import sys

import pytest

from drm_stand_in import StandInCard
from halospec.telemetry import gpus
from halospec.telemetry.amd import NO_AMD_GPU, AmdSampler, open_amd
from halospec.telemetry.nvidia import NO_NVIDIA_GPU
from halospec.telemetry.protocol import Missing, Surroundings
from nvml_stand_in import StandInGpu, StandInNvml
from powercap_stand_in import StandInPowercap
from sysfs_stand_in import go_dumb, refuse, write

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="file names as in /sys are not possible on Windows")


@pytest.fixture
def opened(tmp_path):
    samplers = []

    def open_all(**named):
        found = open_amd(Surroundings(), sysfs=tmp_path, **{"system": "linux", **named})
        samplers.extend(each for each in found if isinstance(each, AmdSampler))
        return found

    yield open_all
    for sampler in samplers:
        sampler.close()


def test_all_numbers_of_a_card_are_read_in_their_units(tmp_path, opened):
    StandInCard(tmp_path).show_all()
    (sampler,) = opened()
    assert sampler.source == "gpu0"
    assert sampler.read() == {
        "power_w": 187.0,
        "utilization_percent": 97.0,
        "memory_used_bytes": 12_345_678.0,
        "shared_memory_used_bytes": 2_000_000.0,
        "temperature_c": 64.0,
        "sm_clock_mhz": 2100.0,
    }
    assert set(sampler.read()) == {column.name for column in sampler.columns}


def test_power_now_serves_where_there_is_no_average(tmp_path, opened):
    StandInCard(tmp_path).show(power1_input=35_500_000)
    assert opened()[0].read() == {"power_w": 35.5}


def test_the_clock_is_the_marked_line_where_there_is_no_other(tmp_path, opened):
    StandInCard(tmp_path).show(pp_dpm_sclk="0: 500Mhz\n1: 1800Mhz *\n2: 2400Mhz")
    assert opened()[0].read() == {"sm_clock_mhz": 1800.0}


def test_what_a_card_does_not_show_is_missing(tmp_path, opened):
    StandInCard(tmp_path).show(power1_average=1, temp1_input=1)
    _, *missing = opened()
    assert [each.source for each in missing] == ["gpu0.utilization", "gpu0.memory", "gpu0.clock"]


def test_watts_count_where_there_is_no_counter_of_joules(tmp_path, opened):
    StandInCard(tmp_path).show_all()
    (sampler,) = opened()
    assert [column.name for column in sampler.columns if column.is_power] == ["power_w"]


def test_joules_count_where_there_is_one(tmp_path, opened):
    StandInCard(tmp_path).show_all().show(energy1_input=4_500_000)
    (sampler,) = opened()
    assert sampler.read()["energy_j"] == 4.5
    assert [column.name for column in sampler.columns if column.is_energy] == ["energy_j"]
    assert not any(column.is_power for column in sampler.columns)


def test_an_apu_counts_where_the_processor_does_not(tmp_path, opened):
    StandInCard(tmp_path, apu=True).show_all()
    (sampler,) = opened()
    power = next(column for column in sampler.columns if column.name == "power_w")
    assert power.is_power
    assert "CPU" in power.meaning


@pytest.mark.parametrize("with_metrics", [True, False])
def test_an_apu_is_not_counted_beside_the_processor_that_it_is_part_of(tmp_path, opened, with_metrics):
    StandInPowercap(tmp_path).zone("intel-rapl:0", "package-0", 1)
    card = StandInCard(tmp_path, apu=True).show_all()
    if not with_metrics:
        (card.device / "gpu_metrics").unlink()
        card.show(in1_label="vddnb")
    (sampler,) = opened()
    assert sampler.read()["power_w"] == 187.0
    assert not any(column.is_power or column.is_energy for column in sampler.columns)


def test_an_apu_counts_where_the_processors_counter_is_for_root_alone(tmp_path, opened, monkeypatch):
    refuse(monkeypatch, StandInPowercap(tmp_path).zone("intel-rapl:0", "package-0", 1))
    StandInCard(tmp_path, apu=True).show_all()
    (sampler,) = opened()
    assert any(column.is_power for column in sampler.columns)


def test_a_card_of_its_own_counts_beside_the_processor(tmp_path, opened):
    StandInPowercap(tmp_path).zone("intel-rapl:0", "package-0", 1)
    StandInCard(tmp_path).show_all()
    (sampler,) = opened()
    assert any(column.is_power for column in sampler.columns)


def test_a_card_that_is_gone_is_silent(tmp_path, opened, monkeypatch):
    StandInCard(tmp_path).show_all()
    (sampler,) = opened()
    go_dumb(monkeypatch, errno.ENODEV)
    assert sampler.read() == {}


def test_a_card_that_sleeps_is_read_when_it_wakes(tmp_path, opened, monkeypatch):
    StandInCard(tmp_path).show_all()
    with monkeypatch.context() as asleep:
        go_dumb(asleep, errno.EPERM)
        (sampler,) = opened()
        assert sampler.read() == {}
    assert sampler.read()["power_w"] == 187.0


def test_a_card_that_answers_nothing_is_told_of_its_driver(tmp_path, opened, monkeypatch):
    StandInCard(tmp_path).show_all()
    go_dumb(monkeypatch, errno.EOPNOTSUPP)
    (missing,) = opened()
    assert missing.source == "gpu0"
    assert missing.remedy is not None


def test_cards_are_numbered_in_order_and_others_are_passed_over(tmp_path, opened):
    StandInCard(tmp_path, 0, vendor="0x8086").show_all()
    StandInCard(tmp_path, 10).show_all().show(temp1_input=80_000)
    StandInCard(tmp_path, 2).show_all().show(temp1_input=40_000)
    write(tmp_path / "class" / "drm" / "card2-DP-1" / "status", "connected")
    found = opened(first=1)
    assert [(each.source, each.read()["temperature_c"]) for each in found] == [("gpu1", 40.0), ("gpu2", 80.0)]


def test_a_machine_without_an_amd_gpu_is_told_nothing_else(opened):
    assert opened() == (NO_AMD_GPU,)
    assert NO_AMD_GPU.remedy is None


def test_other_systems_say_so(tmp_path, opened):
    StandInCard(tmp_path).show_all()
    (missing,) = opened(system="win32")
    assert "Linux" in missing.reason


def test_gpus_of_both_makers_are_numbered_through(tmp_path, monkeypatch):
    StandInNvml(StandInGpu(), StandInGpu()).install(monkeypatch)
    monkeypatch.setattr(gpus, "open_amd", lambda _, first: (Missing(f"gpu{first}", "stands in for a card"),))
    assert [each.source for each in gpus.open_gpus(Surroundings())] == ["gpu0", "gpu1", "gpu2"]


@pytest.mark.parametrize(
    ("cards", "found"),
    [((), (NO_NVIDIA_GPU, NO_AMD_GPU)), ((Missing("gpu0", "asleep"),), (Missing("gpu0", "asleep"),))],
)
def test_a_maker_is_missed_only_where_there_is_no_gpu_at_all(monkeypatch, cards, found):
    StandInNvml().install(monkeypatch)
    monkeypatch.setattr(gpus, "open_amd", lambda _, first: cards or (NO_AMD_GPU,))
    assert gpus.open_gpus(Surroundings()) == found
