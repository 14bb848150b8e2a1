"""A line of telemetry.jsonl, and how a journal that was cut short is read."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.records.store import StoreError
from halospec.records.ticks import Tick, last_tick_ns, read_ticks, tick_line

ticks = st.builds(
    Tick,
    at_ns=st.integers(0, 2**63 - 1),
    values=st.dictionaries(
        st.text(min_size=1).filter(lambda name: name != "at_ns"), st.floats(allow_nan=False, allow_infinity=False)
    ),
)


@given(st.lists(ticks, max_size=5))
def test_what_is_written_is_read(tmp_path_factory, written):
    journal = tmp_path_factory.mktemp("run") / "telemetry.jsonl"
    journal.write_bytes(b"".join(map(tick_line, written)))
    assert list(read_ticks(journal)) == written
    assert last_tick_ns(journal) == (written[-1].at_ns if written else 0)


def test_what_is_no_finite_number_is_left_out():
    assert tick_line(Tick(5, {"a.b": math.nan, "a.c": math.inf, "a.d": 1.5})) == b'{"at_ns":5,"a.d":1.5}\n'


@pytest.fixture
def journal(tmp_path):
    path = tmp_path / "telemetry.jsonl"
    path.write_bytes(tick_line(Tick(1, {"a.b": 1.0})) + tick_line(Tick(2, {"a.b": 2.0})))
    return path


@pytest.mark.parametrize("torn", [b'{"at_ns":3,"a.', b'{"at_ns":3', b"{", b"\xff\xfe"])
def test_a_torn_last_line_is_dropped(journal, torn):
    with journal.open("ab") as file:
        file.write(torn)
    assert [tick.at_ns for tick in read_ticks(journal)] == [1, 2]
    assert last_tick_ns(journal) == 2


def test_a_whole_last_line_needs_no_newline(journal):
    with journal.open("ab") as file:
        file.write(b'{"at_ns":3,"a.b":3}')
    assert [tick.at_ns for tick in read_ticks(journal)] == [1, 2, 3]


@pytest.mark.parametrize(
    "line",
    [
        b"{}",
        b"[1]",
        b'{"at_ns":1.5}',
        b'{"at_ns":true}',
        b'{"at_ns":-1}',
        b'{"at_ns":3,"a.b":"x"}',
        b'{"at_ns":3,"a.b":null}',
        b'{"at_ns":3,"a.b":NaN}',
        b'{"at_ns":3,"a.b":' + b"9" * 400 + b"}",
        b"[" * 100_000,
    ],
)
def test_a_line_that_is_no_reading_is_told_with_its_number(journal, line):
    with journal.open("ab") as file:
        file.write(line + b"\n" + tick_line(Tick(4, {})))
    with pytest.raises(StoreError, match="line 3 is not a reading"):
        list(read_ticks(journal))


def test_no_file_holds_no_ticks(tmp_path):
    assert list(read_ticks(tmp_path / "none")) == []
    assert last_tick_ns(tmp_path / "none") == 0


def test_the_last_moment_of_a_long_journal_is_found_from_its_end(tmp_path):
    path = tmp_path / "telemetry.jsonl"
    path.write_bytes(b"".join(tick_line(Tick(at_ns, {f"a.{n}": 0.5 for n in range(100)})) for at_ns in range(2000)))
    assert path.stat().st_size > 2**20
    assert last_tick_ns(path) == 1999
