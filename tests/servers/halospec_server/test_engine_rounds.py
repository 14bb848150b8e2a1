"""What the engine says of each round, and what both caches hold after it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pytest

from halospec_server.drafters.model import ModelDrafter
from halospec_server.drafters.protocol import Draft, Drafter, TokenIds
from halospec_server.engine import Engine, Generation, Prefill, Round
from halospec_server.sampling import Sampling
from tiny_engines import GREEDY, prompt_of, tokens_of

SAMPLINGS = (GREEDY, Sampling(1.0), Sampling(0.7, top_p=0.8))


def generations(draft_length: int) -> list[Generation]:
    return [
        Generation(prompt_of(prompt), max_tokens, sampling, draft_length, seed=5, ignore_eos=ignore_eos)
        for prompt in ("ka ti mo ka ti mo", "so sa")
        for max_tokens in (1, 30)
        for sampling in SAMPLINGS
        for ignore_eos in (True, False)
    ]


@pytest.mark.parametrize("draft_length", [0, 1, 4, 16])
def test_the_log_agrees_with_itself_and_with_the_tokens(engine: Engine, draft_length: int) -> None:
    for generation in generations(draft_length):
        steps = list(engine.generate(generation))
        first, rounds = steps[0], steps[1:]
        assert isinstance(first.cost, Prefill)
        assert len(first.tokens) == 1
        for step in rounds:
            assert isinstance(step.cost, Round)
            assert 0 <= step.cost.accepted <= step.cost.k <= draft_length
            cut_by_an_end = step.cost.accepted + 1 - len(step.tokens)
            assert cut_by_an_end == 0 or (step.ended and cut_by_an_end > 0)
            assert min(step.cost.draft_ns, step.cost.verify_ns, step.cost.sample_ns) >= 0


@pytest.mark.parametrize("draft_length", [1, 4, 16])
def test_no_round_drafts_past_the_limit(engine: Engine, draft_length: int) -> None:
    for generation in generations(draft_length):
        written = 0
        for step in engine.generate(generation):
            if isinstance(step.cost, Round):
                assert written + step.cost.k + 1 <= generation.max_tokens
            written += len(step.tokens)


@pytest.mark.parametrize("draft_length", [0, 1, 4, 16])
def test_after_every_step_the_targets_cache_lacks_the_last_token_alone(engine: Engine, draft_length: int) -> None:
    for generation in generations(draft_length):
        length = len(generation.prompt)
        for step in engine.generate(generation):
            length += len(step.tokens)
            if not step.ended:
                assert engine.target.length == length - 1


@pytest.mark.parametrize("draft_length", [1, 4, 16])
def test_after_every_proposal_the_drafters_cache_is_the_text_and_the_proposal(
    model_engine: Engine, draft_length: int
) -> None:
    drafter = model_engine.drafter
    assert isinstance(drafter, ModelDrafter)

    def check(tokens: tuple[int, ...], draft: Draft) -> None:
        # The last proposal is not decoded: the next round does that if it is accepted.
        expected = [*tokens, *draft.tokens[:-1]]
        assert drafter._resident == expected
        assert drafter._context.length == len(expected)

    for generation in generations(draft_length):
        watched = _Watched(drafter, check)
        list(Engine(model_engine.target, watched).generate(generation))
        assert watched.calls > 0 or generation.max_tokens == 1


def test_the_text_given_to_the_drafter_only_grows(engine: Engine) -> None:
    assert engine.drafter is not None
    for generation in generations(4):
        watched = _Watched(engine.drafter, lambda _tokens, _draft: None)
        steps = list(Engine(engine.target, watched).generate(generation))
        text = generation.prompt + tokens_of(steps)
        assert all(text[: len(seen)] == seen for seen in watched.seen)
        assert all(len(before) < len(after) for before, after in pairwise(watched.seen))


@dataclass
class _Watched:
    """A drafter that shows every proposal to a check."""

    inner: Drafter
    check: Callable[[tuple[int, ...], Draft], None]
    name: str = "watched"
    calls: int = 0
    seen: list[tuple[int, ...]] = field(default_factory=list)

    def begin(self, prompt: Sequence[int], cancelled: Callable[[], bool]) -> None:
        self.inner.begin(prompt, cancelled)

    def propose(
        self, tokens: Sequence[int], k: int, sampling: Sampling, rng: np.random.Generator, banned: TokenIds
    ) -> Draft:
        draft = self.inner.propose(tokens, k, sampling, rng, banned)
        self.calls += 1
        self.seen.append(tuple(tokens))
        self.check(tuple(tokens), draft)
        return draft

    def close(self) -> None:
        self.inner.close()
