"""Trying again: which failures, how often, and with what pauses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt

from halospec.clock import Clock
from halospec.endpoints.types import ChatRequest, Completion, Endpoint, EndpointError

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True)
class RetryPolicy:
    """Pauses grow from ``backoff_s`` by ``factor``; a Retry-After lengthens one to ``max_retry_after_s`` at most."""

    tries: int = 3
    backoff_s: float = 0.4
    factor: float = 2.0
    max_retry_after_s: float = 10.0

    def pause_s(self, tries_made: int, retry_after_s: float | None = None) -> float:
        """Return the pause before the next try."""
        backoff_s = self.backoff_s * self.factor ** (tries_made - 1)
        return max(backoff_s, min(retry_after_s or 0.0, self.max_retry_after_s))


@dataclass(frozen=True)
class Attempted:
    """A request with all its tries: a completion, or the reason why there is none.

    Attributes
    ----------
    started_ns, ended_ns
        Start of the first try and end of the last: failed tries and pauses lie between. Never equal.
    """

    completion: Completion | None
    error: str | None
    attempts: int
    started_ns: int
    ended_ns: int


def retrying(policy: RetryPolicy, sleep: Sleep = anyio.sleep) -> AsyncRetrying:
    """Return a tenacity caller that tries again after a retryable :class:`EndpointError` and re-raises the last one."""

    def wait(state: RetryCallState) -> float:
        fault = state.outcome.exception() if state.outcome else None
        return policy.pause_s(state.attempt_number, getattr(fault, "retry_after_s", None))

    return AsyncRetrying(
        sleep=sleep,
        stop=stop_after_attempt(policy.tries),
        wait=wait,
        retry=retry_if_exception(lambda fault: isinstance(fault, EndpointError) and fault.retryable),
        reraise=True,
    )


async def complete_with_retries(
    endpoint: Endpoint,
    request: ChatRequest,
    draft_length: int | None,
    policy: RetryPolicy,
    clock: Clock,
    *,
    sleep: Sleep = anyio.sleep,
) -> Attempted:
    """Ask until a reply comes, the failure is final, or the tries are used up; never raises EndpointError."""
    attempts = 0

    async def one_try() -> Completion:
        nonlocal attempts
        attempts += 1
        return await endpoint.complete(request, draft_length)

    completion: Completion | None = None
    error: str | None = None
    started_ns = clock()
    try:
        completion = await retrying(policy, sleep)(one_try)
    except EndpointError as fault:
        error = fault.reason if attempts == 1 else f"{fault.reason.removesuffix('.')} (after {attempts} tries)."
    # What follows the stream's end (the rest of its body, parsing, logging) is no part of the request's time.
    ended_ns = completion.ended_ns if completion is not None and completion.ended_ns is not None else clock()
    # A coarse clock may stand still for a whole attempt, and no latency is 0.
    return Attempted(completion, error, attempts, started_ns, max(ended_ns, started_ns + 1))
