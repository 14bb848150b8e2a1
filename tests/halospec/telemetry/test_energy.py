"""The energy of processors, against a stand-in for the kernel's powercap tree."""

from __future__ import annotations

import errno
import shutil
import sys

import pytest

from halospec.telemetry.energy import open_energy
from halospec.telemetry.powercap import package_energy_is_readable
from halospec.telemetry.protocol import Missing, Surroundings
from powercap_stand_in import SPAN_UJ, StandInPowercap
from sysfs_stand_in import go_dumb, real_cpuinfo, refuse, virtual_cpuinfo, write

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="file names as in /sys are not possible on Windows")


@pytest.fixture
def sysfs(tmp_path):
    return tmp_path / "sys"


@pytest.fixture
def powercap(sysfs):
    return StandInPowercap(sysfs)


@pytest.fixture
def opened(sysfs, tmp_path):
    samplers = []

    def open_all(**named):
        cpuinfo = named.pop("cpuinfo", None) or real_cpuinfo(tmp_path)
        found = open_energy(Surroundings(), sysfs=sysfs, cpuinfo=cpuinfo, **{"system": "linux", **named})
        samplers.extend(each for each in found if not isinstance(each, Missing))
        return found

    yield open_all
    for sampler in samplers:
        sampler.close()


def test_each_domain_is_a_column_in_joules(powercap, opened):
    powercap.zone("intel-rapl:0", "package-0", 5_000_000)
    powercap.zone("intel-rapl:0:0", "core", 3_000_000)
    powercap.zone("intel-rapl:0:1", "uncore", 250_000)
    powercap.zone("intel-rapl:0:2", "dram", 1_500_000)
    powercap.zone("intel-rapl:1", "psys", 9_000_000)
    (sampler,) = opened()
    assert sampler.source == "energy"
    assert sampler.read() == {
        "package-0_j": 5.0,
        "core-0_j": 3.0,
        "uncore-0_j": 0.25,
        "dram-0_j": 1.5,
        "psys_j": 9.0,
    }


def test_only_packages_and_their_memory_are_summed(powercap, opened):
    for zone, name in {
        "intel-rapl:0": "package-0",
        "intel-rapl:0:0": "core",
        "intel-rapl:0:1": "dram",
        "intel-rapl:1": "package-1",
        "intel-rapl:1:0": "core",
        "intel-rapl:1:1": "dram",
        "intel-rapl:2": "psys",
    }.items():
        powercap.zone(zone, name, 1)
    (sampler,) = opened()
    summed = {column.name for column in sampler.columns if column.is_energy}
    assert summed == {"package-0_j", "dram-0_j", "package-1_j", "dram-1_j"}
    assert not any(column.is_power for column in sampler.columns)


def test_a_package_of_several_dies_names_its_parts_after_the_die(powercap, opened):
    powercap.zone("intel-rapl:0", "package-0-die-0", 1)
    powercap.zone("intel-rapl:1", "package-0-die-1", 1)
    powercap.zone("intel-rapl:1:0", "dram", 1)
    (sampler,) = opened()
    assert [column.name for column in sampler.columns] == ["package-0-die-0_j", "package-0-die-1_j", "dram-0-die-1_j"]


def test_what_two_drivers_show_is_counted_once(powercap, opened):
    powercap.zone("intel-rapl-mmio:0", "package-0", 77)
    powercap.zone("intel-rapl:0", "package-0", 2_000_000)
    (sampler,) = opened()
    assert sampler.read() == {"package-0_j": 2.0}


def test_zones_of_the_same_name_are_told_apart(powercap, opened):
    powercap.zone("intel-rapl:0", "package-0", 1_000_000)
    powercap.zone("intel-rapl:1", "psys", 2_000_000)
    powercap.zone("intel-rapl:2", "psys", 3_000_000)
    (sampler,) = opened()
    assert sampler.read() == {"package-0_j": 1.0, "psys-1_j": 2.0, "psys-2_j": 3.0}


def test_a_register_that_wraps_goes_on(powercap, opened):
    energy = powercap.zone("intel-rapl:0", "package-0", SPAN_UJ - 1_000_000)
    (sampler,) = opened()
    before = sampler.read()["package-0_j"]
    write(energy, 500_000)
    assert sampler.read()["package-0_j"] == pytest.approx(before + 1.5)


def test_a_counter_that_fails_is_left_out(powercap, opened, monkeypatch):
    powercap.zone("intel-rapl:0", "package-0", 1)
    (sampler,) = opened()
    go_dumb(monkeypatch, errno.EIO)
    assert sampler.read() == {}


def test_a_counter_that_shows_no_number_is_left_out(powercap, opened):
    energy = powercap.zone("intel-rapl:0", "package-0", 1)
    powercap.zone("intel-rapl:0:0", "dram", 2_000_000)
    (sampler,) = opened()
    write(energy, "unreadable")
    assert sampler.read() == {"dram-0_j": 2.0}


def test_counters_for_root_alone_come_with_the_command_that_opens_them(powercap, opened, monkeypatch):
    package = powercap.zone("intel-rapl:0", "package-0", 1)
    dram = powercap.zone("intel-rapl:0:0", "dram", 1)
    refuse(monkeypatch, package, dram)
    (missing,) = opened()
    assert isinstance(missing, Missing)
    assert missing.source == "energy"
    assert "package-0, dram-0" in missing.reason
    assert missing.remedy is not None
    assert f"sudo chmod a+r {powercap.listed}/*/energy_uj" in missing.remedy


def test_what_may_be_read_is_read_where_the_rest_may_not(powercap, opened, monkeypatch):
    powercap.zone("intel-rapl:0", "package-0", 4_000_000)
    refuse(monkeypatch, powercap.zone("intel-rapl:0:0", "dram", 1))
    sampler, missing = opened()
    assert sampler.read() == {"package-0_j": 4.0}
    assert "dram-0" in missing.reason


def test_sockets_of_the_driver_amd_energy_stand_in_for_packages(powercap, opened):
    powercap.amd_energy(3_000_000, 5_000_000)
    (sampler,) = opened()
    assert sampler.read() == {"package-0_j": 3.0, "package-1_j": 5.0}
    assert all(column.is_energy for column in sampler.columns)


def test_the_driver_amd_energy_is_not_counted_beside_rapl(powercap, opened):
    powercap.zone("intel-rapl:0", "package-0", 1_000_000)
    powercap.amd_energy(3_000_000)
    (sampler,) = opened()
    assert sampler.read() == {"package-0_j": 1.0}


def test_a_container_that_hides_the_counters_is_recognized(sysfs, powercap, opened):
    powercap.zone("intel-rapl:0", "package-0", 1)
    shutil.rmtree(sysfs / "devices" / "virtual" / "powercap" / "intel-rapl")
    (missing,) = opened()
    assert "hidden from this container" in missing.reason
    assert missing.remedy is not None


def test_a_virtual_machine_has_no_counters_and_no_remedy(opened, tmp_path):
    (missing,) = opened(cpuinfo=virtual_cpuinfo(tmp_path))
    assert "virtual machine" in missing.reason
    assert missing.remedy is None


def test_a_real_machine_without_counters_is_told_of_the_driver(opened):
    (missing,) = opened()
    assert missing.remedy is not None
    assert "modprobe intel_rapl_msr" in missing.remedy


@pytest.mark.parametrize(("system", "named"), [("darwin", "macOS"), ("win32", "Windows"), ("freebsd14", "freebsd14")])
def test_other_systems_say_so(opened, powercap, system, named):
    powercap.zone("intel-rapl:0", "package-0", 1)
    (missing,) = opened(system=system)
    assert named in missing.reason


def test_closing_twice_is_harmless_and_nothing_is_read_after_it(powercap, opened):
    powercap.zone("intel-rapl:0", "package-0", 1)
    (sampler,) = opened()
    sampler.close()
    sampler.close()
    assert sampler.read() == {}


def test_package_energy_is_readable_only_if_every_package_is(sysfs, powercap, monkeypatch):
    assert not package_energy_is_readable(sysfs)
    first = powercap.zone("intel-rapl:0", "package-0", 1)
    powercap.zone("intel-rapl:1", "package-1", 1)
    assert package_energy_is_readable(sysfs)
    refuse(monkeypatch, first)
    assert not package_energy_is_readable(sysfs)
