"""What a server is like apart from its draft length, told from a few replies."""

from __future__ import annotations

import pytest

from halospec.endpoints.dialect import Dialect
from halospec.endpoints.types import CountSource
from halospec.probe.observer import Unobserved
from halospec.probe.reply_traits import arrivals, clocks, losslessness, repeating, streaming
from halospec.probe.sender import Asked, Sender
from halospec.probe.server_traits import REQUESTS, ask_for_traits, merged, prompt_cache, two_at_once
from halospec.probe.settings import ProbeSettings
from halospec.records.probe import Traits
from pretended_server import PretendedServer
from written_replies import reply_of

EVEN = [100 + 10.0 * n for n in range(32)]
BURSTY = [100 + 40.0 * n + 0.1 * m for n in range(8) for m in range(4)]


def asked(event_ms=EVEN, *, sent_ms=0.0, **fields):
    reply = reply_of(event_ms, **fields)
    return Asked(round(sent_ms * 1e6), reply.ended_ns or 10**9, reply)


def failed(error="Timed out."):
    return Asked(0, 10**9, error=error)


def test_a_stream_that_counts_its_tokens():
    found = streaming(asked(), asked([]))

    assert (found.streams, found.usage_in_stream, found.timings_in_stream) == (True, True, False)
    assert (found.events_per_reply, found.tokens_per_reply, found.tokens_per_event) == (32, 32, 1.0)
    assert found.notes == ()


def test_a_count_below_the_number_of_events_is_called_into_question():
    found = streaming(asked(tokens=3), asked([], tokens=3))

    assert found.notes == (
        "It counts 3 tokens in a reply that came in 32 events with text: either the count is too low or an event is"
        " less than a token, and times per token are off by as much.",
    )


@pytest.mark.parametrize("event_ms", [[100.0], [100.0, 100.1]])
def test_a_reply_of_a_token_or_two_is_no_stream_that_is_held_back(event_ms):
    [note] = streaming(asked(event_ms), asked([])).notes

    assert note == "The reply ended after a token or two, so how tokens arrive cannot be seen."


def test_several_tokens_an_event():
    assert streaming(asked([100, 150, 200, 250], tokens=32), asked([])).tokens_per_event == 8


def test_a_stream_that_counts_nothing_is_counted_by_the_same_reply_unstreamed():
    uncounted = asked(tokens_from=CountSource.EVENTS)

    same = streaming(uncounted, asked([], tokens=32))
    assert same.usage_in_stream is False
    assert same.notes == (
        "Its streams hold no count of tokens, but the same reply has one token an event, so events are counted.",
    )
    more = streaming(uncounted, asked([], tokens=96))
    assert more.tokens_per_event == 3
    assert more.notes[0].startswith("Tokens cannot be counted from its streams")
    another_text = streaming(uncounted, asked([], tokens=96, text="another"))
    assert another_text.tokens_per_reply is None
    assert "which may be wrong" in another_text.notes[0]


def test_no_stream_at_all_and_one_that_is_held_back():
    assert streaming(asked([]), asked([])).streams is False
    held_back = streaming(asked([900 + 0.01 * n for n in range(32)]), asked([]))
    assert held_back.streams is True
    assert "something between server and client holds it back" in held_back.notes[0]


def test_a_trait_that_could_not_be_found_out_says_why():
    found = streaming(failed(), asked([]))

    assert found.streams is None
    assert found.notes == ("Could not find out whether it streams: Timed out.",)


def test_greedy_text_that_repeats_and_text_that_does_not():
    assert repeating([asked(), asked(), asked([])]).greedy_repeats is True
    assert repeating([asked(), asked(text="another")]).greedy_repeats is False
    assert repeating([asked(), failed()]).greedy_repeats is None


def told(cached, ttft_ms=100.0):
    return asked([ttft_ms + 10 * n for n in range(4)], cached_tokens=cached, prompt_tokens=200)


def timed(ttft_ms):
    return asked([ttft_ms + 10 * n for n in range(4)])


@pytest.mark.parametrize(
    ("fresh", "again", "kept_out", "caches", "obeys"),
    [
        (told(0), told(190), told(0), True, True),
        (told(0), told(190), told(190), True, False),
        (told(24), told(24), told(24), False, None),
        (timed(400), timed(60), timed(390), True, True),
        (timed(400), timed(60), timed(60), True, False),
        (timed(400), timed(380), timed(390), False, None),
    ],
)
def test_a_prompt_that_is_not_read_again_was_cached(fresh, again, kept_out, caches, obeys):
    found = prompt_cache(fresh, again, kept_out, can_keep_out=True)

    assert (found.caches_prompts, found.obeys_cache_prompt) == (caches, obeys)


def test_a_cache_that_cannot_be_kept_out_is_remarked():
    found = prompt_cache(told(0), told(190), told(190), can_keep_out=False)

    assert (found.caches_prompts, found.obeys_cache_prompt) == (True, None)
    assert "no way to prevent that is known" in found.notes[0]


def test_two_requests_whose_tokens_come_in_the_same_time_are_answered_together():
    slower = [100 + 18.0 * n for n in range(32)]
    found = two_at_once([asked()], [asked(slower), asked(slower)])

    assert found.two_at_once == "together"
    assert found.slowdown_at_two == pytest.approx(1.8)


def test_a_second_request_that_waits_for_the_first():
    found = two_at_once([asked()], [asked(), asked([600 + 10.0 * n for n in range(32)])])

    assert found.two_at_once == "one_after_the_other"
    assert found.slowdown_at_two == pytest.approx(1.0)


def test_a_server_that_drops_one_of_two_requests():
    found = two_at_once([asked()], [asked(), failed("The reply has 0 tokens.")])

    assert found.two_at_once is None
    assert found.notes == ("Of two requests sent at the same moment, one came to nothing: The reply has 0 tokens.",)


def test_the_servers_clock_against_ours(make_canary):
    canaries = [make_canary(predicted_ms=310.0, prompt_ms=40.0), make_canary(predicted_ms=310.0, prompt_ms=40.0)]

    found = clocks([*canaries, make_canary(failed="Timed out."), make_canary()])

    assert found.own_decode_over_ours == pytest.approx(1.0)
    assert found.own_prompt_over_ours == pytest.approx(0.8)
    assert clocks([make_canary()]) == Traits()


def test_bursts_are_described_and_what_they_do_to_itl_is_said(make_canary):
    found = arrivals([make_canary(event_ms=BURSTY)])

    assert found.tokens_per_burst == 4
    assert found.within_burst_ms == pytest.approx(0.1)
    assert found.between_bursts_ms == pytest.approx(39.7)
    assert "percentiles of the time between tokens (ITL) mislead here" in found.notes[0]


def test_tokens_that_come_one_by_one_need_no_remark(make_canary):
    found = arrivals([make_canary(event_ms=EVEN)])

    assert (found.tokens_per_burst, found.within_burst_ms, found.notes) == (1.0, None, ())


def test_losslessness_counts_pairs_of_equal_texts(make_canary):
    canaries = [make_canary(k, block, text="same") for k in (0, 8) for block in (1, 2, 3)]
    assert losslessness(canaries, 0, 8).notes == ("Greedy texts at k = 0 and k = 8 were the same in 3 of 3 pairs.",)

    canaries[0] = make_canary(0, 1, text="another")
    assert "in 2 of 3 pairs. A near-tie in the logits" in losslessness(canaries, 0, 8).notes[0]
    assert losslessness([make_canary(0, 1)], 0, 8) == Traits()


def test_parts_are_put_together_and_no_part_takes_back_what_another_found():
    whole = merged([Traits(streams=True, notes=("a",)), Traits(), Traits(greedy_repeats=False, notes=("b",))])

    assert (whole.streams, whole.greedy_repeats, whole.notes) == (True, False, ("a", "b"))


def sender_to(server: PretendedServer, dialect: Dialect) -> Sender:
    facts = server.facts(dialect)
    return Sender(server, facts, server.api(), server.clock, ProbeSettings(), Unobserved())


async def traits_of(server: PretendedServer, dialect: Dialect) -> Traits:
    return await ask_for_traits(sender_to(server, dialect), dialect, ProbeSettings())


async def test_eight_requests_tell_all_there_is_to_know():
    server = PretendedServer(caches=True)
    found = await traits_of(server, Dialect(cache_prompt=True))

    assert len(server.asked) == REQUESTS
    assert (found.streams, found.greedy_repeats, found.caches_prompts, found.obeys_cache_prompt) == (True,) * 4
    assert found.two_at_once == "together"
    assert sum(not request.stream for request, _ in server.asked) == 1
    assert not any(change.fields for _, change in server.asked)


async def test_a_queue_is_seen_as_one():
    assert (await traits_of(PretendedServer(at_once=False), Dialect())).two_at_once == "one_after_the_other"


async def test_a_server_that_fails_now_and_then_is_still_described():
    found = await traits_of(PretendedServer(fails_at=frozenset({1, 5})), Dialect())

    assert found.streams is None
    assert found.two_at_once == "together"
    assert [note for note in found.notes if note.startswith("Could not find out whether it streams")]


async def test_a_server_that_answers_nothing_more_leaves_notes_and_no_error():
    found = await traits_of(PretendedServer(dies_after=0), Dialect())

    assert found == Traits(notes=found.notes)
    assert len(found.notes) == 4
