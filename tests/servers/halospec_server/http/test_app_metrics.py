"""``GET /metrics`` agrees with what was asked and answered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gated_server import all_started, gated_server, in_flight, leave_without_a_reply, let_through_until
from halospec_server.http.app import ServerSettings
from tiny_engines import Pair, open_engine
from tiny_server import COMPLETIONS, chat, eventually, serving

Samples = dict[tuple[str, str], float]


def scrape(client: httpx.Client) -> Samples:
    """Return every sample by its name and its labels but the model's, as ``key=value``."""
    response = client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=")
    samples: Samples = {}
    for family in text_string_to_metric_families(response.text):
        for sample in family.samples:
            labels = ",".join(f"{k}={v}" for k, v in sample.labels.items() if k != "model_name")
            assert (sample.name, labels) not in samples
            samples[sample.name, labels] = sample.value
    return samples


@pytest.fixture
def fresh(tiny_pair: Pair) -> Iterator[httpx.Client]:
    with serving(open_engine(tiny_pair, parallel=2)) as server, server.client() as client:
        yield client


def ask(client: httpx.Client, **fields: Any) -> dict[str, Any]:
    reply: dict[str, Any] = client.post(COMPLETIONS, json=chat(**fields)).json()
    return reply


def test_before_the_first_request_everything_is_there_and_zero(fresh: httpx.Client) -> None:
    samples = scrape(fresh)
    assert samples["llamacpp:tokens_predicted_total", ""] == 0, "warming up is nobody's request"
    assert samples["vllm:request_success_total", "finished_reason=stop"] == 0
    assert samples["vllm:time_to_first_token_seconds_count", ""] == 0
    assert samples["llamacpp:n_decode_total", ""] == 0


def test_totals_are_those_of_the_replies(fresh: httpx.Client) -> None:
    replies = [ask(fresh, draft_length=k, max_tokens=20) for k in (0, 2, 5)] + [ask(fresh, content="so", n=2)]
    samples = scrape(fresh)

    def total(account: str) -> float:
        return float(sum(reply["timings"][account] for reply in replies))

    rounds = [r for reply in replies for r in reply["speculation"]["rounds"]]
    expected = {
        "llamacpp:prompt_tokens_total": total("prompt_n"),
        "llamacpp:prompt_tokens_cached_total": total("cache_n"),
        "llamacpp:tokens_predicted_total": total("predicted_n"),
        "llamacpp:spec_decode_num_drafts_total": sum(r["k"] > 0 for r in rounds),
        "llamacpp:spec_decode_num_draft_tokens_total": total("draft_n"),
        "llamacpp:spec_decode_num_accepted_tokens_total": total("draft_n_accepted"),
        "llamacpp:requests_processing": 0,
        "llamacpp:requests_deferred": 0,
        "vllm:prompt_tokens_total": total("prompt_n") + total("cache_n"),
        "vllm:prefix_cache_queries_total": total("prompt_n") + total("cache_n"),
        "vllm:prefix_cache_hits_total": total("cache_n"),
        "vllm:generation_tokens_total": total("predicted_n"),
        "vllm:spec_decode_num_drafts_total": sum(r["k"] > 0 for r in rounds),
        "vllm:spec_decode_num_draft_tokens_total": total("draft_n"),
        "vllm:spec_decode_num_accepted_tokens_total": total("draft_n_accepted"),
        "vllm:time_to_first_token_seconds_count": 5,
        "vllm:request_time_per_output_token_seconds_count": 5,
        "vllm:e2e_request_latency_seconds_count": 5,
    }
    assert {name: samples[name, ""] for name in expected} == expected
    assert samples["vllm:request_success_total", "finished_reason=length"] == 5
    seconds = samples["llamacpp:tokens_predicted_seconds_total", ""]
    assert seconds == pytest.approx(total("predicted_ms") / 1e3, abs=1e-4)
    assert samples["llamacpp:prompt_seconds_total", ""] == pytest.approx(total("prompt_ms") / 1e3, abs=1e-4)


def test_acceptance_can_be_told_by_position(fresh: httpx.Client) -> None:
    rounds = [r for k in (1, 4, 8) for r in ask(fresh, draft_length=k)["speculation"]["rounds"]]
    samples = scrape(fresh)
    for place in range(16):
        accepted = sum(r["accepted"] > place for r in rounds)
        for prefix in ("llamacpp", "vllm"):
            name = f"{prefix}:spec_decode_num_accepted_tokens_per_pos_total"
            assert samples[name, f"position={place}"] == accepted
        drafted = samples["halospec:spec_decode_num_draft_tokens_per_pos_total", f"position={place}"]
        assert drafted == sum(r["k"] > place for r in rounds)
    assert samples["llamacpp:spec_decode_num_accepted_tokens_per_pos_total", "position=2"] > 0


def test_passes_that_requests_share_count_once(tiny_pair: Pair) -> None:
    with gated_server(tiny_pair, parallel=2) as (server, gate), in_flight(server, {}, {"content": "so"}) as replies:
        gate.open()
        rounds = [r for reply in replies for r in reply.result().json()["speculation"]["rounds"]]
        with server.client() as client:
            passes = scrape(client)["llamacpp:n_decode_total", ""]
        assert any(r["sequences"] == 2 for r in rounds)
        assert passes < len(rounds) + 2


def test_what_goes_on_now(tiny_pair: Pair) -> None:
    with (
        gated_server(tiny_pair, parallel=2) as (server, gate),
        in_flight(server, {"n": 3}) as (reply,),
        server.client() as client,
    ):
        let_through_until(gate, lambda: all_started(gate, 2))
        gate.let_through(2)
        eventually(lambda: scrape(client)["llamacpp:requests_processing", ""] == 2)
        samples = scrape(client)
        assert samples["llamacpp:requests_deferred", ""] == samples["vllm:num_requests_waiting", ""] == 1
        assert samples["vllm:num_requests_running", ""] == 2
        gate.open()
        assert reply.result().status_code == 200
        assert scrape(client)["vllm:num_requests_running", ""] == 0


def test_the_caches_are_gauged(fresh: httpx.Client) -> None:
    ask(fresh, max_tokens=5)
    samples, slots = scrape(fresh), fresh.get("/slots").json()
    assert samples["halospec:kv_tokens", "model=target"] == sum(slot["target_cells"] for slot in slots) > 0
    assert samples["halospec:kv_tokens", "model=draft"] == sum(slot["draft_cells"] for slot in slots) > 0


def test_requests_that_are_sent_away_or_leave_are_counted(tiny_pair: Pair) -> None:
    settings = ServerSettings(draft_length=2, max_queue=1)
    with (
        gated_server(tiny_pair, settings) as (server, gate),
        in_flight(server, {}) as (first,),
        server.client() as client,
    ):
        eventually(lambda: gate.verified == [0])
        leave_without_a_reply(server, lambda: None)
        with in_flight(server, {"deadline_ms": 1}) as (late,):
            assert client.post(COMPLETIONS, json=chat()).status_code == 429
            gate.open()
            assert late.result().status_code == 504
        assert first.result().status_code == 200
        samples = scrape(client)
        assert samples["halospec:requests_refused_total", "reason=queue_full"] == 1
        assert samples["vllm:request_success_total", "finished_reason=abort"] == 1
        assert samples["halospec:requests_refused_total", "reason=deadline_exceeded"] == 1
