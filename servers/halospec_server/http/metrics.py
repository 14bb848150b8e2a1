"""``GET /metrics``: what the decode thread counts and how long requests took, under llama-server's and vLLM's names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from halospec_server.decoding.generation import MAX_DRAFT_LENGTH
from halospec_server.decoding.slots import SlotState
from halospec_server.jobs.completion import Account
from halospec_server.jobs.counters import Counters
from halospec_server.jobs.worker import DecodeWorker

_MODEL = "model_name"
_POSITIONS = range(MAX_DRAFT_LENGTH)
# The bounds of vLLM's own histograms, so that its dashboards and alerts fit.
_TTFT_S = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0, 160.0,
    640.0, 2560.0,
)  # fmt: skip
_TPOT_S = (
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0,
)  # fmt: skip
_E2E_S = (
    0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0, 960.0,
    1920.0, 7680.0,
)  # fmt: skip


class Metrics:
    """Everything that is measured about requests.

    Parameters
    ----------
    model
        Value of the label ``model_name``, which vLLM's metrics carry.
    """

    def __init__(self, worker: DecodeWorker, model: str) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self._registry.register(_DecodeCollector(worker, model))
        self._ttft = self._histogram(
            "vllm:time_to_first_token_seconds", "From arrival to the first token.", _TTFT_S, model
        )
        self._tpot = self._histogram(
            "vllm:request_time_per_output_token_seconds", "Per token after the first, a request's mean.", _TPOT_S, model
        )
        self._e2e = self._histogram(
            "vllm:e2e_request_latency_seconds", "From arrival to the last token.", _E2E_S, model
        )
        ended = Counter(
            "vllm:request_success", "Texts that ended, by how.", [_MODEL, "finished_reason"], registry=self._registry
        )
        self._ended = {reason: ended.labels(model, reason) for reason in ("stop", "length", "abort", "error")}
        refused = Counter(
            "halospec:requests_refused", "Requests sent away, by why.", ["reason"], registry=self._registry
        )
        self._refused = {
            reason: refused.labels(reason) for reason in ("queue_full", "shutting_down", "deadline_exceeded")
        }

    def text_ended(self, account: Account, arrived_ns: int) -> None:
        """Count a text that came to its end."""
        self._ended[account.finish_reason].inc()
        self._e2e.observe((account.ended_ns - arrived_ns) / 1e9)
        if account.first_token_ns is not None:
            self._ttft.observe((account.first_token_ns - arrived_ns) / 1e9)
        if account.completion_tokens > 1:
            self._tpot.observe(account.predicted_ns / (account.completion_tokens - 1) / 1e9)

    def texts_aborted(self, n: int) -> None:
        """Count texts whose client went away."""
        self._ended["abort"].inc(n)

    def texts_failed(self, n: int) -> None:
        """Count texts that were cut off by a fault."""
        self._ended["error"].inc(n)

    def refused(self, code: str) -> None:
        """Count a request that was sent away, by the code of its error."""
        self._refused[code].inc()

    def render(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self._registry)

    def _histogram(self, name: str, what: str, bounds_s: tuple[float, ...], model: str) -> Histogram:
        return Histogram(name, what, [_MODEL], buckets=bounds_s, registry=self._registry).labels(model)


class _DecodeCollector(Collector):
    """Reads the decode thread's counters whenever somebody asks."""

    def __init__(self, worker: DecodeWorker, model: str) -> None:
        self._worker = worker
        self._model = model

    def collect(self) -> Iterator[Metric]:
        """Yield every family."""
        running, waiting = self._worker.running, self._worker.waiting
        labels = {_MODEL: self._model}
        yield _gauge("llamacpp:requests_processing", "Texts in slots.", running)
        yield _gauge("llamacpp:requests_deferred", "Texts in the queue.", waiting)
        yield _gauge("vllm:num_requests_running", "Texts in slots.", running, labels)
        yield _gauge("vllm:num_requests_waiting", "Texts in the queue.", waiting, labels)
        yield from _as_llama_server(self._worker.counters)
        yield from _as_vllm(self._worker.counters, labels)
        yield from _own(self._worker.counters, self._worker.slots)


def _as_llama_server(counters: Counters) -> Iterator[Metric]:
    yield _counter("llamacpp:prompt_tokens", "Prompt tokens decoded.", counters.prompt_tokens)
    yield _counter("llamacpp:prompt_tokens_cached", "Prompt tokens found in the cache.", counters.cached_tokens)
    yield _counter("llamacpp:prompt_seconds", "Time until first tokens, from slots.", counters.prompt_ns / 1e9)
    yield _counter("llamacpp:tokens_predicted", "Tokens generated.", counters.generated_tokens)
    yield _counter("llamacpp:tokens_predicted_seconds", "Time after first tokens.", counters.generating_ns / 1e9)
    yield _counter("llamacpp:n_decode", "Passes of the target.", counters.passes)
    yield from _speculation("llamacpp", counters)


def _as_vllm(counters: Counters, labels: dict[str, str]) -> Iterator[Metric]:
    prompt_tokens = counters.prompt_tokens + counters.cached_tokens
    yield _counter("vllm:prompt_tokens", "Prompt tokens, cached ones included.", prompt_tokens, labels)
    yield _counter("vllm:generation_tokens", "Tokens generated.", counters.generated_tokens, labels)
    yield _counter("vllm:prefix_cache_queries", "Prompt tokens looked up in the cache.", prompt_tokens, labels)
    yield _counter("vllm:prefix_cache_hits", "Prompt tokens found in it.", counters.cached_tokens, labels)
    yield from _speculation("vllm", counters, labels)


def _speculation(prefix: str, counters: Counters, labels: dict[str, str] | None = None) -> Iterator[Metric]:
    yield _counter(f"{prefix}:spec_decode_num_drafts", "Rounds with a draft.", counters.drafts, labels)
    yield _counter(f"{prefix}:spec_decode_num_draft_tokens", "Tokens drafted.", counters.drafted, labels)
    yield _counter(f"{prefix}:spec_decode_num_accepted_tokens", "Drafted tokens kept.", counters.accepted, labels)
    kept = [counters.accepted_at(position) for position in _POSITIONS]
    name = f"{prefix}:spec_decode_num_accepted_tokens_per_pos"
    yield _by_position(name, "Drafted tokens kept, by their place in the draft.", kept, labels)


def _own(counters: Counters, slots: Iterable[SlotState]) -> Iterator[Metric]:
    drafted = [counters.drafted_at(position) for position in _POSITIONS]
    name = "halospec:spec_decode_num_draft_tokens_per_pos"
    yield _by_position(name, "Tokens drafted, by their place in the draft.", drafted)
    kv = GaugeMetricFamily("halospec:kv_tokens", "Positions in the caches, by llama.cpp's count.", labels=["model"])
    states = list(slots)
    kv.add_metric(["target"], sum(state.target_cells for state in states))
    kv.add_metric(["draft"], sum(state.draft_cells for state in states))
    yield kv


def _counter(name: str, what: str, value: float, labels: dict[str, str] | None = None) -> Metric:
    family = CounterMetricFamily(name, what, labels=list(labels or {}))
    family.add_metric(list((labels or {}).values()), value)
    return family


def _gauge(name: str, what: str, value: float, labels: dict[str, str] | None = None) -> Metric:
    family = GaugeMetricFamily(name, what, labels=list(labels or {}))
    family.add_metric(list((labels or {}).values()), value)
    return family


def _by_position(name: str, what: str, values: list[int], labels: dict[str, str] | None = None) -> Metric:
    """Count by place in the draft; the first is 0, as with both servers whose names these are."""
    family = CounterMetricFamily(name, what, labels=[*(labels or {}), "position"])
    for position, value in enumerate(values):
        family.add_metric([*(labels or {}).values(), str(position)], value)
    return family
