"""How long requests take, from a probe or from an earlier run."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from halospec.analysis.loading import requests_of
from halospec.experiment.timings import TimeAtLength, Timings, probed_timings, recorded_timings, switch_ms_of
from halospec.records.probe import Basis, KnobReport, LengthEvidence, ProbedServer, ProbeReport, Verdict
from halospec.records.schema import Phase


def knob(*by_length: LengthEvidence, per_request: bool = True, switch_ms: float | None = None) -> KnobReport:
    return KnobReport(
        knob="draft_length", kind="request_field", per_request=per_request, verdict=Verdict.OBEYED, basis=Basis.COUNTS,
        reason="Drafts follow k.", by_length=by_length, switch_ms=switch_ms,
    )  # fmt: skip


def at(draft_length: int, tpot_ms: float | None, *, canaries: int = 3, failures: int = 0) -> LengthEvidence:
    tokens = 32 * (canaries - failures)
    return LengthEvidence(
        draft_length=draft_length, canaries=canaries, failures=failures, completion_tokens=tokens, tpot_ms=tpot_ms
    )


def probe(*knobs: KnobReport, seconds: float = 6.0, canaries: int = 10) -> ProbeReport:
    return ProbeReport(
        halospec="0.1.0",
        probed_at=datetime(2026, 11, 22, tzinfo=UTC),
        seconds=seconds,
        canaries=canaries,
        server=ProbedServer(base_url="http://s", model="m", kind="bundled", title="s", recognised_by="it"),
        knobs=knobs,
        advice="",
    )


def test_a_time_between_two_known_lengths_lies_on_a_line_and_beyond_them_is_the_nearest_one():
    timings = Timings((TimeAtLength(0, 20.0), TimeAtLength(4, 12.0), TimeAtLength(8, 16.0)))
    assert [timings.tpot_ms(k) for k in (0, 1, 2, 4, 6, 8, 16)] == [20.0, 18.0, 16.0, 12.0, 14.0, 16.0, 16.0]


def test_a_probe_tells_times_at_its_lengths_and_what_is_left_for_the_first_token():
    probed = knob(at(8, 10.0), at(0, 20.0), at(1, 15.0))
    timings = probed_timings(probe(probed), probed)
    assert timings is not None
    assert [one.draft_length for one in timings.by_length] == [0, 1, 8]
    # 93 decoded tokens at each of three lengths take 4185 of 6000 ms.
    assert timings.ttft_ms == pytest.approx((6000 - 93 * 45) / 10)
    assert timings.switch_ms == 0.0
    assert (timings.reply_tokens, timings.load_slowdown) == (None, None)


def test_nothing_is_said_of_the_first_token_where_the_probe_also_waited_for_the_server_to_start_or_saw_no_stream():
    restarted = knob(at(0, 20.0), at(8, 10.0), per_request=False, switch_ms=2500.0)
    timings = probed_timings(probe(restarted), restarted)
    assert timings is not None
    assert (timings.ttft_ms, timings.switch_ms) == (None, 2500.0)

    half_seen = knob(at(0, 20.0), at(8, None))
    timings = probed_timings(probe(half_seen), half_seen)
    assert timings is not None
    assert timings.ttft_ms is None
    assert probed_timings(probe(half_seen), knob(at(0, None))) is None


def test_lengths_at_which_everything_failed_say_nothing_and_hide_nothing():
    probed = knob(at(0, 20.0), at(8, None, failures=3))
    timings = probed_timings(probe(probed), probed)
    assert timings is not None
    assert timings.by_length == (TimeAtLength(0, 20.0),)
    assert timings.ttft_ms == pytest.approx((6000 - 93 * 20) / 10)


def test_how_long_a_switch_takes_is_known_only_where_a_probe_saw_one():
    assert switch_ms_of(None) is None
    assert switch_ms_of(knob(per_request=False)) is None
    assert switch_ms_of(knob()) == 0.0


@pytest.fixture
def reply(make_record):
    def make(k: int, phase: Phase = Phase.STEADY, *, tokens: int = 11, ttft_ms: float = 50.0, tpot_ms: float = 10.0):
        took_ms = ttft_ms + tpot_ms * (tokens - 1)
        return make_record(
            mode=f"fixed_{k}", draft_length=k, phase=phase, completion_tokens=tokens, ttft_ms=ttft_ms,
            latency_ms=took_ms, first_token_ns=int(ttft_ms * 1e6), ended_ns=int(took_ms * 1e6),
        )  # fmt: skip

    return make


def test_a_run_tells_times_from_its_quiet_requests_and_how_much_slower_loaded_ones_are(reply, make_record):
    failed = make_record(success=False, error="gone", latency_ms=60_000.0, completion_tokens=None)
    records = [
        reply(0, Phase.WARMUP),
        reply(0, tpot_ms=20.0),
        reply(0, Phase.LOAD, ttft_ms=100.0, tpot_ms=40.0),
        reply(4, tokens=21, tpot_ms=5.0),
        failed,
    ]
    timings = recorded_timings(requests_of(records), switch_ms=0.0)
    assert timings is not None
    assert timings.by_length == (TimeAtLength(0, 15.0), TimeAtLength(4, 5.0))
    assert (timings.ttft_ms, timings.reply_tokens, timings.longest_reply) == (50.0, (11 + 11 + 11 + 21) / 4, 21)
    assert timings.load_slowdown == pytest.approx(500 / 250)
    assert timings.switch_ms == 0.0


def test_a_run_without_load_knows_nothing_of_it_and_one_without_streams_nothing_at_all(reply, make_record):
    quiet = recorded_timings(requests_of([reply(0)]), switch_ms=None)
    assert quiet is not None
    assert (quiet.load_slowdown, quiet.switch_ms) == (None, None)
    assert recorded_timings(requests_of([make_record()]), switch_ms=None) is None
    assert recorded_timings(requests_of([]), switch_ms=None) is None
