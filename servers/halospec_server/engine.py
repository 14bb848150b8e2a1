"""The decode loop: draft k tokens, verify k + 1 positions in one pass, keep the accepted prefix and one more.

One sequence at a time. The target's cache always holds the whole text but its last token, which is the first input of
the next round.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from halospec_server.drafters.protocol import Draft, Drafter, TokenIds
from halospec_server.llama import Context, LlamaError, Logits
from halospec_server.sampling import Sampling
from halospec_server.verifiers.greedy import GreedyVerifier
from halospec_server.verifiers.protocol import Verifier
from halospec_server.verifiers.rejection import RejectionVerifier

MAX_DRAFT_LENGTH = 16
_NOTHING_BANNED: TokenIds = np.array([], dtype=np.int64)

MakeVerifier = Callable[[Sampling, np.random.Generator], Verifier]


@dataclass(frozen=True)
class Generation:
    """What is to be generated.

    Attributes
    ----------
    max_tokens
        Tokens to generate at most; the context may end the text earlier.
    seed
        Fixes every random choice; None draws one from the operating system.
    ignore_eos
        Tokens that would end the text are never produced.
    """

    prompt: tuple[int, ...]
    max_tokens: int
    sampling: Sampling
    draft_length: int = 0
    seed: int | None = None
    ignore_eos: bool = False


@dataclass(frozen=True)
class Round:
    """One pass of the target after the prompt, and the drafting before it. Times in nanoseconds."""

    k: int
    accepted: int
    draft_ns: int
    verify_ns: int
    sample_ns: int


@dataclass(frozen=True)
class Prefill:
    """Both models' passes over the prompt. Times in nanoseconds."""

    target_ns: int
    draft_ns: int
    sample_ns: int


@dataclass(frozen=True)
class Step:
    """Tokens that became certain together: the first token, or those of a round.

    Attributes
    ----------
    ended
        Whether the last of them ends the text.
    """

    tokens: tuple[int, ...]
    cost: Prefill | Round
    ended: bool


def exact_verifier(sampling: Sampling, rng: np.random.Generator) -> Verifier:
    """Return the verifier that leaves the target's output as it is: token match if greedy, rejection otherwise."""
    return GreedyVerifier() if sampling.greedy else RejectionVerifier(sampling, rng)


class Engine:
    """A target, perhaps a drafter, and the loop between them.

    Parameters
    ----------
    target
        Must give at least ``MAX_DRAFT_LENGTH + 1`` rows of logits a pass.
    drafter
        None decodes plainly, whatever draft length is asked for.
    make_verifier
        Chooses the acceptance rule of a request.
    """

    def __init__(self, target: Context, drafter: Drafter | None, make_verifier: MakeVerifier = exact_verifier) -> None:
        self.target = target
        self.drafter = drafter
        self._make_verifier = make_verifier

    @property
    def drafter_name(self) -> str:
        """The drafter's name, or ``none``."""
        return self.drafter.name if self.drafter is not None else "none"

    def close(self) -> None:
        """Free both models."""
        if self.drafter is not None:
            self.drafter.close()
        self.target.close()
        self.target.model.close()

    def warm_up(self) -> None:
        """Run every kind of pass once, so that page faults and lazy set-up do not fall on the first request."""
        text = [max(self.target.model.bos, 0)] * 2
        self.target.reset()
        self.target.decode(text[:1], "last")
        self.target.decode(text, "all")
        self.target.reset()
        if self.drafter is not None:
            self.drafter.begin(text[:1], lambda: False)
            self.drafter.propose(text, 1, Sampling(0.0), np.random.default_rng(), _NOTHING_BANNED)

    def generate(self, generation: Generation, cancelled: Callable[[], bool] = lambda: False) -> Iterator[Step]:
        """Generate a text, yielding tokens as they become certain.

        ``cancelled`` is asked before every round and every chunk of the prompt; once it says yes the text simply ends.
        The caller may also stop iterating.

        Raises
        ------
        ValueError
            If the prompt is empty or leaves no room in the context.
        LlamaError
            If llama.cpp fails; the engine can be used again.
        """
        prompt, context = generation.prompt, self.target
        if not prompt:
            raise ValueError("the prompt is empty")
        if len(prompt) >= context.n_ctx:
            raise ValueError(f"the prompt's {len(prompt)} tokens leave no room in a context of {context.n_ctx}")
        rng = np.random.default_rng(generation.seed)
        verifier = self._make_verifier(generation.sampling, rng)
        banned = context.model.end_tokens if generation.ignore_eos else _NOTHING_BANNED
        drafter = self.drafter if generation.draft_length > 0 else None
        last_length = min(context.n_ctx, len(prompt) + generation.max_tokens)

        first = self._prefill(prompt, drafter, verifier, banned, cancelled)
        if first is None:
            return
        yield first
        tokens = [*prompt, *first.tokens]
        ended = first.ended
        while not ended and len(tokens) < last_length and not cancelled():
            # The round yields up to k + 1 tokens: drafting past the limit would be wasted.
            k = min(generation.draft_length, last_length - len(tokens) - 1)
            started = time.perf_counter_ns()
            draft = drafter.propose(tokens, k, generation.sampling, rng, banned) if drafter and k else Draft(())
            drafted = time.perf_counter_ns()
            rows = _rows(context.decode([tokens[-1], *draft.tokens], "all"))
            verified = time.perf_counter_ns()
            rows[:, banned] = -np.inf
            verdict = verifier.verify(draft, rows)
            context.truncate(len(tokens) + verdict.accepted)
            new, ended = self._until_end((*draft.tokens[: verdict.accepted], verdict.token))
            tokens.extend(new)
            sampled = time.perf_counter_ns()
            cost = Round(
                k=len(draft.tokens),
                accepted=verdict.accepted,
                draft_ns=drafted - started,
                verify_ns=verified - drafted,
                sample_ns=sampled - verified,
            )
            yield Step(new, cost, ended)

    def _prefill(
        self,
        prompt: Sequence[int],
        drafter: Drafter | None,
        verifier: Verifier,
        banned: TokenIds,
        cancelled: Callable[[], bool],
    ) -> Step | None:
        """Pass over the prompt with both models and choose the first token; None if cancelled meanwhile."""
        context = self.target
        started = time.perf_counter_ns()
        context.reset()
        rows: Logits | None = None
        for start in range(0, len(prompt), context.n_batch):
            if cancelled():
                return None
            chunk = prompt[start : start + context.n_batch]
            rows = context.decode(chunk, "last" if start + len(chunk) == len(prompt) else "none")
        passed = time.perf_counter_ns()
        rows = _rows(rows)
        rows[:, banned] = -np.inf
        tokens, ended = self._until_end((verifier.verify(Draft(()), rows).token,))
        sampled = time.perf_counter_ns()
        if drafter is not None:
            drafter.begin(prompt, cancelled)
        cost = Prefill(
            target_ns=passed - started, draft_ns=time.perf_counter_ns() - sampled, sample_ns=sampled - passed
        )
        return Step(tokens, cost, ended)

    def _until_end(self, tokens: tuple[int, ...]) -> tuple[tuple[int, ...], bool]:
        """Cut tokens after the first that ends the text."""
        ends = self.target.model.end_tokens
        for i, token in enumerate(tokens):
            if token in ends:
                return tokens[: i + 1], True
        return tokens, False


def _rows(rows: Logits | None) -> Logits:
    if rows is None:
        raise LlamaError("llama_decode gave no logits.")
    return rows
