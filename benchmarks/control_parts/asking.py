"""Live requests for `control.py validate`: every arm for the same prompt in turn, in blocks without and with load."""

from __future__ import annotations

import random
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio
from pydantic import JsonValue

from halospec.clock import start_clock
from halospec.contention.together import injector_for
from halospec.controllers.modes import Chooser, Mode, mode_named
from halospec.controllers.protocol import Outcome, RoundOutcome
from halospec.endpoints.bundled import BUNDLED
from halospec.endpoints.chat import ChatEndpoint
from halospec.endpoints.types import ChatRequest, Completion, Message
from halospec.recordings.rounds import VisitedRounds
from halospec.recordings.visits import Condition, ThreadSetting, Visit
from halospec.records.schema import Round
from halospec.server_process import bundled_server
from halospec.workloads.prompts import Prompt

COSTS = "costs"
"""The arm whose rounds costs are fitted to: every draft length in turn, within each text."""

WARM_UP = 5
_TIMEOUT_S = 600.0


@dataclass(frozen=True)
class LivePlan:
    """What is asked.

    Attributes
    ----------
    modes
        Every arm but the costs'.
    conditions
        One block after the other; every block holds all prompts.
    tokens
        Of every text, its first included.
    cost_texts
        Texts in each block and for each prompt that costs are fitted to.
    """

    modes: tuple[str, ...]
    prompts: tuple[Prompt, ...]
    conditions: tuple[Condition, ...]
    tokens: int
    max_length: int
    cost_texts: int
    seed: int


@dataclass(frozen=True)
class Asked:
    """A request that was answered.

    Attributes
    ----------
    block
        Its place in the plan's conditions.
    by_rounds_ms, by_client_ms
        From the first token to the last: the sum over the server's rounds, and by the client's clock.
    tokens
        After the first.
    """

    mode: str
    block: int
    prompt_id: str
    by_rounds_ms: float
    by_client_ms: float
    tokens: int


@dataclass(frozen=True)
class Live:
    """Everything that was measured; ``setting`` is the server's own threads."""

    asked: tuple[Asked, ...]
    costs: tuple[VisitedRounds, ...]
    setting: ThreadSetting


def ask_all(plan: LivePlan, server: Sequence[str], setting: ThreadSetting) -> Live:
    """Start a server and measure everything in one go."""
    with tempfile.TemporaryDirectory() as scratch:
        arguments = [*server, "--threads", str(setting.threads), "--draft-threads", str(setting.draft_threads)]
        with bundled_server([*arguments, "--log-level", "warning"], Path(scratch) / "server.log") as url:
            return anyio.run(_ask_all, plan, url, setting)


async def _ask_all(plan: LivePlan, url: str, setting: ThreadSetting) -> Live:
    clock = start_clock()
    endpoint = ChatEndpoint(f"{url}/v1", "bundled", clock, dialect=BUNDLED.dialect, timeout_s=_TIMEOUT_S)
    async with endpoint:
        session = _Session(plan, endpoint, setting)
        await session.warm_up()
        for block, condition in enumerate(plan.conditions):
            async with injector_for(condition.loads, clock) as injector:
                await injector.start()
                await session.ask_block(block, condition)
            print(f"block {block + 1} of {len(plan.conditions)}: {condition.name}", file=sys.stderr)
    return Live(tuple(session.asked), tuple(session.costs), setting)


class _Session:
    """One server asked by all arms, each with what it has learned so far."""

    def __init__(self, plan: LivePlan, endpoint: ChatEndpoint, setting: ThreadSetting) -> None:
        self.asked: list[Asked] = []
        self.costs: list[VisitedRounds] = []
        self._plan = plan
        self._endpoint = endpoint
        self._setting = setting
        self._chance = random.Random(plan.seed)
        self._modes = {name: mode_named(name) for name in plan.modes}
        self._choosers: dict[str, Chooser] = {}
        self._before: Condition | None = None

    async def warm_up(self) -> None:
        """Send every arm's first requests, which count for nothing but what a rule learns from them."""
        outcomes: Mapping[str, list[Outcome]] = defaultdict(list)
        for number in range(WARM_UP):
            prompt = self._plan.prompts[number % len(self._plan.prompts)]
            for name, mode in self._modes.items():
                completion = await self._complete(mode, prompt, mode.warmup_length)
                outcomes[name].append(_outcome(completion, mode.warmup_length))
        self._choosers = {name: mode.start(outcomes[name]) for name, mode in self._modes.items()}

    async def ask_block(self, block: int, condition: Condition) -> None:
        """Let all arms answer every prompt, in a random order for each."""
        for place, prompt in enumerate(self._plan.prompts):
            arms = [*self._modes, *([COSTS] * self._plan.cost_texts)]
            for arm in self._chance.sample(arms, len(arms)):
                if arm == COSTS:
                    await self._time_rounds(condition, place)
                else:
                    await self._ask(arm, block, prompt)

    async def _ask(self, name: str, block: int, prompt: Prompt) -> None:
        mode, chooser = self._modes[name], self._choosers[name]
        k = chooser.choose()
        completion = await self._complete(mode, prompt, k)
        outcome = _outcome(completion, k)
        chooser.update(outcome)
        self.asked.append(
            Asked(
                mode=name,
                block=block,
                prompt_id=prompt.prompt_id,
                by_rounds_ms=sum(done.duration_ms for done in outcome.round_log),
                by_client_ms=outcome.decode_ms or 0.0,
                tokens=completion.completion_tokens - 1,
            )
        )

    async def _time_rounds(self, condition: Condition, place: int) -> None:
        changed = condition != self._before
        self._before = condition
        seed = self._plan.seed + len(self.costs)
        policy = f"uniform@max_length={self._plan.max_length}@seed={seed}"
        fields: Mapping[str, JsonValue] = {"draft_length": "auto", "length_policy": policy}
        completion = await self._completed(self._plan.prompts[place], fields)
        visit = Visit(condition, self._setting, place, after_change=changed)
        self.costs.append(VisitedRounds(visit, completion.round_log))

    async def _complete(self, mode: Mode, prompt: Prompt, k: int | None) -> Completion:
        return await self._completed(prompt, {**mode.fields, **({} if k is None else {"draft_length": k})})

    async def _completed(self, prompt: Prompt, fields: Mapping[str, JsonValue]) -> Completion:
        request = ChatRequest(
            messages=(Message("user", prompt.text),),
            max_tokens=self._plan.tokens,
            fields=fields,
        )
        completion = await self._endpoint.complete(request, None)
        if completion.completion_tokens != self._plan.tokens or not completion.round_log:
            raise ValueError(
                f"The reply to {prompt.prompt_id} has {completion.completion_tokens} tokens and"
                f" {len(completion.round_log)} rounds where {self._plan.tokens} tokens were wanted: it is not the text"
                " that was traced."
            )
        return completion


def _outcome(completion: Completion, k: int | None) -> Outcome:
    rounds = tuple(_round_outcome(done) for done in completion.round_log)
    if completion.first_token_ns is None or completion.ended_ns is None:
        raise ValueError("The server did not stream its reply.")
    decode_ms = (completion.event_ns[-1] - completion.first_token_ns) / 1e6
    return Outcome(
        draft_length=k if k is not None else max(done.limit for done in rounds),
        success=True,
        latency_ms=decode_ms + (completion.prompt_ms or 0.0),
        completion_tokens=completion.completion_tokens,
        drafted=sum(done.k for done in rounds),
        accepted=sum(done.accepted for done in rounds),
        rounds=len(rounds),
        decode_ms=decode_ms,
        round_log=rounds,
    )


def _round_outcome(done: Round) -> RoundOutcome:
    return RoundOutcome(
        limit=done.k if done.limit is None else done.limit,
        k=done.k,
        accepted=done.accepted,
        draft_ms=done.draft_us / 1e3,
        verify_ms=(done.verify_us + done.sample_us) / 1e3,
        threads=done.threads or 0,
        draft_threads=done.draft_threads or 0,
        sequences=done.sequences or 1,
        width=done.width or done.k + 1,
    )
