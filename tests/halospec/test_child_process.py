"""Words for how a child process ended."""

from __future__ import annotations

import signal
import socket
import sys

import pytest

from halospec.child_process import ending_in_words, free_loopback_port, is_illegal_instruction, last_lines

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")


@pytest.mark.parametrize(
    ("returncode", "words"),
    [
        (0, "ended with status 0"),
        (137, "ended with status 137"),
        (-9, "was ended by SIGKILL"),
        (-99, "was ended by signal 99"),
    ],
)
def test_an_ending_is_named(returncode, words):
    assert ending_in_words(returncode) == words


def test_only_the_signal_is_an_illegal_instruction():
    assert is_illegal_instruction(-signal.SIGILL)
    assert not is_illegal_instruction(signal.SIGILL)


def test_the_last_lines_are_those_with_something_in_them(tmp_path):
    log = tmp_path / "log"
    log.write_text("one\ntwo\r\n\n  \nthree\a\n\n")
    assert last_lines(log) == ("three\N{REPLACEMENT CHARACTER}",)
    assert last_lines(log, count=2) == ("two", "three\N{REPLACEMENT CHARACTER}")
    assert last_lines(log, count=9, start_byte=4) == ("two", "three\N{REPLACEMENT CHARACTER}")
    assert last_lines(log, start_byte=log.stat().st_size) == ()


def test_a_huge_log_is_read_from_its_end(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"x" * 10**6 + b"\nlast words\n")
    assert last_lines(log) == ("last words",)
    assert len(last_lines(log, count=2)[0]) == 500


def test_a_free_port_can_be_listened_on():
    with socket.create_server(("127.0.0.1", free_loopback_port())) as server:
        assert server.getsockname()[1] > 0
