"""Whatever happened before, a draft is what the draft model by itself would go on with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from draft_requests import N_CTX, N_SLOTS, ROUNDING, request, rows_after
from halospec_server.decoding.sampling import Sampling
from halospec_server.drafters.model import ModelDrafter
from halospec_server.drafters.protocol import Draft, Followed
from halospec_server.llama import Context
from tiny_engines import GREEDY
from tiny_models import FIRST_PIECE, N_VOCAB

slots = st.integers(0, N_SLOTS - 1)
syllables = st.integers(FIRST_PIECE, N_VOCAB - 1)


@dataclass(frozen=True)
class Ask:
    """A request in a round, and what becomes of its draft."""

    k: int
    sampling: Sampling
    seed: int
    accepted: int
    token: int


class Histories(RuleBasedStateMachine):
    """Texts begin, are followed, drafted for, kept in part, written to without drafts, and give way to others."""

    def __init__(self, drafter: ModelDrafter, alone: Context) -> None:
        super().__init__()
        self.drafter, self.alone = drafter, alone
        self.texts: list[list[int]] = [[] for _ in range(N_SLOTS)]
        self.unread: list[int] = [0] * N_SLOTS
        self.reset()

    @rule()
    def reset(self) -> None:
        self.drafter.reset()
        for slot in range(N_SLOTS):
            self.begin(slot, slot, 0, [FIRST_PIECE + slot], reuse=False)

    @rule(slot=slots, other=slots, shared=st.integers(0, 60), rest=st.lists(syllables, min_size=1), reuse=st.booleans())
    def begin(self, slot: int, other: int, shared: int, rest: list[int], *, reuse: bool) -> None:
        self.drafter.end(slot, self.texts[slot])
        self.texts[slot] = [*self.texts[other][:shared], *rest]
        self.unread[slot] = len(self.texts[slot])
        self.drafter.begin(slot, self.texts[slot], reuse=reuse)

    @rule(slot=slots, tokens=st.lists(syllables, min_size=1, max_size=60))
    def write_without_drafts(self, slot: int, tokens: list[int]) -> None:
        self.grow(slot, tokens)

    @rule(
        plan=st.dictionaries(
            slots,
            st.integers(1, 40)
            | st.builds(
                Ask,
                k=st.integers(1, 6),
                sampling=st.sampled_from((GREEDY, Sampling(1.0))),
                seed=st.integers(0, 99),
                accepted=st.integers(0, 6),
                token=syllables,
            ),
            min_size=1,
        )
    )
    def go_one_round(self, plan: dict[int, Ask | int]) -> None:
        """A number in the plan is so many tokens of a prompt to follow."""
        following = []
        asked: dict[int, Ask] = {}
        for slot, part in plan.items():
            if isinstance(part, Ask):
                asked[slot] = part
            elif self.unread[slot]:
                self.unread[slot] = max(self.unread[slot] - part, 0)
                following.append(Followed(slot, self.texts[slot], len(self.texts[slot]) - self.unread[slot]))
        requests = [request(slot, self.texts[slot], ask.k, ask.sampling, seed=ask.seed) for slot, ask in asked.items()]
        drafts = self.drafter.propose(requests, following)
        for prompt in following:
            held = self.drafter.texts.text(prompt.slot)
            assert len(held) >= prompt.length
            assert held == self.texts[prompt.slot][: len(held)]
        for (slot, ask), draft in zip(asked.items(), drafts, strict=True):
            assert len(draft.tokens) == min(ask.k, N_CTX + 1 - len(self.texts[slot]))
            self.check(self.texts[slot], ask.sampling, draft)
            # The last proposal is not decoded: the next round does that if it is kept.
            assert self.drafter.texts.text(slot) == [*self.texts[slot], *draft.tokens[:-1]]
            self.grow(slot, [*draft.tokens[: ask.accepted], ask.token])

    def check(self, text: list[int], sampling: Sampling, draft: Draft) -> None:
        """A draft is what the model by itself would go on with."""
        rows = rows_after(self.alone, text, draft.tokens)
        chosen = rows[np.arange(len(rows)), list(draft.tokens)]
        if draft.distributions is None:
            assert sampling.greedy
            assert (rows.max(axis=1) - chosen < ROUNDING).all()
        else:
            expected = [sampling.distribution(row) for row in rows]
            np.testing.assert_allclose(draft.distributions, expected, atol=ROUNDING)

    def grow(self, slot: int, tokens: list[int]) -> None:
        text = self.texts[slot]
        text += tokens[: N_CTX - len(text)]
        self.unread[slot] = 0

    @invariant()
    def the_books_agree_with_the_cache(self) -> None:
        texts = self.drafter.texts
        for slot in range(N_SLOTS):
            assert texts.length(slot) == texts.context.lengths[slot] == texts.context.cells(slot)


def test_whatever_happened_before_it_proposes_what_the_model_by_itself_would(
    used_drafter: ModelDrafter, draft_alone: Context
) -> None:
    run_state_machine_as_test(
        lambda: Histories(used_drafter, draft_alone),  # type: ignore[arg-type]  # any factory will do
        settings=settings(max_examples=80, stateful_step_count=20, deadline=None, derandomize=True),
    )
