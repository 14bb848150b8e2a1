"""What sets and limits the CPU's clock: governor, turbo, heat, power."""

from __future__ import annotations

import pytest

from halospec.doctor.checks.governor import governor
from halospec.doctor.checks.power_source import judge_battery, judge_profile, power_source
from halospec.doctor.checks.temperature import Sensor, judge_sensors
from halospec.doctor.checks.throttling import throttling
from halospec.doctor.checks.turbo import turbo
from halospec.doctor.judgement import Unseen
from halospec.records.fitness import State
from machine_stand_in import CPU, made_look


def policy(name, driver="acpi-cpufreq", **more):
    return {"scaling_governor": name, "scaling_driver": driver, **more}


def test_the_performance_governor_on_every_core_is_good(tree):
    assert governor(tree.cores(policy("performance"), policy("performance")).machine()).state is State.GOOD


def test_a_governor_on_one_core_alone_is_not_enough(tree):
    judgement = governor(tree.cores(policy("performance"), policy("schedutil")).machine())
    assert judgement.state is State.WARNING
    assert "performance, schedutil" in judgement.found
    assert "cpupower frequency-set -g performance" in judgement.remedy


@pytest.mark.parametrize("name", ["schedutil", "ondemand", "conservative"])
def test_a_clock_that_follows_the_load_is_a_warning(tree, name):
    judgement = governor(tree.cores(policy(name)).machine())
    assert (judgement.state, name in judgement.found) == (State.WARNING, True)


def test_powersave_means_the_lowest_clock_unless_the_hardware_chooses(tree):
    assert "lowest" in governor(tree.cores(policy("powersave")).machine()).found
    active = tree.cores(policy("powersave", "intel_pstate", energy_performance_preference="balance_performance"))
    judgement = governor(active.machine())
    assert judgement.state is State.WARNING
    assert "balance_performance" in judgement.found
    assert "energy_performance_preference" in judgement.remedy


@pytest.mark.parametrize("driver", ["intel_pstate", "amd-pstate-epp"])
def test_hardware_that_is_told_to_prefer_performance_is_good(tree, driver):
    tree.cores(policy("powersave", driver, energy_performance_preference="performance"))
    assert governor(tree.machine()).state is State.GOOD


def test_a_virtual_machine_without_a_clock_to_set_shows_neither_governor_nor_turbo(tree):
    for check in (governor, turbo):
        with pytest.raises(Unseen, match="no control of the clock"):
            check(tree.machine())


@pytest.mark.parametrize(
    ("path", "on", "off"),
    [(f"{CPU}/intel_pstate/no_turbo", 0, 1), (f"{CPU}/cpufreq/boost", 1, 0), (f"{CPU}/cpu0/cpufreq/boost", 1, 0)],
)
def test_turbo_is_a_warning_whose_remedy_writes_the_file_that_was_read(tree, path, on, off):
    judgement = turbo(tree.put(path, on).machine())
    assert judgement.state is State.WARNING
    assert judgement.remedy == f"echo {off} | sudo tee /{path.replace('cpu0', 'cpu*')}"
    assert turbo(tree.put(path, off).machine()).state is State.GOOD


def test_throttling_while_we_look_is_worse_than_throttling_once(tree):
    for core, count in enumerate((3, 4)):
        tree.put(f"{CPU}/cpu{core}/thermal_throttle/core_throttle_count", count)
    before = throttling(tree.machine(made_look(heat_throttles=0)))
    assert (before.state, "7 times" in before.found) == (State.WARNING, True)
    now = throttling(tree.machine(made_look(heat_throttles=2)))
    assert (now.state, "2 times while we looked" in now.found) == (State.BAD, True)


def test_counters_of_heat_that_read_0_are_good(tree):
    tree.put(f"{CPU}/cpu0/thermal_throttle/package_throttle_count", 0)
    assert throttling(tree.machine()).state is State.GOOD


def test_a_processor_that_the_kernel_is_cooling_is_bad_and_a_fan_is_not(tree):
    tree.put(f"{CPU}/cpu0/thermal_throttle/core_throttle_count", 0)
    tree.put("sys/class/thermal/cooling_device0/type", "Fan").put("sys/class/thermal/cooling_device0/cur_state", 3)
    tree.put("sys/class/thermal/cooling_device1/type", "intel_powerclamp")
    tree.put("sys/class/thermal/cooling_device1/cur_state", -1)
    assert throttling(tree.machine()).state is State.GOOD
    tree.put("sys/class/thermal/cooling_device2/type", "Processor")
    tree.put("sys/class/thermal/cooling_device2/cur_state", 1)
    assert throttling(tree.machine()).state is State.BAD


def test_where_nothing_counts_heat_nothing_is_said_of_it(tree):
    with pytest.raises(Unseen, match="nothing of heat"):
        throttling(tree.machine())
    with pytest.raises(Unseen, match="nothing of heat"):
        judge_sensors([])


@pytest.mark.parametrize(("now_c", "state"), [(60.0, State.GOOD), (92.0, State.WARNING), (101.0, State.BAD)])
def test_a_sensor_is_judged_by_its_own_limit(now_c, state):
    judgement = judge_sensors([Sensor("Package id 0", now_c, 100.0, 105.0), Sensor("Core 0", 40.0, 100.0)])
    assert judgement.state is state
    assert f"Package id 0 at {now_c:.0f} °C" in judgement.found


def test_a_limit_that_no_chip_has_is_none():
    judgement = judge_sensors([Sensor("acpitz", 45.0, 65261.0, 0.0), Sensor("other", 30.0)])
    assert (judgement.state, judgement.found) == (State.NOTE, "acpitz at 45 °C; its limit is not told")


def test_a_battery_is_a_warning_only_while_it_is_used():
    assert judge_battery(False, has_battery=True).state is State.WARNING
    assert judge_battery(True, has_battery=True).state is State.GOOD
    assert judge_battery(None, has_battery=True).state is State.UNKNOWN
    assert judge_battery(None, has_battery=False).state is State.GOOD


@pytest.mark.parametrize(
    ("profile", "state"),
    [("performance", State.GOOD), ("balanced", State.NOTE), ("low-power", State.WARNING), ("quiet", State.WARNING)],
)
def test_a_firmware_profile_that_saves_power_is_a_warning(tree, profile, state, monkeypatch):
    monkeypatch.setattr("psutil.sensors_battery", lambda: None, raising=False)
    assert judge_profile(profile).state is state
    judgement = power_source(tree.put("sys/firmware/acpi/platform_profile", profile).machine())
    assert judgement.state is state
    assert profile in judgement.found
