from __future__ import annotations

import sys
import time

import psutil
import pytest

from halospec.contention.programs.stream import Stream
from load_workers import ready_worker, worker

MB = 1_000_000
RATE = 20 * MB
STREAM = ("stream", "--bytes-per-s", str(RATE), "--buffer-bytes", str(8 * MB))


on_posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot wait for a pipe to run dry")


def test_it_copies_on_from_where_it_stopped_and_begins_again_at_the_end() -> None:
    stream = Stream(1_000)
    assert [stream.move(800) for _ in range(4)] == [800, 800, 400, 800]


def test_it_copies_what_is_there() -> None:
    stream = Stream(3_000)
    stream._source[:] = bytes(range(250)) * 12
    while stream.move(1_400) == 1_400:
        pass
    assert stream._target == stream._source


def test_a_buffer_of_one_byte_is_enough() -> None:
    assert Stream(1).move(8_192) == 2


def test_it_moves_nothing_before_it_is_told_a_level() -> None:
    with ready_worker(*STREAM) as streaming:
        assert streaming.count_after(0.2) == 0


def test_all_of_its_memory_is_there_when_it_is_ready() -> None:
    small = ("stream", "--bytes-per-s", "1", "--buffer-bytes", "1")
    with ready_worker(*STREAM) as streaming, ready_worker(*small) as empty:
        resident = psutil.Process(streaming.pid).memory_info().rss - psutil.Process(empty.pid).memory_info().rss
    assert resident == pytest.approx(16 * MB, rel=0.25)


def test_it_moves_what_its_level_says_and_never_more() -> None:
    with ready_worker(*STREAM) as streaming:
        began_s = time.monotonic()
        streaming.set_level(0.5)
        moved = streaming.count_from(4 * MB)
        # It had moved as much before it was heard to say so.
        assert moved <= 0.5 * RATE * (time.monotonic() - began_s)


@on_posix
def test_a_starved_stream_does_not_make_up_for_lost_time() -> None:
    with ready_worker(*STREAM) as streaming:
        streaming.set_level(1.0)
        before = streaming.last_count_from(1)
        starved = psutil.Process(streaming.pid)
        starved.suspend()
        time.sleep(1.0)
        resumed_s = time.monotonic()
        starved.resume()
        moved = streaming.count_after(0.3) - before
        # What it moved since it last said so, what stays due for a while, and some slack: half of what it lost.
        assert moved <= RATE * (time.monotonic() - resumed_s + 0.5)


def test_it_stops_at_level_zero_and_goes_on_after_it() -> None:
    with ready_worker(*STREAM) as streaming:
        streaming.set_level(1.0)
        streaming.count_from(1)
        streaming.set_level(0.0)
        while (stopped_at := streaming.count_after(0.1)) != streaming.count_after(0.1):
            pass
        streaming.set_level(1.0)
        streaming.count_from(stopped_at + 1)


def test_it_ends_with_its_lifeline() -> None:
    with ready_worker(*STREAM) as streaming:
        streaming.set_level(1.0)
        streaming.let_go()
        assert streaming.process.wait(timeout=20) == 0


def test_memory_that_is_not_to_be_had_is_one_sentence() -> None:
    size = str(2**62)
    with worker("stream", "--bytes-per-s", "1", "--buffer-bytes", size) as streaming:
        assert streaming.hear() == f"two buffers of {size} bytes are more than there is memory for"
        assert streaming.hear() == ""
        assert streaming.process.wait(timeout=20) == 1
