"""What the hardware is and lets itself be asked: cores, memory nodes, clock source, counters, GPUs."""

from __future__ import annotations

import pynvml
import pytest

from halospec.doctor.checks.clock import clock, judge_clock
from halospec.doctor.checks.core_kinds import core_kinds
from halospec.doctor.checks.gpu import GpuState, gpu, judge_gpus
from halospec.doctor.checks.hardware_threads import hardware_threads
from halospec.doctor.checks.huge_pages import huge_pages
from halospec.doctor.checks.measurable import bandwidth, energy, judge_opened
from halospec.doctor.checks.numa import numa
from halospec.doctor.checks.tile_instructions import tile_instructions
from halospec.doctor.judgement import Unseen
from halospec.records.fitness import State
from halospec.telemetry.protocol import Column, Missing
from machine_stand_in import CPU

CLOCKS = "sys/devices/system/clocksource/clocksource0"


@pytest.mark.parametrize("source", ["tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page"])
def test_a_clock_in_the_cpu_is_good(source):
    assert judge_clock(source, [source], 40).state is State.GOOD


@pytest.mark.parametrize("source", ["hpet", "acpi_pm", "jiffies"])
def test_a_slow_clock_source_is_bad_and_the_remedy_names_a_better_one_only_where_there_is_one(source):
    judgement = judge_clock(source, [source, "tsc"], 40)
    assert judgement.state is State.BAD
    assert judgement.remedy == f"echo tsc | sudo tee /{CLOCKS}/current_clocksource"
    assert "tee" not in judge_clock(source, ["hpet", "acpi_pm"], 40).remedy


def test_a_coarse_clock_is_a_warning_whatever_its_source():
    assert judge_clock(None, [], 15_600_000).state is State.WARNING
    assert judge_clock(None, [], 100).state is State.GOOD


def test_the_clock_that_was_read_is_the_trees(tree):
    tree.put(f"{CLOCKS}/current_clocksource", "hpet").put(f"{CLOCKS}/available_clocksource", "hpet acpi_pm")
    assert clock(tree.machine()).found.startswith("hpet, steps of ")


@pytest.mark.parametrize(("active", "state"), [(1, State.NOTE), (0, State.GOOD)])
def test_shared_cores_are_a_note(tree, active, state):
    assert hardware_threads(tree.put(f"{CPU}/smt/active", active).machine()).state is state


def test_fast_and_slow_cores_are_a_warning_that_names_the_fast(tree):
    tree.put("sys/devices/cpu_core/cpus", "0-7").put("sys/devices/cpu_atom/cpus", "8-15")
    judgement = core_kinds(tree.machine())
    assert judgement.state is State.WARNING
    assert "taskset -c 0-7" in judgement.remedy


@pytest.mark.parametrize("name", ["cpu_capacity", "cpufreq/cpuinfo_max_freq"])
def test_kinds_of_cores_show_in_capacity_or_clock_and_preferred_cores_are_no_kind(tree, name):
    tree.put(f"{CPU}/cpu0/{name}", 1000).put(f"{CPU}/cpu1/{name}", 960)
    assert core_kinds(tree.machine()).state is State.GOOD
    judgement = core_kinds(tree.put(f"{CPU}/cpu2/{name}", 450).machine())
    assert (judgement.state, "45 %" in judgement.found) == (State.WARNING, True)


def test_several_memory_nodes_are_a_warning(tree):
    assert numa(tree.put("sys/devices/system/node/node0/meminfo", "").machine()).state is State.GOOD
    judgement = numa(tree.put("sys/devices/system/node/node1/meminfo", "").machine())
    assert (judgement.state, judgement.remedy.count("numactl")) == (State.WARNING, 1)


def test_huge_pages_are_a_note_of_what_is_chosen(tree):
    path = "sys/kernel/mm/transparent_hugepage/enabled"
    judgement = huge_pages(tree.put(path, "[always] madvise never").machine())
    assert (judgement.state, judgement.found[:7]) == (State.NOTE, "always:")
    with pytest.raises(ValueError, match="no choice"):
        huge_pages(tree.put(path, "gibberish").machine())


def test_tile_instructions_are_a_warning_only_in_a_virtual_machine(tree):
    assert tile_instructions(tree.flags("avx2").machine()).state is State.GOOD
    assert tile_instructions(tree.flags("avx2", "amx_tile", "amx_int8").machine()).state is State.GOOD
    judgement = tile_instructions(tree.flags("hypervisor", "amx_tile", "amx_bf16").machine())
    assert judgement.state is State.WARNING
    assert "amx_bf16, amx_tile" in judgement.found
    assert 'CMAKE_ARGS="-DGGML_NATIVE=OFF"' in judgement.remedy


class SamplerStandIn:
    """A stand-in for what telemetry opened."""

    source = "energy"
    columns = (Column("package-0_j", "joules"), Column("dram-0_j", "joules"))
    closed = False

    def read(self):
        return {}

    def close(self):
        self.closed = True


def test_what_telemetry_can_read_is_good_and_is_closed_again():
    sampler = SamplerStandIn()
    judgement = judge_opened([sampler])
    assert (judgement.state, judgement.found) == (State.GOOD, "can be read: package-0_j, dram-0_j")
    assert sampler.closed


def test_what_rights_would_open_is_a_warning_and_what_is_not_there_a_note():
    assert judge_opened([Missing("energy", "no counters")]).state is State.NOTE
    judgement = judge_opened([SamplerStandIn(), Missing("energy", "root alone", "sudo chmod")])
    assert (judgement.state, judgement.remedy) == (State.WARNING, "sudo chmod")
    assert judgement.found.endswith("; root alone")


def test_energy_and_bandwidth_are_looked_for_under_the_root(tree):
    assert energy(tree.machine()).state is State.WARNING
    zone = "sys/class/powercap/intel-rapl:0"
    tree.put(f"{zone}/name", "package-0").put(f"{zone}/energy_uj", 5).put(f"{zone}/max_energy_range_uj", 2**32)
    assert energy(tree.machine()).found == "can be read: package-0_j"
    assert bandwidth(tree.flags("hypervisor").machine()).state is State.NOTE


@pytest.mark.parametrize(
    ("state", "judged"),
    [
        (GpuState("A", persistent=True, throttle_reasons=0, busy_percent=0), State.GOOD),
        (GpuState("A"), State.GOOD),
        (GpuState("A", persistent=False, throttle_reasons=0), State.NOTE),
        (GpuState("A", throttle_reasons=pynvml.nvmlClocksThrottleReasonGpuIdle), State.GOOD),
        (GpuState("A", throttle_reasons=pynvml.nvmlClocksThrottleReasonSwThermalSlowdown), State.BAD),
        (GpuState("A", persistent=True, busy_percent=80), State.WARNING),
    ],
)
def test_a_gpu_is_judged_by_heat_then_by_others_use_then_by_its_driver(state, judged):
    assert judge_gpus((state,)).state is judged


def test_of_several_gpus_the_worst_counts_and_all_are_named():
    judgement = judge_gpus((GpuState("A"), GpuState("B", busy_percent=50), GpuState("C")))
    assert judgement.state is State.WARNING
    assert [name in judgement.found for name in ("A", "B is 50 % busy", "C")] == [True] * 3


class DriverStandIn:
    """A stand-in for NVML: one GPU, which does not support whatever is in ``refused``."""

    refused: frozenset[str] = frozenset()

    def install(self, monkeypatch):
        for name, value in {
            "nvmlInit": None,
            "nvmlShutdown": None,
            "nvmlDeviceGetCount": 1,
            "nvmlDeviceGetHandleByIndex": 0,
            "nvmlDeviceGetName": "Card",
            "nvmlDeviceGetPersistenceMode": 0,
            "nvmlDeviceGetCurrentClocksThrottleReasons": 0,
            "nvmlDeviceGetUtilizationRates": type("Rates", (), {"gpu": 0})(),
        }.items():
            monkeypatch.setattr(pynvml, name, self._answer(name, value))

    def _answer(self, name, value):
        def answer(*_):
            if name in self.refused:
                raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
            return value

        return answer


@pytest.fixture
def driver(monkeypatch):
    def install(*refused):
        stand_in = DriverStandIn()
        stand_in.refused = frozenset(refused)
        stand_in.install(monkeypatch)

    return install


def test_a_gpu_is_read_through_the_driver(tree, driver):
    driver()
    judgement = gpu(tree.machine())
    assert (judgement.state, judgement.found[:6]) == (State.NOTE, "Card's")


def test_what_a_gpu_does_not_tell_is_left_open(tree, driver):
    driver("nvmlDeviceGetPersistenceMode", "nvmlDeviceGetCurrentClocksThrottleReasons", "nvmlDeviceGetUtilizationRates")
    judgement = gpu(tree.machine())
    assert (judgement.state, judgement.found) == (State.GOOD, "Card")


def test_a_driver_that_fails_is_quoted_and_one_that_is_absent_is_no_gpu(tree, driver):
    driver("nvmlDeviceGetCount")
    with pytest.raises(Unseen, match="driver answers"):
        gpu(tree.machine())
    driver("nvmlInit")
    with pytest.raises(Unseen, match="no GPU driver"):
        gpu(tree.machine())
    tree.put("sys/class/drm/card0/device/gpu_busy_percent", 0)
    assert "AMD" in gpu(tree.machine()).found
