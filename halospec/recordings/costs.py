"""What rounds take: texts written by the bundled server under changing load, with every draft length in turn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

from halospec.clock import Clock
from halospec.contention.protocol import Injector
from halospec.contention.spelling import spelled
from halospec.contention.spoken import spoken_name
from halospec.contention.together import injector_for
from halospec.endpoints.chat import ChatEndpoint
from halospec.endpoints.types import ChatRequest, EndpointError, Message
from halospec.recordings.rounds import VisitedRounds
from halospec.recordings.visits import ThreadSetting, Visit
from halospec.records.schema import Round
from halospec.workloads.prompts import Prompt


class CostsFailed(Exception):
    """Rounds could not be timed; the message is one sentence for the user."""


@dataclass(frozen=True)
class TimedTexts:
    """What is asked of the server in every visit.

    Attributes
    ----------
    policy
        The rule that draws a draft length before every round, such as ``uniform@max_length=8``.
    """

    policy: str
    max_tokens: int
    prompts: tuple[Prompt, ...]

    def request(self, prompt: int, setting: ThreadSetting) -> ChatRequest:
        """Ask for a text of exactly ``max_tokens``, greedily."""
        return ChatRequest(
            messages=(Message("user", self.prompts[prompt].text),),
            max_tokens=self.max_tokens,
            ignore_eos=True,
            fields={
                "draft_length": "auto",
                "length_policy": self.policy,
                "threads": setting.threads,
                "draft_threads": setting.draft_threads,
            },
        )


class CostObserver(Protocol):
    """Watches visits."""

    def costs_planned(self, visits: int, quiet_s: float) -> None:
        """Learn how many there will be, and how many seconds they would take were the machine always quiet."""
        ...

    def visit_begun(self, visit: Visit) -> None:
        """Learn which one is under way."""
        ...

    def visit_ended(self, visit: Visit, rounds: int) -> None:
        """Learn that one is over."""
        ...


async def record_costs(
    endpoint: ChatEndpoint, texts: TimedTexts, visits: Sequence[Visit], clock: Clock, observer: CostObserver
) -> tuple[VisitedRounds, ...]:
    """Make every visit in order.

    The load of a visit's condition has been seen at work before its request is sent. A text of each setting of the
    threads, on the quiet machine, comes first and is left out.

    Raises
    ------
    CostsFailed
        If a request fails, or a load ends by itself.
    ContentionError
        If the load could not be put on.
    """
    observer.costs_planned(len(visits), await _expected_s(endpoint, texts, visits, clock))
    visited: list[VisitedRounds] = []
    for condition, in_a_row in groupby(visits, key=lambda visit: visit.condition):
        async with injector_for(condition.loads, clock) as injector:
            await injector.start()
            for visit in in_a_row:
                observer.visit_begun(visit)
                rounds = await _rounds(endpoint, texts.request(visit.prompt, visit.setting))
                visited.append(VisitedRounds(visit, rounds))
                observer.visit_ended(visit, len(rounds))
        _require_loads_to_the_end(injector)
    return tuple(visited)


def _require_loads_to_the_end(injector: Injector) -> None:
    """Refuse rounds that would be taken for ones beside a load which was gone."""
    for one in injector.injected:
        if one.ended_early is not None:
            name = spoken_name(spelled(one.load))
            raise CostsFailed(
                f"A load did not last, so nothing was recorded. {name}: {one.ended_early}; give one that goes on until"
                " it is ended."
            )


async def _expected_s(endpoint: ChatEndpoint, texts: TimedTexts, visits: Sequence[Visit], clock: Clock) -> float:
    """Return how long all visits would take on a quiet machine, from one text with each setting."""
    visits_of = Counter(visit.setting for visit in visits)
    expected_ns = 0
    for setting, count in visits_of.items():
        started_ns = clock()
        await _rounds(endpoint, texts.request(visits[0].prompt, setting))
        expected_ns += count * (clock() - started_ns)
    return expected_ns / 1e9


async def _rounds(endpoint: ChatEndpoint, request: ChatRequest) -> tuple[Round, ...]:
    try:
        completion = await endpoint.complete(request, None)
    except EndpointError as error:
        raise CostsFailed(f"A text could not be timed, so nothing was recorded: {error.reason}") from error
    if not completion.round_log:
        raise CostsFailed("The server sent no log of its rounds, so nothing was recorded.")
    return completion.round_log
