"""NVIDIA GPUs, against a stand-in for their driver."""

from __future__ import annotations

import pynvml
import pytest

from halospec.telemetry.nvidia import NO_NVIDIA_GPU, NvidiaSampler, open_nvidia
from halospec.telemetry.protocol import Missing, Surroundings
from nvml_stand_in import CLOCK, ENERGY, OLD_REASONS, POWER, REASONS, UTILIZATION, StandInGpu, StandInNvml
from sysfs_stand_in import write


def sampler_of(gpu, monkeypatch):
    driver = StandInNvml(gpu).install(monkeypatch)
    sampler = open_nvidia(Surroundings())[0]
    assert isinstance(sampler, NvidiaSampler)
    return sampler, driver


def test_all_numbers_of_a_gpu_are_read_in_their_units(monkeypatch):
    sampler, _ = sampler_of(StandInGpu(), monkeypatch)
    assert sampler.source == "gpu0"
    assert sampler.read() == {
        "power_w": 250.5,
        "energy_j": 7000.0,
        "utilization_percent": 93.0,
        "memory_used_bytes": 8 * 2**30,
        "temperature_c": 71.0,
        "sm_clock_mhz": 1980.0,
        "throttled": 0.0,
        "throttle_reasons": 0.0,
    }
    assert set(sampler.read()) == {column.name for column in sampler.columns}


def test_each_gpu_has_a_sampler_of_its_own(monkeypatch):
    StandInNvml(StandInGpu(temperature=40), StandInGpu(temperature=80)).install(monkeypatch)
    found = open_nvidia(Surroundings())
    assert [(each.source, each.read()["temperature_c"]) for each in found] == [("gpu0", 40.0), ("gpu1", 80.0)]


@pytest.mark.parametrize(
    ("reasons", "throttled"),
    [
        (pynvml.nvmlClocksEventReasonNone, 0.0),
        (pynvml.nvmlClocksEventReasonGpuIdle, 0.0),
        (pynvml.nvmlClocksEventReasonApplicationsClocksSetting, 0.0),
        (pynvml.nvmlClocksEventReasonSwPowerCap, 1.0),
        (pynvml.nvmlClocksEventReasonHwThermalSlowdown, 1.0),
        (pynvml.nvmlClocksEventReasonGpuIdle | pynvml.nvmlClocksEventReasonHwSlowdown, 1.0),
    ],
)
def test_a_gpu_is_throttled_unless_its_clocks_are_idle_or_were_set(monkeypatch, reasons, throttled):
    sampler, _ = sampler_of(StandInGpu(reasons=reasons), monkeypatch)
    values = sampler.read()
    assert values["throttled"] == throttled
    assert values["throttle_reasons"] == reasons


def test_an_older_driver_is_asked_by_the_older_name(monkeypatch):
    gpu = StandInGpu(reasons=4, failing={REASONS: pynvml.NVML_ERROR_FUNCTION_NOT_FOUND})
    sampler, _ = sampler_of(gpu, monkeypatch)
    assert sampler.read()["throttle_reasons"] == 4.0
    assert OLD_REASONS in gpu.asked


def test_joules_count_where_there_is_a_counter(monkeypatch):
    sampler, _ = sampler_of(StandInGpu(), monkeypatch)
    assert [column.name for column in sampler.columns if column.is_energy] == ["energy_j"]
    assert not any(column.is_power for column in sampler.columns)


def test_watts_count_where_there_is_none(monkeypatch):
    StandInNvml(StandInGpu(failing={ENERGY: pynvml.NVML_ERROR_NOT_SUPPORTED})).install(monkeypatch)
    sampler, missing = open_nvidia(Surroundings())
    assert [column.name for column in sampler.columns if column.is_power] == ["power_w"]
    assert "energy_j" not in {column.name for column in sampler.columns}
    assert "energy_j" not in sampler.read()
    assert missing == Missing("gpu0.energy", "this GPU does not report its energy")


def test_a_number_found_unsupported_during_a_run_is_not_asked_for_again(monkeypatch):
    gpu = StandInGpu()
    sampler, _ = sampler_of(gpu, monkeypatch)
    gpu.failing[UTILIZATION] = pynvml.NVML_ERROR_NOT_SUPPORTED
    assert "utilization_percent" not in sampler.read()
    gpu.asked.clear()
    assert sampler.read()["power_w"] == 250.5
    assert UTILIZATION not in gpu.asked


def test_a_number_that_fails_once_comes_back(monkeypatch):
    gpu = StandInGpu(failing={CLOCK: pynvml.NVML_ERROR_UNKNOWN})
    sampler, _ = sampler_of(gpu, monkeypatch)
    assert "sm_clock_mhz" not in sampler.read()
    gpu.failing.clear()
    assert sampler.read()["sm_clock_mhz"] == 1980.0


def test_a_number_that_this_user_may_not_see_has_a_remedy(monkeypatch):
    StandInNvml(StandInGpu(failing={POWER: pynvml.NVML_ERROR_NO_PERMISSION})).install(monkeypatch)
    _, missing = open_nvidia(Surroundings())
    assert missing.source == "gpu0.power"
    assert missing.remedy is not None


def test_joules_go_on_where_the_driver_starts_anew(monkeypatch):
    gpu = StandInGpu(energy_mj=9_000_000)
    sampler, _ = sampler_of(gpu, monkeypatch)
    sampler.read()
    gpu.energy_mj = 1_000
    assert sampler.read()["energy_j"] == 9001.0


def test_a_gpu_that_falls_off_the_bus_is_silent_from_then_on(monkeypatch):
    gpu = StandInGpu()
    sampler, driver = sampler_of(gpu, monkeypatch)
    gpu.failing["*"] = pynvml.NVML_ERROR_GPU_IS_LOST
    assert sampler.read() == {}
    gpu.asked.clear()
    assert sampler.read() == {}
    assert gpu.asked == []
    sampler.close()
    assert driver.open == 0


def test_a_gpu_lost_before_the_run_does_not_take_the_others_with_it(monkeypatch):
    lost = StandInGpu(failing={"*": pynvml.NVML_ERROR_GPU_IS_LOST})
    driver = StandInNvml(lost, StandInGpu()).install(monkeypatch)
    missing, sampler = open_nvidia(Surroundings())
    assert missing.source == "gpu0"
    assert missing.remedy is not None
    assert sampler.source == "gpu1"
    sampler.close()
    assert driver.open == 0


def test_the_driver_is_open_as_long_as_a_sampler_is(monkeypatch):
    driver = StandInNvml(StandInGpu(), StandInGpu()).install(monkeypatch)
    first, second = open_nvidia(Surroundings())
    first.close()
    first.close()
    assert first.read() == {}
    assert second.read()["power_w"] == 250.5
    second.close()
    assert driver.open == 0


def without_driver(monkeypatch, tmp_path, error):
    StandInNvml(init_error=error).install(monkeypatch)
    (missing,) = open_nvidia(Surroundings(), sysfs=tmp_path)
    assert isinstance(missing, Missing)
    return missing


def add_card(sysfs, class_="0x030000"):
    write(sysfs / "bus" / "pci" / "devices" / "0000:01:00.0" / "vendor", "0x10de")
    write(sysfs / "bus" / "pci" / "devices" / "0000:01:00.0" / "class", class_)


@pytest.mark.parametrize("error", [pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, pynvml.NVML_ERROR_DRIVER_NOT_LOADED])
def test_a_machine_without_an_nvidia_gpu_is_told_nothing_else(monkeypatch, tmp_path, error):
    assert without_driver(monkeypatch, tmp_path, error) == NO_NVIDIA_GPU
    assert NO_NVIDIA_GPU.remedy is None


def test_a_driver_without_a_gpu_is_no_gpu_and_is_let_go(monkeypatch):
    driver = StandInNvml().install(monkeypatch)
    assert open_nvidia(Surroundings()) == (NO_NVIDIA_GPU,)
    assert driver.open == 0


def test_a_gpu_without_a_driver_has_a_remedy(monkeypatch, tmp_path):
    add_card(tmp_path)
    missing = without_driver(monkeypatch, tmp_path, pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)
    assert "there is an NVIDIA GPU" in missing.reason
    assert missing.remedy is not None


def test_another_device_of_nvidia_is_no_gpu(monkeypatch, tmp_path):
    add_card(tmp_path, class_="0x020000")
    assert without_driver(monkeypatch, tmp_path, pynvml.NVML_ERROR_LIBRARY_NOT_FOUND) == NO_NVIDIA_GPU


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, "restart the machine"),
        (pynvml.NVML_ERROR_NO_PERMISSION, "/dev/nvidia*"),
        (pynvml.NVML_ERROR_UNKNOWN, "nvidia-smi"),
    ],
)
def test_a_driver_that_does_not_answer_has_a_remedy(monkeypatch, tmp_path, error, remedy):
    missing = without_driver(monkeypatch, tmp_path, error)
    assert missing.source == "gpu"
    assert missing.remedy is not None
    assert remedy in missing.remedy
