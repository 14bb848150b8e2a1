from __future__ import annotations

from halospec_server.decoding.generation import Generation
from halospec_server.jobs.completion import Completion
from halospec_server.jobs.retry_after import soonest_end_s
from tiny_engines import GREEDY

SECOND = 1_000_000_000
NOW = 100 * SECOND


def text(tokens: int, max_tokens: int, pace_s: float, *, ended: bool = False) -> Completion:
    """A text that got its first token so long ago that it has shown this pace."""
    completion = Completion(Generation((1,), max_tokens, GREEDY), (), lambda _token: b"")
    completion.tokens = tokens
    completion.first_token_ns = NOW - round((tokens - 1) * pace_s * SECOND) if tokens else None
    completion.ended = ended
    return completion


def test_it_is_the_time_the_first_of_them_needs_at_its_own_pace() -> None:
    assert soonest_end_s([text(11, 111, 0.1), text(11, 61, 0.1), text(2, 500, 0.01)], NOW) == 5


def test_it_is_a_second_at_least_and_a_minute_at_most() -> None:
    assert soonest_end_s([text(10, 11, 0.001)], NOW) == 1
    assert soonest_end_s([text(10, 100_000, 1.0)], NOW) == 60


def test_texts_that_have_shown_no_pace_say_nothing() -> None:
    assert soonest_end_s([], NOW) == 1
    assert soonest_end_s([text(0, 100, 1.0), text(1, 100, 1.0)], NOW) == 1
    assert soonest_end_s([text(0, 100, 1.0), text(10, 30, 1.0)], NOW) == 20


def test_nor_do_those_that_have_ended() -> None:
    assert soonest_end_s([text(10, 10, 1.0, ended=True), text(10, 25, 1.0)], NOW) == 15


def test_parts_of_a_second_are_rounded_up() -> None:
    assert soonest_end_s([text(11, 12, 1.5)], NOW) == 2
