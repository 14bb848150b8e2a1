"""Performance monitoring units, as described by a stand-in for /sys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.telemetry.perf_events import Event
from halospec.telemetry.pmu import Pmu, PmuError, numbers_of
from perf_stand_in import unit
from sysfs_stand_in import write

FORMATS = {"event": "config:0-7,32-35,59-60", "umask": "config:8-15", "edge": "config:18", "extra": "config1:0-31"}


@pytest.fixture
def pmu(tmp_path):
    events = {"cas_count_read": "event=0x04,umask=0x03", "clockticks": "event=0x00"}
    return Pmu(unit(tmp_path, "some_unit", type_=17, cpumask="0,28", formats=FORMATS, events=events))


def test_fields_go_where_the_format_says(pmu):
    assert pmu.event("event=0x04,umask=0x03") == Event(17, (0x0304, 0, 0))
    assert pmu.event("event=0x1c7,umask=0x38") == Event(17, (0xC7 | 0x38 << 8 | 1 << 32, 0, 0))
    assert pmu.event("event=0x1007") == Event(17, (0x07 | 1 << 59, 0, 0))
    assert pmu.event("edge,extra=0xff") == Event(17, (1 << 18, 0xFF, 0))
    assert pmu.event("config=0x40ff,config2=3") == Event(17, (0x40FF, 0, 3))


def test_a_named_event_is_spelled_by_the_kernel(pmu):
    assert pmu.names() == {"cas_count_read", "clockticks"}
    assert pmu.event_named("cas_count_read") == Event(17, (0x0304, 0, 0))


def test_one_count_stands_for_what_the_kernel_says(pmu):
    assert pmu.bytes_a_count("cas_count_read", 1) == 64
    assert pmu.bytes_a_count("clockticks", 64) == 64


def test_an_unknown_unit_is_not_guessed_at(pmu):
    write(pmu.path / "events" / "cas_count_read.unit", "Joules")
    with pytest.raises(PmuError, match="Joules"):
        pmu.bytes_a_count("cas_count_read", 64)


@pytest.mark.parametrize("spelled", ["event=0x04,colour=2", "umask=0x1ff", "event=many", ""])
def test_a_spelling_that_does_not_fit_is_an_error(pmu, spelled):
    with pytest.raises(PmuError):
        pmu.event(spelled)


def test_a_unit_without_a_type_or_an_event_is_an_error(pmu):
    (pmu.path / "type").unlink()
    with pytest.raises(PmuError, match="no type"):
        pmu.event("umask=1")
    with pytest.raises(PmuError, match="no event"):
        pmu.event_named("data_reads")


def test_events_are_opened_on_one_cpu_a_socket(pmu):
    assert pmu.cpus == (0, 28)
    (pmu.path / "cpumask").unlink()
    assert pmu.cpus == (0,)


def test_lists_of_numbers_are_read_as_the_kernel_writes_them():
    assert numbers_of("0-3,8") == (0, 1, 2, 3, 8)
    with pytest.raises(PmuError):
        numbers_of("all")


@given(st.integers(0, 2**14 - 1))
def test_every_value_of_a_split_field_has_bits_of_its_own(value):
    places = numbers_of("0-7,32-35,59-60")
    pmu = Pmu.__new__(Pmu)
    pmu.name = "split"
    pmu.field = lambda name: "config:0-7,32-35,59-60"
    word, bits = pmu._place_of("event", value)
    assert word == 0
    assert sum(((bits >> place) & 1) << number for number, place in enumerate(places)) == value
    assert bits & ~sum(1 << place for place in places) == 0
