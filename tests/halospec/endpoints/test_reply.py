"""What is read from the parts of a reply: text, and counts from whichever server sends them."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from halospec.endpoints.dialect import Dialect
from halospec.endpoints.types import CountSource
from halospec.records.schema import Round

LEAVES_ZEROS_OUT = Dialect(zero_drafts_left_out=True)


async def test_of_a_server_that_says_no_more_the_rest_is_unknown(ask, hello):
    completion = await ask(hello)

    assert completion.drafted is None
    assert completion.accepted is None
    assert completion.rounds is None
    assert completion.cached_tokens is None
    assert completion.prompt_ms is None


async def test_the_bundled_servers_round_log_and_timings_are_read(ask, sse, delta):
    last = {
        "choices": [],
        "usage": {
            "prompt_tokens": 41,
            "completion_tokens": 6,
            "total_tokens": 47,
            "prompt_tokens_details": {"cached_tokens": 5},
        },
        "timings": {"cache_n": 4, "prompt_n": 36, "prompt_ms": 180.2, "predicted_n": 6, "predicted_ms": 54.9}
        | {"draft_n": 6, "draft_n_accepted": 3},
        "speculation": {
            "draft_length": 4,
            "drafter": "model",
            "draft_prompt_ms": 60.3,
            "rounds": [
                {"k": 4, "accepted": 3, "draft_us": 21034, "verify_us": 38211, "sample_us": 140},
                {"k": 2, "accepted": 0, "draft_us": 9000, "verify_us": 30000, "sample_us": 90},
            ],
        },
    }
    stream = sse(
        delta("", role="assistant"), delta("One"), delta(" two three four"), delta(finish="stop"), last, "[DONE]"
    )

    completion = await ask(stream)

    assert (completion.drafted, completion.accepted, completion.rounds) == (6, 3, 2)
    assert completion.round_log[0] == Round(k=4, accepted=3, draft_us=21034, verify_us=38211, sample_us=140)
    assert completion.cached_tokens == 5
    assert (completion.prompt_ms, completion.predicted_ms) == (180.2, 54.9)


async def test_without_draft_counts_the_rounds_are_summed(ask, sse, delta, usage):
    rounds = [{"k": 3, "accepted": 1}, {"k": 1, "accepted": 1}]
    stream = sse(delta("x", finish="stop"), usage | {"speculation": {"rounds": rounds}}, "[DONE]")

    completion = await ask(stream)

    assert (completion.drafted, completion.accepted, completion.rounds) == (4, 2, 2)
    assert completion.drafted_from is CountSource.SPECULATION


async def test_plain_decoding_reports_zero_drafted_not_unknown(ask, sse, delta, usage):
    zero = {"timings": {"predicted_n": 3, "draft_n": 0, "draft_n_accepted": 0}, "speculation": {"rounds": []}}

    completion = await ask(sse(delta("x", finish="stop"), usage | zero, "[DONE]"))

    assert (completion.drafted, completion.accepted, completion.rounds) == (0, 0, 0)


async def test_a_lemonade_stream_without_a_usage_chunk_counts_by_its_timings(ask, sse, delta):
    timings = {"cache_n": 32, "prompt_n": 1, "prompt_ms": 11.177, "predicted_n": 3, "predicted_ms": 21.736}
    stream = b": ping\n\n" + sse(
        {"choices": [{"finish_reason": None, "index": 0, "delta": {"role": "assistant", "content": None}}]},
        delta("Hello"),
        delta("!"),
        delta(" I"),
        delta(finish="length") | {"timings": timings},
        "[DONE]",
    )

    completion = await ask(stream)

    assert (completion.prompt_tokens, completion.completion_tokens, completion.cached_tokens) == (33, 3, 32)
    assert len(completion.event_ns) == 3


async def test_timings_without_draft_counts_mean_unknown_unless_the_server_is_one_that_leaves_zeros_out(
    ask, sse, delta, usage
):
    stream = sse(delta("x", finish="length"), usage | {"timings": {"predicted_n": 3, "predicted_ms": 20.0}}, "[DONE]")

    unknown, llama_server = await ask(stream), await ask(stream, dialect=LEAVES_ZEROS_OUT)

    assert (unknown.drafted, unknown.accepted, unknown.drafted_from) == (None, None, None)
    assert (llama_server.drafted, llama_server.accepted) == (0, 0)
    assert llama_server.drafted_from is CountSource.TIMINGS


@pytest.mark.parametrize(
    "last", [{"draft_n": "many"}, {"draft_n": None}, {"draft_n_accepted": 1}, {"predicted_n": None}]
)
async def test_a_draft_count_that_makes_no_sense_is_no_zero_left_out(ask, sse, delta, usage, last):
    stream = sse(delta("x", finish="length"), usage | {"timings": {"predicted_n": 3} | last}, "[DONE]")

    completion = await ask(stream, dialect=LEAVES_ZEROS_OUT)

    assert (completion.drafted, completion.accepted, completion.drafted_from) == (None, None, None)


async def test_without_timings_no_zero_is_left_out(ask, hello):
    assert (await ask(hello, dialect=LEAVES_ZEROS_OUT)).drafted is None


async def test_of_running_totals_the_last_counts(ask, sse, delta):
    def part(n: int) -> dict:
        return delta(f" {n}") | {"timings": {"predicted_n": n, "draft_n": 8 * n, "draft_n_accepted": n}}

    completion = await ask(sse(part(1), part(2), part(3), delta(finish="length"), "[DONE]"))

    assert (completion.completion_tokens, completion.drafted, completion.accepted) == (3, 24, 3)
    assert (completion.tokens_from, completion.drafted_from) == (CountSource.TIMINGS, CountSource.TIMINGS)


async def test_a_stream_that_counts_nothing_is_counted_by_its_content_events(ask, sse, delta):
    stream = sse(
        delta("", role="assistant"), delta("Hel"), delta("lo"), delta(reasoning="?"), delta(finish="stop"), "[DONE]"
    )

    completion = await ask(stream)

    assert (completion.completion_tokens, completion.tokens_from) == (3, CountSource.EVENTS)


@pytest.mark.parametrize(
    ("last", "tokens_from"),
    [
        ({"usage": {"completion_tokens": 7}, "timings": {"predicted_n": 8}}, CountSource.USAGE),
        ({"usage": {"completion_tokens": 0}, "timings": {"predicted_n": 7}}, CountSource.TIMINGS),
        ({"usage": {"prompt_tokens": 3}, "timings": {"predicted_n": 7}}, CountSource.TIMINGS),
    ],
)
async def test_tokens_are_counted_by_usage_then_by_timings(ask, sse, delta, last, tokens_from):
    completion = await ask(sse(delta("x", finish="stop"), {"choices": []} | last, "[DONE]"))

    assert (completion.completion_tokens, completion.tokens_from) == (7, tokens_from)


TIMINGS = {"timings": {"predicted_n": 3, "draft_n": 10, "draft_n_accepted": 6}}
ROUNDS = {"speculation": {"rounds": [{"k": 9, "accepted": 5}]}}
VLLM = {"metrics": {"speculative_decoding": {"num_draft_tokens": 8, "num_accepted_draft_tokens": 4}}}
LM_STUDIO = {
    "stats": {"total_draft_tokens_count": 7, "accepted_draft_tokens_count": 3, "rejected_draft_tokens_count": 4}
}
PREDICTIONS = {"accepted_prediction_tokens": 2, "rejected_prediction_tokens": 4}


@pytest.mark.parametrize(
    ("last", "drafted", "accepted", "source"),
    [
        (TIMINGS | ROUNDS | VLLM | LM_STUDIO, 10, 6, CountSource.TIMINGS),
        (ROUNDS | VLLM | LM_STUDIO, 9, 5, CountSource.SPECULATION),
        (VLLM | LM_STUDIO, 8, 4, CountSource.SPECULATION),
        (LM_STUDIO, 7, 3, CountSource.SPECULATION),
        ({}, 6, 2, CountSource.USAGE),
        ({"metrics": {"speculative_decoding": None}, "stats": {}}, 6, 2, CountSource.USAGE),
        ({"metrics": {"time_to_first_token_ms": 85.2}, "stats": {"tokens_per_second": 57.1}}, 6, 2, CountSource.USAGE),
    ],
    ids=["timings", "the bundled server", "vLLM", "LM Studio", "usage", "empty objects", "other contents"],
)
async def test_drafts_are_counted_by_the_first_that_counts_them(
    ask, sse, delta, usage, last, drafted, accepted, source
):
    counted = usage | {"usage": usage["usage"] | {"completion_tokens_details": PREDICTIONS}} | last

    completion = await ask(sse(delta("x", finish="stop"), counted, "[DONE]"))

    assert (completion.drafted, completion.accepted, completion.drafted_from) == (drafted, accepted, source)


@pytest.mark.parametrize(
    "details",
    [
        {"accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0, "reasoning_tokens": 5},
        {"accepted_prediction_tokens": 2},
        {"rejected_prediction_tokens": 2},
        {},
        None,
    ],
)
async def test_openais_own_fields_filled_with_zeros_or_by_half_say_nothing_of_drafts(ask, sse, delta, usage, details):
    counted = usage | {"usage": usage["usage"] | {"completion_tokens_details": details}}

    completion = await ask(sse(delta("x", finish="stop"), counted, "[DONE]"))

    assert (completion.drafted, completion.accepted, completion.drafted_from) == (None, None, None)


async def test_an_account_that_contradicts_itself_leaves_the_word_to_the_next(ask, sse, delta, usage, caplog):
    odd = {"timings": {"draft_n": 2, "draft_n_accepted": 3}}

    completion = await ask(sse(delta("x", finish="stop"), usage | odd | ROUNDS, "[DONE]"))

    assert (completion.drafted, completion.accepted, completion.drafted_from) == (9, 5, CountSource.SPECULATION)
    assert ["draft_n_accepted" in message for message in caplog.messages] == [True]


def running(delta, counts: list[tuple[int, int, int]]) -> list[dict]:
    """Write content events with llama-server's running counts, which leave the drafts out while there are none."""
    return [
        delta(f" {n}") | {"timings": {"predicted_n": n} | ({"draft_n": d, "draft_n_accepted": a} if d else {})}
        for n, d, a in counts
    ]


# As llama-server b11434 sent them with --spec-draft-n-max 8 and a limit of 48 tokens.
RECORDED = [
    (1, 0, 0),
    *((n, 8, 8) for n in range(2, 11)),
    *((n, 16, 16) for n in range(11, 20)),
    *((n, 24, 24) for n in range(20, 29)),
    *((n, 32, 32) for n in range(29, 38)),
    *((n, 40, 40) for n in range(38, 47)),
    *((n, 41, 41) for n in range(47, 49)),
]


async def test_running_counts_give_the_rounds(ask, sse, delta):
    events = running(delta, RECORDED)
    total = {"choices": [], "usage": {"completion_tokens": 48}, "timings": events[-1]["timings"]}

    completion = await ask(sse(delta(role="assistant"), *events, delta(finish="length"), total, "[DONE]"))

    assert completion.round_log == (*[Round(k=8, accepted=8)] * 5, Round(k=1, accepted=1))
    assert completion.rounds == 6
    assert sum(r.accepted + 1 for r in completion.round_log) == completion.completion_tokens - 1
    assert (completion.drafted, completion.accepted, completion.drafted_from) == (41, 41, CountSource.TIMINGS)


async def test_running_counts_without_drafts_are_plain_rounds_where_zeros_are_left_out(ask, sse, delta):
    stream = sse(*running(delta, [(1, 0, 0), (2, 0, 0), (3, 0, 0)]), delta(finish="length"), "[DONE]")

    unknown, llama_server = await ask(stream), await ask(stream, dialect=LEAVES_ZEROS_OUT)

    assert (unknown.rounds, unknown.round_log) == (None, ())
    assert (llama_server.rounds, llama_server.round_log) == (2, (Round(k=0, accepted=0),) * 2)


@pytest.mark.parametrize(
    "last",
    [
        {"usage": {"completion_tokens": 9}},
        {"timings": {"predicted_n": 4, "draft_n": 9, "draft_n_accepted": 2}},
        {"timings": {"predicted_n": 4, "draft_n": 4, "draft_n_accepted": 1}},
        {"timings": {"predicted_n": 4, "draft_n": 4}},
        {"timings": {"draft_n": 4, "draft_n_accepted": 2}},
        {"timings": {"predicted_n": "4", "draft_n": 4, "draft_n_accepted": -2}},
    ],
    ids=["other tokens", "more drafted", "fewer accepted", "no accepted", "no tokens", "nonsense"],
)
async def test_running_counts_that_do_not_add_up_to_the_totals_give_no_rounds(ask, sse, delta, last):
    events = running(delta, [(1, 0, 0), (2, 4, 2), (3, 4, 2), (4, 4, 2)])
    good = {"choices": [], "usage": {"completion_tokens": 4}, "timings": events[-1]["timings"]}
    whole = await ask(sse(*events, delta(finish="length"), good, "[DONE]"))

    completion = await ask(sse(*events, delta(finish="length"), good | last, "[DONE]"))

    assert whole.round_log == (Round(k=4, accepted=2),)
    assert (completion.rounds, completion.round_log) == (None, ())


async def test_totals_alone_are_no_running_counts(ask, sse, delta, usage):
    timings = {"predicted_n": 3, "draft_n": 4, "draft_n_accepted": 1}

    at_the_end = await ask(sse(delta("a"), delta("b"), delta(finish="stop"), usage | {"timings": timings}, "[DONE]"))
    on_the_only_event = await ask(sse(delta("ab", finish="stop") | {"timings": timings}, usage, "[DONE]"))

    for completion in (at_the_end, on_the_only_event):
        assert (completion.drafted, completion.rounds, completion.round_log) == (4, None, ())


async def test_a_servers_own_round_log_goes_before_running_counts(ask, sse, delta, usage):
    events = running(delta, [(1, 0, 0), (2, 4, 1), (3, 4, 1)])
    own = {"speculation": {"rounds": [{"k": 4, "accepted": 1, "verify_us": 7.0}]}}

    completion = await ask(sse(*events, delta(finish="length"), usage | own, "[DONE]"))

    assert completion.round_log == (Round(k=4, accepted=1, verify_us=7.0),)


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
async def test_reasoning_is_text_and_its_first_event_the_first_token(ask, sse, delta, usage, name):
    stream = sse(delta(**{name: "Hmm. "}), delta("Yes."), delta(finish="stop"), usage, "[DONE]")

    completion = await ask(stream)

    assert completion.text == "Hmm. Yes."
    assert len(completion.event_ns) == 2


async def test_reasoning_sent_under_both_names_is_read_once(ask, sse, delta, usage):
    stream = sse(delta(reasoning="Hm", reasoning_content="Hm"), delta(finish="stop"), usage, "[DONE]")

    assert (await ask(stream)).text == "Hm"


@pytest.mark.parametrize("stream", [True, False])
async def test_a_whole_json_reply_is_read_without_events_whether_a_stream_was_asked_for_or_not(ask, say_hello, stream):
    reply = {
        "choices": [
            {"index": 0, "finish_reason": "length", "message": {"role": "assistant", "content": "I'm glad you're"}}
        ],
        "usage": {"completion_tokens": 8, "prompt_tokens": 32, "prompt_tokens_details": {"cached_tokens": 0}},
        "timings": {"cache_n": 0, "prompt_n": 32, "predicted_n": 8, "draft_n": 5, "draft_n_accepted": 5},
    }

    completion = await ask(httpx.Response(200, json=reply), request=replace(say_hello, stream=stream))

    assert completion.text == "I'm glad you're"
    assert completion.event_ns == ()
    assert completion.first_token_ns is None
    assert completion.ended_ns is None
    assert (completion.drafted, completion.accepted, completion.cached_tokens) == (5, 5, 0)


@pytest.mark.parametrize(
    ("odd", "name"),
    [
        ({"timings": "none"}, "timings"),
        ({"timings": {"predicted_n": 3, "prompt_ms": -1}}, "prompt_ms"),
        ({"timings": {"prompt_ms": "soon"}}, "prompt_ms"),
        ({"timings": {"draft_n": True}}, "draft_n"),
        ({"speculation": []}, "speculation"),
        ({"speculation": {"rounds": [{"k": 1, "accepted": 2}]}}, "rounds"),
        ({"speculation": {"rounds": [{"k": 1, "accepted": 1, "draft_us": 1e999}]}}, "rounds"),
        ({"timings": {"draft_n": 2, "draft_n_accepted": 3}}, "draft_n_accepted"),
        ({"metrics": 1}, "metrics"),
        ({"metrics": {"speculative_decoding": {"num_draft_tokens": -1}}}, "num_draft_tokens"),
        (
            {"metrics": {"speculative_decoding": {"num_draft_tokens": 1, "num_accepted_draft_tokens": 2}}},
            "num_accepted_draft_tokens",
        ),
        ({"stats": []}, "stats"),
        ({"stats": {"total_draft_tokens_count": 1, "accepted_draft_tokens_count": 2}}, "accepted_draft_tokens_count"),
    ],
)
async def test_a_malformed_detail_costs_itself_and_a_warning_not_the_reply(ask, sse, delta, usage, caplog, odd, name):
    completion = await ask(sse(delta("x", finish="stop"), usage | odd, "[DONE]"))

    assert completion.completion_tokens == 3
    assert completion.prompt_ms is None
    assert completion.drafted is None
    assert completion.round_log == ()
    assert [name in message for message in caplog.messages] == [True]


async def test_what_is_valid_beside_a_malformed_detail_is_kept(ask, sse, delta, usage):
    odd = {"timings": {"prompt_ms": None, "predicted_ms": {}, "draft_n": 7, "draft_n_accepted": 2.0, "cache_n": 1}}

    completion = await ask(sse(delta("x", finish="stop"), usage | odd, "[DONE]"))

    assert (completion.drafted, completion.accepted, completion.cached_tokens) == (7, 2, 1)
    assert completion.predicted_ms is None


DECISION = {
    "choice": 0, "round": 3, "chosen": {"draft_length": 4, "threads": 1, "draft_threads": None}, "reason": "moved",
    "candidates": [{"draft_length": 4, "threads": 1, "draft_threads": None, "tokens_per_round": 2.0, "round_ms": 50.0}],
    "acceptance": [0.9, 0.8], "alarms": ["costs rose"],
}  # fmt: skip


async def test_the_bundled_servers_reasons_and_threads_are_read(ask, sse, delta):
    rounds = [{"k": 4, "accepted": 3, "limit": 4, "catch_up_us": 1.5, "threads": 2, "draft_threads": 1, "width": 5}]
    last = {
        "choices": [],
        "usage": {"completion_tokens": 5},
        "speculation": {"rounds": rounds, "decisions": [DECISION]},
    }
    completion = await ask(sse(delta("One"), delta(finish="stop"), last, "[DONE]"))
    (done,), (decision,) = completion.round_log, completion.decisions
    assert (done.limit, done.catch_up_us, done.threads, done.draft_threads, done.sequences) == (4, 1.5, 2, 1, None)
    assert (decision.round, decision.chosen.draft_length, decision.chosen.threads) == (3, 4, 1)
    assert [one.ms_per_token for one in decision.candidates] == [25.0]


@pytest.mark.parametrize(
    "odd",
    [
        {"chosen": {"draft_length": -1}},
        {"candidates": [{"draft_length": 1, "tokens_per_round": 0, "round_ms": 1}]},
        {"candidates": [{"draft_length": 1, "tokens_per_round": 1e-300, "round_ms": 1e300}]},
        {"reason": "x" * 10_000},
        {"alarms": ["x"] * 1000},
        {"acceptance": [1.5]},
    ],
)
async def test_reasons_that_make_no_sense_cost_neither_the_reply_nor_its_rounds(ask, sse, delta, odd):
    said = {"rounds": [{"k": 1, "accepted": 1}], "decisions": [DECISION | odd]}
    last = {"choices": [], "usage": {"completion_tokens": 2}, "speculation": said}
    completion = await ask(sse(delta("One"), delta(finish="stop"), last, "[DONE]"))
    assert (completion.decisions, completion.rounds) == ((), 1)
