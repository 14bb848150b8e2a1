"""Three tries with growing pauses, and all of that time inside the request's interval."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.clock import start_clock
from halospec.endpoints.chat import ChatEndpoint
from halospec.endpoints.retry import RetryPolicy, complete_with_retries
from halospec.endpoints.types import ChatRequest, Completion, EndpointError

REPLY = Completion(text="Hi", finish_reason="stop", completion_tokens=1)
BUSY = EndpointError("HTTP 503 from http://h: busy.", retryable=True)
REFUSED = EndpointError("HTTP 401 from http://h: no.", retryable=False)
TRY_NS = 5_000_000


class Time:
    """A clock that moves only when somebody works or sleeps."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.pauses_s: list[float] = []

    def clock(self) -> int:
        return self.now_ns

    async def sleep(self, seconds: float) -> None:
        self.pauses_s.append(seconds)
        self.now_ns += round(seconds * 1e9)


class ScriptedEndpoint:
    """Takes 5 ms a try and does what its script says next; the last outcome repeats."""

    def __init__(self, time: Time, outcomes: Sequence[Completion | Exception]) -> None:
        self._time = time
        self._outcomes = outcomes
        self.draft_lengths: list[int | None] = []

    async def complete(self, request: ChatRequest, draft_length: int | None) -> Completion:
        outcome = self._outcomes[min(len(self.draft_lengths), len(self._outcomes) - 1)]
        self.draft_lengths.append(draft_length)
        self._time.now_ns += TRY_NS
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


@pytest.fixture(scope="session")
def attempt(say_hello):
    async def run(*outcomes: Completion | Exception, policy: RetryPolicy | None = None):
        time = Time()
        endpoint = ScriptedEndpoint(time, outcomes)
        attempted = await complete_with_retries(
            endpoint, say_hello, 3, policy or RetryPolicy(), time.clock, sleep=time.sleep
        )
        assert set(endpoint.draft_lengths) == {3}
        return attempted, time.pauses_s

    return run


async def test_a_first_try_that_succeeds_is_the_only_one(attempt):
    attempted, pauses_s = await attempt(REPLY)

    assert (attempted.completion, attempted.error, attempted.attempts) == (REPLY, None, 1)
    assert attempted.ended_ns - attempted.started_ns == TRY_NS
    assert pauses_s == []


async def test_three_tries_with_400_and_800_ms_between_them_all_inside_the_interval(attempt):
    attempted, pauses_s = await attempt(BUSY)

    assert attempted.completion is None
    assert attempted.attempts == 3
    assert attempted.error == "HTTP 503 from http://h: busy (after 3 tries)."
    assert pauses_s == [0.4, 0.8]
    assert attempted.ended_ns - attempted.started_ns == 3 * TRY_NS + 1_200_000_000


async def test_a_later_try_that_succeeds_leaves_no_error_but_its_time(attempt):
    attempted, _ = await attempt(BUSY, REPLY)

    assert (attempted.completion, attempted.error, attempted.attempts) == (REPLY, None, 2)
    assert attempted.ended_ns - attempted.started_ns == 2 * TRY_NS + 400_000_000


async def test_a_final_failure_is_not_tried_again(attempt):
    attempted, pauses_s = await attempt(REFUSED)

    assert (attempted.error, attempted.attempts) == ("HTTP 401 from http://h: no.", 1)
    assert pauses_s == []


async def test_a_final_failure_after_a_passing_one_ends_it(attempt):
    attempted, _ = await attempt(BUSY, REFUSED)

    assert (attempted.error, attempted.attempts) == ("HTTP 401 from http://h: no (after 2 tries).", 2)


@pytest.mark.parametrize(("asked_s", "waited_s"), [(None, 0.4), (0.0, 0.4), (0.1, 0.4), (7.0, 7.0), (3600.0, 10.0)])
async def test_retry_after_lengthens_a_pause_up_to_ten_seconds(attempt, asked_s, waited_s):
    _, pauses_s = await attempt(EndpointError("busy.", retryable=True, retry_after_s=asked_s), REPLY)

    assert pauses_s == [waited_s]


async def test_one_try_is_a_policy_too(attempt):
    attempted, pauses_s = await attempt(BUSY, policy=RetryPolicy(tries=1))

    assert (attempted.attempts, pauses_s) == (1, [])
    assert attempted.error == BUSY.reason


@given(
    tries=st.integers(1, 6),
    backoff_s=st.floats(0.01, 2.0),
    factor=st.floats(1.0, 3.0),
    failures=st.integers(0, 8),
)
def test_tries_end_with_the_first_success_or_the_last_try(attempt, tries, backoff_s, factor, failures):
    async def run():
        return await attempt(*[BUSY] * failures, REPLY, policy=RetryPolicy(tries, backoff_s, factor))

    attempted, pauses_s = anyio.run(run)

    assert attempted.attempts == min(failures + 1, tries)
    assert (attempted.error is None) == (failures < tries)
    assert (attempted.completion is None) == (failures >= tries)
    assert pauses_s == pytest.approx([backoff_s * factor**n for n in range(attempted.attempts - 1)])


async def test_a_latency_is_never_0_even_on_a_clock_that_stands_still(say_hello):
    attempted = await complete_with_retries(
        ScriptedEndpoint(Time(), [REPLY]), say_hello, None, RetryPolicy(), lambda: 42
    )

    assert attempted.started_ns == 42
    assert attempted.ended_ns > attempted.started_ns


async def test_a_programming_error_is_no_failed_request(attempt):
    with pytest.raises(ZeroDivisionError):
        await attempt(ZeroDivisionError("a bug"))


async def test_a_cancelled_request_is_not_tried_again(say_hello):
    calls = 0

    class Hanging:
        async def complete(self, request: ChatRequest, draft_length: int | None) -> Completion:
            nonlocal calls
            calls += 1
            await anyio.sleep_forever()
            raise AssertionError

    with anyio.move_on_after(0.05) as scope:
        await complete_with_retries(Hanging(), say_hello, None, RetryPolicy(), start_clock())

    assert scope.cancelled_caught
    assert calls == 1


async def test_first_token_time_counts_from_the_first_try(misbehaving_server, say_hello, http, hello):
    clock = start_clock()
    misbehaving_server.scripts = [[http(b"", status="503 Busy")], [http(hello)]]
    policy = RetryPolicy(backoff_s=0.05)
    async with ChatEndpoint(f"{misbehaving_server.url}/v1", "smol", clock) as endpoint:
        attempted = await complete_with_retries(endpoint, say_hello, None, policy, clock)

    assert attempted.attempts == 2
    assert attempted.completion is not None
    assert attempted.completion.first_token_ns - attempted.started_ns > 40_000_000
    assert attempted.completion.event_ns[-1] <= attempted.ended_ns


async def test_every_try_sends_the_same_request(say_hello):
    bodies = []

    def busy(request: httpx.Request) -> httpx.Response:
        bodies.append(request.content)
        return httpx.Response(500)

    transport = httpx.MockTransport(busy)
    async with ChatEndpoint("http://127.0.0.1:1/v1", "smol", start_clock(), transport=transport) as endpoint:
        await complete_with_retries(endpoint, say_hello, 2, RetryPolicy(), start_clock(), sleep=Time().sleep)

    assert len(bodies) == 3
    assert len(set(bodies)) == 1
