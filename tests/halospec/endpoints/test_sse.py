"""The event stream parser against the HTML standard's own words, whatever the stream holds and however it is cut."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.endpoints.sse import EventStreamParser, ServerSentEvent


def reference(stream: bytes) -> list[ServerSentEvent]:
    """Read a whole stream as the standard says, step by step (HTML, 9.2.5 and 9.2.6), without regard to speed.

    The stream is decoded at once; one leading byte order mark is dropped; lines end with CRLF, LF or CR; an incomplete
    line at the end is no line, and an event that no blank line ends is discarded.
    """
    text = stream.decode("utf-8", "replace")
    text = text.removeprefix("\ufeff")
    lines = re.split("\r\n|\n|\r", text)[:-1]
    events = []
    data = event_type = ""
    for line in lines:
        if line == "":
            if data != "":
                events.append(ServerSentEvent(event_type or "message", data.removesuffix("\n")))
            data = event_type = ""
        elif line.startswith(":"):
            continue
        else:
            field, value = line.split(":", 1) if ":" in line else (line, "")
            value = value[1:] if value.startswith(" ") else value
            if field == "event":
                event_type = value
            elif field == "data":
                data += value + "\n"
    return events


def parsed(pieces: list[bytes]) -> list[ServerSentEvent]:
    parser = EventStreamParser()
    return [event for piece in pieces for event in parser.feed(piece)]


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    """Cut a stream at the given places; a place that comes twice makes an empty piece."""
    edges = sorted([0, len(stream), *(place % (len(stream) + 1) for place in places)])
    return [stream[a:b] for a, b in itertools.pairwise(edges)]


values = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=8) | st.sampled_from(
    [" ", "  two", "é", "世界", "\U0001f30a", "\ufeff", "\u2028\x85\x0b\x0c\x1c", "[DONE]", "a:b", "\0"]
)
lines = st.one_of(
    values.map("data: {}".format),
    values.map("data:{}".format),
    values.map("event: {}".format),
    values.map("event:{}".format),
    values.map(": {}".format),
    values.map("id: {}".format),
    values.map("retry: {}".format),
    values,
    st.sampled_from(["", "", "", "data", "event", "Data: x", "data : x", " data: x", ": ping", "dat", "\ufeffdata: x"]),
)
streams = st.builds(
    lambda mark, parts, tail: (mark + "".join(itertools.chain.from_iterable(parts)) + tail).encode(),
    st.sampled_from(["", "\ufeff", "\ufeff\ufeff"]),
    st.lists(st.tuples(lines, st.sampled_from(["\n", "\r", "\r\n", "\n\n", "\r\r", "\r\n\r\n", "\n\r"])), max_size=12),
    lines,
)
# Bytes that are no UTF-8 at all, with enough line ends and fields between them to make events.
rubbish = st.lists(
    st.binary(max_size=4)
    | st.sampled_from([b"data:", b"\n\n", b"\r", b"\n", b"\xe4\xb8", b"\xf0\x9f", b"\xef\xbb\xbf"]),
    max_size=20,
).map(b"".join)
places = st.lists(st.integers(min_value=0, max_value=10_000), max_size=30)


@given(stream=streams | rubbish, at=places)
def test_a_stream_means_what_the_standard_says_however_it_is_cut(stream, at):
    assert parsed(cut(stream, at)) == reference(stream)


@given(stream=streams | rubbish)
def test_a_stream_means_the_same_in_one_piece_and_byte_by_byte(stream):
    assert parsed([stream]) == parsed([bytes([byte]) for byte in stream]) == reference(stream)


@given(stream=streams | rubbish, at=places)
def test_an_event_comes_with_the_piece_that_completes_it_and_not_later(stream, at):
    parser, come = EventStreamParser(), b""
    number = 0
    for piece in cut(stream, at):
        come += piece
        number += len(parser.feed(piece))
        assert number == len(reference(come))


@pytest.mark.parametrize("newline", ["\n", "\r", "\r\n"])
def test_a_blank_line_ends_an_event_with_its_first_byte(newline):
    parser = EventStreamParser()

    assert parser.feed(f"data: x{newline}".encode()) == []
    assert parser.feed(newline[:1].encode()) == [ServerSentEvent("message", "x")]
    assert parser.feed(newline[1:].encode()) == []


def test_a_line_feed_is_swallowed_only_right_after_its_carriage_return():
    parser = EventStreamParser()

    assert parser.feed(b"data: x\r") == []
    assert parser.feed(b"") == []
    assert parser.feed(b"\n") == []
    assert parser.feed(b"\n") == [ServerSentEvent("message", "x")]


def test_data_lines_are_joined_and_an_event_without_data_is_none():
    stream = b"event: error\ndata: one\ndata:two\ndata\ndata:   four\n\nevent: lonely\n\n: ping\n\ndata:\n\n"

    assert parsed([stream]) == [ServerSentEvent("error", "one\ntwo\n\n  four"), ServerSentEvent("message", "")]


def test_bytes_that_are_no_utf8_become_replacement_characters_in_their_own_line_only():
    stream = b"data: \xe4\xb8\ndata: \xff\xfe\ndata: \xe4\xb8\x96\n\n"

    assert parsed([stream]) == [ServerSentEvent("message", "\ufffd\n\ufffd\ufffd\n世")]


@pytest.mark.parametrize("tail", ["data: cut", "data: cut\n", "data: cut\r\nevent: x\r\n", "data"])
def test_an_event_that_no_blank_line_ends_was_never_sent(tail):
    assert parsed([b"data: whole\n\n" + tail.encode()]) == [ServerSentEvent("message", "whole")]


def test_one_byte_pieces_of_a_huge_line_are_each_looked_at_once():
    # If the unfinished line were copied or searched again for every byte, this would take minutes and not a second.
    parser = EventStreamParser()
    for _ in range(1_000_000):
        assert parser.feed(b"x") == []
    assert parser.feed(b"\ndata: y\n\n") == [ServerSentEvent("message", "y")]


def test_a_huge_line_in_one_piece():
    stream = b"data: " + b"x" * (16 * 2**20) + b"\n\n"

    (event,) = parsed([stream])

    assert len(event.data) == 16 * 2**20
