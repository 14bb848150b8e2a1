"""What is read of the whole machine. psutil's answers are pretended where a machine's would differ from another's."""

from __future__ import annotations

import warnings
from collections import namedtuple

import psutil
import pytest

from halospec.telemetry.host_sampler import CoreUse, HostSampler, open_host
from halospec.telemetry.protocol import Missing, Surroundings

Sensor = namedtuple("Sensor", "current")
Frequency = namedtuple("Frequency", "current")


def opened() -> tuple[HostSampler, dict[str, Missing]]:
    found = open_host(Surroundings())
    (sampler,) = (one for one in found if isinstance(one, HostSampler))
    return sampler, {one.source: one for one in found if isinstance(one, Missing)}


def test_this_machine_is_read_in_columns_that_were_announced():
    sampler, missing = opened()
    read = sampler.read()
    announced = {column.name for column in sampler.columns}
    assert read.keys() <= announced
    assert {"cpu_percent", "memory_used_bytes", "memory_available_bytes"} <= announced
    assert f"cpu{psutil.cpu_count() - 1}_percent" in announced
    assert 0 < read["memory_used_bytes"] < psutil.virtual_memory().total
    assert all(one.reason for one in missing.values())
    sampler.close()


def test_busy_shares_are_those_since_the_reading_before():
    clocks = [[(1.0, 10.0), (5.0, 10.0)]]
    use = CoreUse(lambda: clocks[-1])
    clocks.append([(1.5, 11.0), (5.0, 11.0)])
    assert use() == {"cpu_percent": 25.0, "cpu0_percent": 50.0, "cpu1_percent": 0.0}
    clocks.append([(2.5, 12.0), (6.0, 12.0)])
    assert use() == {"cpu_percent": 100.0, "cpu0_percent": 100.0, "cpu1_percent": 100.0}


def test_clocks_that_have_not_moved_say_nothing_and_lose_nothing():
    clocks = [[(1.0, 10.0)]]
    use = CoreUse(lambda: clocks[-1])
    assert use() == {}
    clocks.append([(1.5, 11.0)])
    assert use()["cpu_percent"] == 50.0


def test_clocks_that_go_back_are_never_below_nothing_or_above_all():
    clocks = [[(2.0, 10.0), (2.0, 10.0)]]
    use = CoreUse(lambda: clocks[-1])
    clocks.append([(1.0, 11.0), (5.0, 11.0)])
    assert use() == {"cpu_percent": 100.0, "cpu0_percent": 0.0, "cpu1_percent": 100.0}


def test_a_core_that_is_taken_away_is_left_out():
    clocks = [[(1.0, 10.0), (1.0, 10.0)]]
    use = CoreUse(lambda: clocks[-1])
    clocks.append([(2.0, 11.0)])
    assert use() == {"cpu_percent": 100.0, "cpu0_percent": 100.0}


def test_the_temperature_is_that_of_the_cpus_hottest_sensor(monkeypatch):
    chips = {
        "nvme": [Sensor(99.0)],
        "acpitz": [Sensor(20.0)],
        "coretemp": [Sensor(55.0), Sensor(61.5), Sensor(-273.0), Sensor(255.0)],
    }
    monkeypatch.setattr(psutil, "sensors_temperatures", lambda: chips, raising=False)
    sampler, missing = opened()
    assert sampler.read()["temperature_c"] == 61.5
    assert "host.temperature" not in missing


@pytest.mark.parametrize("chips", [{}, {"nvme": [Sensor(40.0)]}, {"coretemp": [Sensor(-273.0)]}])
def test_a_machine_without_a_sensor_of_its_cpu_is_told_how_to_get_one(monkeypatch, chips):
    monkeypatch.setattr(psutil, "sensors_temperatures", lambda: chips, raising=False)
    sampler, missing = opened()
    assert "temperature_c" not in sampler.read()
    assert "kernel module" in missing["host.temperature"].remedy


@pytest.mark.parametrize("answer", [None, Frequency(0.0), NotImplementedError("no"), FileNotFoundError("no cpufreq")])
def test_a_frequency_that_is_not_known_is_missing_and_not_zero(monkeypatch, answer):
    def ask():
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(psutil, "cpu_freq", ask)
    sampler, missing = opened()
    assert "frequency_mhz" not in sampler.read()
    assert "host.frequency" in missing


def test_dear_readings_are_not_taken_at_every_tick(monkeypatch):
    asked = []
    monkeypatch.setattr(psutil, "cpu_freq", lambda: asked.append(1) or Frequency(2000.04))
    sampler, _ = opened()
    asked.clear()
    assert [sampler.read().get("frequency_mhz") for _ in range(3)] == [2000.0, None, None]
    assert len(asked) == 1


def test_a_part_that_fails_later_is_left_out_and_the_others_are_not(monkeypatch):
    sampler, _ = opened()

    def fail():
        raise OSError("gone")

    monkeypatch.setattr(psutil, "virtual_memory", fail)
    read = sampler.read()
    assert "memory_used_bytes" not in read
    assert "context_switches" in read


def test_swap_that_psutil_only_guesses_is_missing(monkeypatch):
    def guess():
        warnings.warn("set to 0", RuntimeWarning, stacklevel=1)

    monkeypatch.setattr(psutil, "swap_memory", guess)
    sampler, missing = opened()
    assert "host.swap" in missing
    assert not any(column.name.startswith("swap") for column in sampler.columns)
