"""Memory bandwidth, against stand-ins for memory controllers and for the kernel that counts their events."""

from __future__ import annotations

import errno
import sys

import pytest

from halospec.telemetry.bandwidth import BandwidthSampler, open_bandwidth
from halospec.telemetry.counters import Tally
from halospec.telemetry.perf_events import Event
from halospec.telemetry.protocol import Missing, Surroundings
from perf_stand_in import StandInKernel, unit, xeon, zen2, zen4
from sysfs_stand_in import real_cpuinfo, virtual_cpuinfo, write

CLIENT_FORMATS = {"event": "config:0-7", "umask": "config:8-15"}


@pytest.fixture
def kernel():
    return StandInKernel()


@pytest.fixture
def opened(tmp_path, kernel):
    def open_all(**named):
        settings = {
            "system": "linux",
            "sysfs": tmp_path,
            "paranoid": write(tmp_path / "paranoid", 2),
            "cpuinfo": real_cpuinfo(tmp_path),
            "kernel": kernel,
            "stir": lambda: kernel.go_on(1000),
        }
        return open_bandwidth(Surroundings(), **(settings | named))

    return open_all


def test_a_xeons_channels_are_summed_over_sockets(tmp_path, kernel, opened):
    xeon(tmp_path, channels=3)
    (sampler,) = opened()
    assert isinstance(sampler, BandwidthSampler)
    assert sampler.source == "bandwidth"
    kernel.go_on(0)
    before = sampler.read()
    kernel.go_on(1_000_000)
    after = sampler.read()
    for column in ("read_bytes", "write_bytes"):
        assert after[column] - before[column] == pytest.approx(3 * 2 * 1_000_000 * 64)


def test_events_are_opened_for_all_processes_on_one_cpu_a_socket(tmp_path, kernel, opened):
    xeon(tmp_path, channels=2, cpumask="0,28")
    opened()
    assert {each.process for each in kernel.opened.values()} == {-1}
    assert sorted((each.event.type, each.event.config[0], each.cpu) for each in kernel.opened.values()) == sorted(
        (kind, config, cpu) for kind in (20, 21) for config in (0x0304, 0x0C04) for cpu in (0, 28)
    )


def test_reads_and_writes_are_kept_apart(tmp_path, kernel, opened):
    xeon(tmp_path, channels=1, cpumask="0")
    (sampler,) = opened(stir=lambda: kernel.go_on(10))
    for each in kernel.opened.values():
        more = 700 if each.event.config[0] == 0x0304 else 300
        each.tally = Tally(each.tally.count + more, each.tally.enabled_ns + 1, each.tally.running_ns + 1)
    assert sampler.read() == pytest.approx({"read_bytes": 710 * 64, "write_bytes": 310 * 64})


def test_both_schedulers_of_newer_xeons_count(tmp_path, kernel, opened):
    events = {
        f"cas_count_{what}_sch{number}": f"event={5 + number:#x},umask={mask}"
        for what, mask in (("read", "0xcf"), ("write", "0xf0"))
        for number in (0, 1)
    }
    unit(tmp_path, "uncore_imc_0", formats=CLIENT_FORMATS, events=events)
    opened()
    assert len(kernel.opened) == 4


@pytest.mark.parametrize(
    ("name", "read", "written"),
    [
        ("uncore_imc", "data_reads", "data_writes"),
        ("uncore_imc_free_running_0", "data_read", "data_write"),
        ("uncore_imc_free_running", "read", "write"),
    ],
)
def test_the_names_of_other_intel_controllers_are_known(tmp_path, opened, name, read, written):
    events = {read: "event=0xff,umask=0x20", written: "event=0xff,umask=0x30", "data_total": "event=0xff,umask=0x10"}
    unit(tmp_path, name, formats=CLIENT_FORMATS, events=events)
    (sampler,) = opened()
    assert [column.name for column in sampler.columns] == ["read_bytes", "write_bytes"]


def test_free_running_counters_are_not_counted_beside_the_others(tmp_path, kernel, opened):
    xeon(tmp_path, channels=1, cpumask="0")
    events = {"read": "event=0xff,umask=0x20", "write": "event=0xff,umask=0x21"}
    unit(tmp_path, "uncore_imc_free_running_0", type_=99, formats=CLIENT_FORMATS, events=events)
    opened()
    assert {each.event.type for each in kernel.opened.values()} == {20}


def test_zen_4_counts_commands_at_its_controllers(tmp_path, kernel, opened):
    zen4(tmp_path, channels=2)
    (sampler,) = opened()
    kernel.go_on(0)
    before = sampler.read()
    kernel.go_on(500)
    assert sampler.read()["read_bytes"] - before["read_bytes"] == pytest.approx(2 * 500 * 64)
    assert {each.event for each in kernel.opened.values()} == {
        Event(kind, (config, 0, 0)) for kind in (30, 31) for config in (0x10A, 0x20A)
    }


def test_zen_2_counts_both_directions_at_its_data_fabric(tmp_path, kernel, opened):
    zen2(tmp_path)
    (sampler,) = opened()
    assert [column.name for column in sampler.columns] == ["total_bytes"]
    configs = [each.event.config[0] for each in kernel.opened.values()]
    assert configs == [0x3807, 0x3847, 0x3887, 0x38C7, *(0x1_0000_3800 | low for low in (0x07, 0x47, 0x87, 0xC7))]


def test_zen_4_needs_a_kernel_that_knows_its_controllers(tmp_path, opened):
    zen4(tmp_path, channels=0)
    (missing,) = opened()
    assert missing.remedy is not None
    assert "6.8" in missing.remedy


def test_events_that_share_a_counter_are_scaled(tmp_path, kernel, opened):
    zen2(tmp_path)
    (sampler,) = opened(stir=lambda: kernel.go_on(100, ns=100))
    sampler.read()
    before = 8 * 100 * 64
    kernel.go_on(50, ns=100, running_ns=50)
    assert sampler.read() == pytest.approx({"total_bytes": before + 8 * 100 * 64})


def test_a_column_is_left_out_while_a_part_of_it_was_not_counted(tmp_path, kernel, opened):
    xeon(tmp_path, channels=2, cpumask="0")
    (sampler,) = opened()
    kernel.go_on(10)
    reading = next(each for each in kernel.opened.values() if each.event.config[0] == 0x0304)
    reading.tally = None
    assert set(sampler.read()) == {"write_bytes"}


def test_a_first_look_waits_for_events_to_have_their_turn(tmp_path, kernel, opened):
    xeon(tmp_path)
    turns = iter([0, 0, 0])
    (sampler,) = opened(stir=lambda: kernel.go_on(5, running_ns=next(turns, 100_000_000)))
    assert isinstance(sampler, BandwidthSampler)


def test_counters_that_stand_still_are_none(tmp_path, kernel, opened):
    xeon(tmp_path)
    (missing,) = opened(stir=lambda: kernel.go_on(0))
    assert "stand still" in missing.reason
    assert kernel.opened == {}


def test_a_user_without_rights_is_told_how_to_get_them(tmp_path, opened):
    xeon(tmp_path)
    (missing,) = opened(kernel=StandInKernel(error=errno.EACCES))
    assert missing.source == "bandwidth"
    assert "perf_event_paranoid is 2" in missing.reason
    assert missing.remedy is not None
    assert "sudo sysctl kernel.perf_event_paranoid=0" in missing.remedy
    assert "cap_perfmon" in missing.remedy


def test_a_container_is_told_which_capability_it_lacks(tmp_path, opened):
    xeon(tmp_path)
    (missing,) = opened(kernel=StandInKernel(error=errno.EPERM))
    assert missing.remedy is not None
    assert "--cap-add PERFMON" in missing.remedy


def test_other_failures_say_what_the_kernel_said(tmp_path, opened):
    xeon(tmp_path)
    (missing,) = opened(kernel=StandInKernel(error=errno.EINVAL))
    assert "Invalid argument" in missing.reason


def test_an_event_that_is_refused_leaves_none_open(tmp_path, opened):
    xeon(tmp_path)
    kernel = StandInKernel(error=errno.EMFILE, refuse_from=3)
    (missing,) = opened(kernel=kernel)
    assert isinstance(missing, Missing)
    assert kernel.opened == {}


def test_a_description_that_is_not_understood_is_not_guessed_at(tmp_path, opened):
    xeon(tmp_path)
    write(tmp_path / "bus/event_source/devices/uncore_imc_0/events/cas_count_read", "event=0x04,colour=0x03")
    (missing,) = opened()
    assert "colour" in missing.reason


def test_a_virtual_machine_has_no_controllers_and_no_remedy(tmp_path, opened):
    (missing,) = opened(cpuinfo=virtual_cpuinfo(tmp_path))
    assert "virtual machine" in missing.reason
    assert missing.remedy is None


def test_a_machine_whose_controllers_are_unknown_is_told_so(tmp_path, opened):
    unit(tmp_path, "uncore_imc_0", formats=CLIENT_FORMATS, events={"clockticks": "event=0x01"})
    (missing,) = opened()
    assert "no memory controller" in missing.reason


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_other_systems_say_so(tmp_path, opened, system):
    xeon(tmp_path)
    (missing,) = opened(system=system)
    assert "Linux only" in missing.reason


def test_closing_stops_counting_and_twice_is_harmless(tmp_path, kernel, opened):
    xeon(tmp_path)
    (sampler,) = opened()
    sampler.close()
    sampler.close()
    assert kernel.opened == {}
    assert sampler.read() == {}


def test_this_machine_is_looked_at_without_failing():
    found = open_bandwidth(Surroundings())
    for each in found:
        if not isinstance(each, Missing):
            each.close()
    assert len(found) == 1
    assert sys.platform == "linux" or isinstance(found[0], Missing)
