"""Pressure-stall information, from a stand-in for /proc/pressure."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from halospec.telemetry.pressure import PressureSampler, open_pressure, stalled_us

CONTENT = "some avg10=0.26 avg60=0.97 avg300=0.58 total={}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"
on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has it")


@pytest.fixture
def proc(tmp_path):
    """Give a stand-in for /proc/pressure."""
    for number, name in enumerate(("cpu", "memory", "io")):
        (tmp_path / name).write_text(CONTENT.format(1000 + number))
    return tmp_path


@on_linux
def test_the_totals_are_read_anew_each_time(proc):
    (sampler,) = open_pressure(proc)
    assert sampler.read() == {
        "pressure_cpu_some_us": 1000.0,
        "pressure_memory_some_us": 1001.0,
        "pressure_io_some_us": 1002.0,
    }
    (proc / "cpu").write_text(CONTENT.format(1234))
    assert sampler.read()["pressure_cpu_some_us"] == 1234.0
    assert {column.name for column in sampler.columns} == set(sampler.read())
    sampler.close()
    sampler.close()
    assert sampler.read() == {}


@on_linux
def test_a_kernel_that_counts_nothing_is_told_with_a_remedy(tmp_path):
    (missing,) = open_pressure(tmp_path)
    assert missing.source == "host.pressure"
    assert "psi=1" in missing.remedy


def test_a_file_that_cannot_be_understood_is_left_out(proc):
    (proc / "io").write_text("nothing\n")
    sampler = PressureSampler(proc)
    assert set(sampler.read()) == {"pressure_cpu_some_us", "pressure_memory_some_us"}
    sampler.close()


@pytest.mark.parametrize("content", [b"", b"full avg10=0.00 total=3\n", b"some avg10=0.00\n", b"some total=x\n"])
def test_what_has_no_total_of_some_is_no_reading(content):
    with pytest.raises(ValueError):
        stalled_us(content)


@on_linux
@pytest.mark.skipif(not Path("/proc/pressure/cpu").exists(), reason="this kernel does not count it")
def test_this_machines_own_counters_never_fall():
    (sampler,) = open_pressure()
    before = sampler.read()
    assert all(sampler.read()[name] >= value for name, value in before.items())
    sampler.close()
