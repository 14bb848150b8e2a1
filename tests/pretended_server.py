"""A server that is only pretended, with a clock of its own: it stands where a test needs one that misbehaves to order.

Real servers are probed in tests/halospec/probe/test_probe_bundled.py and in tests/e2e.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import anyio
import httpx

from halospec.endpoints.api import ServerApi
from halospec.endpoints.dialect import Dialect
from halospec.endpoints.openai import OPENAI
from halospec.endpoints.preflight import ServerFacts
from halospec.endpoints.server_kind import Recognition, SpeculationFacts
from halospec.endpoints.types import ChatRequest, Completion, CountSource, EndpointError, RequestChange
from halospec.records.schema import Round

BASE_URL = "http://127.0.0.1:1/v1"
STEP_MS = 10.0
PROMPT_MS = 100.0


@dataclass
class PretendedServer:
    """Answers at once, and says at what times its tokens came.

    Attributes
    ----------
    reads
        The request field that it reads k from; none by default.
    default
        k where no request says otherwise.
    counts
        Whether its replies count drafts; ``meters`` whether its /metrics page does.
    refuses
        Fields (or k in the one it reads) at which it answers 400.
    dies_after
        Requests after which it answers no more; ``fails_at`` and ``busy_at`` are the numbers of single requests that
        fail, or get a 429.
    breaks_on
        Fields at which its reply breaks off.
    only_models
        The models that it knows; it answers 400 to requests for any other, itself included.
    at_once
        Whether two requests at the same moment are answered together, and not one after the other.
    """

    reads: str | None = None
    default: int = 0
    counts: bool = True
    meters: bool = False
    streams: bool = True
    refuses: frozenset[str | int] = frozenset()
    breaks_on: frozenset[str] = frozenset()
    dies_after: int | None = None
    fails_at: frozenset[int] = frozenset()
    busy_at: frozenset[int] = frozenset()
    caches: bool = False
    only_models: frozenset[str] | None = None
    at_once: bool = True
    now_ns: int = 0
    asked: list[tuple[ChatRequest, RequestChange]] = field(default_factory=list)
    drafted_total: int = 0
    accepted_total: int = 0
    rounds_total: int = 0
    _seen: set[str] = field(default_factory=set)

    def clock(self) -> int:
        return self.now_ns

    async def complete_with(self, request: ChatRequest, change: RequestChange) -> Completion:
        self.asked.append((request, change))
        sent_ns = self.now_ns
        await anyio.lowlevel.checkpoint()
        self._refuse(change)
        k = self.default
        if self.reads is not None and isinstance(given := change.fields.get(self.reads), int):
            k = given
        return self._reply(request, k, sent_ns if self.at_once else self.now_ns)

    def api(self) -> ServerApi:
        client = httpx.AsyncClient(transport=httpx.MockTransport(self._page))
        return ServerApi(client, BASE_URL)

    def facts(self, dialect: Dialect | None = None, speculation: SpeculationFacts | None = None) -> ServerFacts:
        recognition = Recognition("a test said so", dialect=dialect or Dialect())
        return ServerFacts(BASE_URL, "m", ("m",), OPENAI, recognition, speculation or SpeculationFacts())

    def _refuse(self, change: RequestChange) -> None:
        number = len(self.asked)
        if self.only_models is not None and change.model not in self.only_models:
            raise EndpointError('HTTP 400: "model is not loaded".', retryable=False, status=400)
        if self.dies_after is not None and number > self.dies_after:
            raise EndpointError("No server answers: connection refused.", retryable=True)
        if number in self.fails_at or self.breaks_on & change.fields.keys():
            raise EndpointError("The stream ended early.", retryable=True)
        if number in self.busy_at:
            raise EndpointError("HTTP 429: too many requests.", retryable=True, status=429)
        values = {value for value in change.fields.values() if isinstance(value, int)}
        if self.refuses & change.fields.keys() or self.refuses & values:
            raise EndpointError('HTTP 400: "Extra inputs are not permitted".', retryable=False, status=400)

    def _reply(self, request: ChatRequest, k: int, start_ns: int) -> Completion:
        text = request.messages[0].content
        cached = self.caches and request.reuse_prompt and text in self._seen
        self._seen.add(text)
        rounds = list(_rounds(k, request.max_tokens - 1))
        first_ns = start_ns + round((PROMPT_MS / 10 if cached else PROMPT_MS) * 1e6)
        events, round_end_ns = [first_ns], first_ns
        for one in rounds:
            round_end_ns += round(STEP_MS * (1 + 0.05 * one.k) * 1e6)
            events += [round_end_ns + 100_000 * place for place in range(one.accepted + 1)]
        events = events[: request.max_tokens]
        self.now_ns = max(self.now_ns, events[-1])
        self._add(rounds)
        drafted = sum(one.k for one in rounds) if self.counts else None
        return Completion(
            text=f"reply to {text}",
            finish_reason="length",
            completion_tokens=request.max_tokens,
            drafted=drafted,
            accepted=sum(one.accepted for one in rounds) if self.counts else None,
            drafted_from=CountSource.SPECULATION if self.counts else None,
            rounds=len(rounds) if self.counts else None,
            round_log=tuple(rounds) if self.counts else (),
            event_ns=tuple(events) if self.streams and request.stream else (),
            ended_ns=events[-1] if self.streams and request.stream else None,
        )

    def _add(self, rounds: list[Round]) -> None:
        self.drafted_total += sum(one.k for one in rounds)
        self.accepted_total += sum(one.accepted for one in rounds)
        self.rounds_total += sum(one.k > 0 for one in rounds)

    def _page(self, request: httpx.Request) -> httpx.Response:
        if not self.meters or request.url.path != "/metrics":
            return httpx.Response(404)
        totals = {
            "num_draft_tokens_total": self.drafted_total,
            "num_accepted_tokens_total": self.accepted_total,
            "num_drafts_total": self.rounds_total,
        }
        lines = [f"# TYPE vllm:spec_decode_{name} counter\nvllm:spec_decode_{name} {n}" for name, n in totals.items()]
        return httpx.Response(200, text="\n".join(lines) + "\n")


def _rounds(k: int, tokens: int) -> Iterator[Round]:
    """Yield rounds that keep half of what they draft."""
    while tokens > 0:
        drafted = min(k, tokens - 1)
        kept = (drafted + 1) // 2
        yield Round(k=drafted, accepted=kept)
        tokens -= kept + 1
