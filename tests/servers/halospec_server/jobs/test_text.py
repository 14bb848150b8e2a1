from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from halospec_server.jobs.text import TextAssembler

# Few letters, so that stops are often nearly there; some of two, three and four bytes.
alphabet = "abé→🙂"
texts = st.text(alphabet, max_size=30)
stop_lists = st.lists(st.text(alphabet, min_size=1, max_size=4), max_size=4)
cuts = st.lists(st.integers(0, 120), max_size=30)


def split(data: bytes, at: list[int]) -> list[bytes]:
    """Cut bytes anywhere, inside characters too."""
    places = sorted({0, len(data), *(place for place in at if place < len(data))})
    return [data[start:end] for start, end in pairwise(places)]


def cut_before_first_stop(text: str, stops: list[str]) -> str:
    """Read a text character by character until a stop is complete."""
    for end in range(len(text) + 1):
        complete = [stop for stop in stops if text[:end].endswith(stop)]
        if complete:
            return text[: end - max(map(len, complete))]
    return text


def assemble(pieces: list[bytes], stops: list[str]) -> tuple[list[str], TextAssembler]:
    assembler = TextAssembler(stops)
    return [*(assembler.push(piece) for piece in pieces), assembler.finish()], assembler


@settings(max_examples=400)
@given(texts, stop_lists, cuts)
def test_however_it_is_split_the_text_is_all_there_up_to_the_first_stop(
    text: str, stops: list[str], at: list[int]
) -> None:
    released, assembler = assemble(split(text.encode(), at), stops)
    assert "".join(released) == cut_before_first_stop(text, stops)
    assert assembler.stopped == any(stop in text for stop in stops)


@given(texts, stop_lists, cuts)
def test_nothing_of_a_stop_is_ever_released(text: str, stops: list[str], at: list[int]) -> None:
    expected = cut_before_first_stop(text, stops)
    assembler = TextAssembler(stops)
    so_far = ""
    for piece in split(text.encode(), at):
        so_far += assembler.push(piece)
        assert expected.startswith(so_far)


@given(st.binary(max_size=40), cuts)
def test_bytes_that_are_no_text_become_replacement_characters(data: bytes, at: list[int]) -> None:
    released, _ = assemble(split(data, at), [])
    assert "".join(released) == data.decode(errors="replace")


@given(texts)
def test_without_stops_every_whole_character_is_released_at_once(text: str) -> None:
    assembler = TextAssembler([])
    assert [assembler.push(character.encode()) for character in text] == list(text)


def test_half_a_character_waits_for_its_other_half() -> None:
    assembler = TextAssembler([])
    assert assembler.push("é".encode()[:1]) == ""
    assert assembler.push("é".encode()[1:] + b"a") == "éa"


def test_what_may_begin_a_stop_waits_until_it_turns_out_not_to() -> None:
    assembler = TextAssembler(["</s>"])
    assert assembler.push(b"a <") == "a "
    assert assembler.push(b"/s") == ""
    assert assembler.push(b"/") == "</s/"
    assert not assembler.stopped


def test_what_waits_at_the_end_is_released() -> None:
    released, _ = assemble([b"a <", b"/"], ["</s>"])
    assert released == ["a ", "", "</"]


def test_a_text_that_was_stopped_takes_nothing_more() -> None:
    assembler = TextAssembler(["b"])
    assert assembler.push(b"abc") == "a"
    assert assembler.stopped
    assert assembler.push(b"d") == ""
    assert assembler.finish() == ""


def test_an_empty_stop_stops_nothing() -> None:
    released, assembler = assemble([b"abc"], [""])
    assert "".join(released) == "abc"
    assert not assembler.stopped


def test_the_stop_that_is_complete_first_counts_even_inside_another() -> None:
    for pieces in ([b"xabc"], [b"x", b"a", b"b", b"c"]):
        released, _ = assemble(pieces, ["abc", "b"])
        assert "".join(released) == "xa"


@given(texts, stop_lists, cuts)
def test_what_was_read_and_what_was_released_is_counted(text: str, stops: list[str], at: list[int]) -> None:
    assembler = TextAssembler(stops)
    so_far = ""
    for piece in split(text.encode(), at):
        so_far += assembler.push(piece)
        assert assembler.released == len(so_far) <= assembler.read
    so_far += assembler.finish()
    assert assembler.released == len(so_far)
    if not assembler.stopped:
        assert assembler.read == assembler.released == len(text)
