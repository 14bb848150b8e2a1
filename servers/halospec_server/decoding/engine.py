"""The decode loop: in every step each sequence drafts k tokens, and one target pass verifies all drafts.

A step is one pass of the target over, for each sequence that is being written, its last token and its draft, and
beside them a chunk of the prompts that are still being read. The target's cache always holds a sequence's whole text
but its last token, which is the first input of its next round.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Sequence as Ordered
from dataclasses import dataclass

import numpy as np

from halospec_server.decoding.cached_texts import CachedTexts
from halospec_server.decoding.generation import Generation, Round, Step, TokenLogprob
from halospec_server.decoding.logit_rules import LogitRules
from halospec_server.decoding.logprobs import logprob_of
from halospec_server.decoding.planning import Part, Planner, draft_all
from halospec_server.decoding.sampling import Sampling, TokenIds
from halospec_server.decoding.sequence import Sequence
from halospec_server.decoding.slots import NoFreeSlot, Slots, SlotState
from halospec_server.decoding.threads import fewest
from halospec_server.drafters.model import ModelDrafter
from halospec_server.drafters.protocol import Draft, Drafter
from halospec_server.lengths.fixed import FixedLength
from halospec_server.lengths.protocol import LengthPolicy
from halospec_server.lengths.rules import LengthRules
from halospec_server.llama import Context, Logits
from halospec_server.verifiers.greedy import GreedyVerifier
from halospec_server.verifiers.protocol import Verifier
from halospec_server.verifiers.rejection import RejectionVerifier

NO_DRAFTER = "none"
_NOTHING_BANNED: TokenIds = np.array([], dtype=np.int64)

MakeVerifier = Callable[[Sampling, np.random.Generator], Verifier]


def exact_verifier(sampling: Sampling, rng: np.random.Generator) -> Verifier:
    """Return the verifier that leaves the target's output as it is: token match if greedy, rejection otherwise."""
    return GreedyVerifier() if sampling.greedy else RejectionVerifier(sampling, rng)


@dataclass(frozen=True)
class _Passes:
    """What the sequences of a step have in common."""

    draft_ns: int
    verify_ns: int
    sequences: int
    width: int
    threads: int


class Engine:
    """A target, drafters, and the loop between them.

    All methods but `check` are for one and the same thread.

    Parameters
    ----------
    target
        Must give at least ``MAX_DRAFT_LENGTH + 1`` rows of logits a pass for each of its slots.
    drafters
        Those that a request may choose from; ``none`` is always understood.
    rules
        Those that a request may leave its draft length to, with what they learn while the engine lives.
    default_drafter, default_policy
        For requests that name none.
    prefill_chunk
        Tokens of prompts that a step takes in at most while other sequences wait for their next round.
    make_verifier
        Chooses the acceptance rule of a request.
    """

    def __init__(
        self,
        target: Context,
        drafters: Ordered[Drafter],
        rules: LengthRules,
        *,
        default_drafter: str = NO_DRAFTER,
        default_policy: str = "heuristic",
        prefill_chunk: int = 64,
        make_verifier: MakeVerifier = exact_verifier,
    ) -> None:
        self.target = target
        self.drafters: Mapping[str, Drafter] = {drafter.name: drafter for drafter in drafters}
        self.rules = rules
        self.default_drafter = default_drafter
        self.default_policy = default_policy
        self.parallel = target.n_slots
        self.texts = CachedTexts(target)
        self._slots = Slots(self.texts)
        self._planner = Planner(self.texts, prefill_chunk)
        self._end_tokens = frozenset(target.model.end_tokens.tolist())
        self._make_verifier = make_verifier

    @property
    def free(self) -> int:
        """Slots without a running sequence."""
        return self.parallel - len(self._slots.running)

    def check(self, generation: Generation) -> None:
        """Refuse what cannot be generated.

        Raises
        ------
        ValueError
            If the prompt is empty or leaves no room in the context, or a name is unknown, or a setting with it.
        """
        n = len(generation.prompt)
        if n == 0:
            raise ValueError("the prompt is empty")
        if n >= self.target.n_ctx:
            raise ValueError(f"the prompt's {n} tokens leave no room in a context of {self.target.n_ctx}")
        names = (*self.drafters, NO_DRAFTER)
        if generation.drafter not in (None, *names):
            raise ValueError(f"there is no drafter {generation.drafter!r} here; choose one of {', '.join(names)}")
        if generation.length_policy is not None:
            self.rules.check(generation.length_policy)

    def admit(self, generation: Generation) -> Sequence:
        """Give a request a slot; its first token comes from one of the next steps.

        Raises
        ------
        NoFreeSlot
            If every slot has a running sequence.
        ValueError
            As `check`.
        """
        self.check(generation)
        if self.free == 0:
            raise NoFreeSlot
        drafter = self._drafter_for(generation)
        policy = self._policy_for(generation, drafter)
        rng = _random_numbers(generation, drafter, policy)
        sequence = Sequence(
            slot=self._slots.choose(generation),
            generation=generation,
            tokens=list(generation.prompt),
            final_length=min(len(generation.prompt) + generation.max_tokens, self.target.n_ctx),
            drafter=drafter,
            policy=policy,
            verifier=self._make_verifier(generation.sampling, rng),
            rules=LogitRules(
                generation.sampling, self.target.model.end_tokens if generation.ignore_eos else _NOTHING_BANNED
            ),
            rng=rng,
        )
        self._slots.occupy(sequence)
        return sequence

    def release(self, sequence: Sequence) -> None:
        """Give a slot back; what it holds serves later requests with the same beginning."""
        if sequence.released:
            return
        self._slots.vacate(sequence)
        if sequence.drafter is not None and sequence.started:
            sequence.drafter.end(sequence.slot, sequence.tokens)

    def step(self) -> list[tuple[Sequence, Step]]:
        """Take every running sequence one round, or one chunk of its prompt, further.

        Returns
        -------
        What became certain; nothing for a sequence that is still in its prompt.

        Raises
        ------
        LlamaError
            If llama.cpp fails; the engine must then be `reset`.
        """
        parts = self._planner.plan(self._slots.running)
        if not parts:
            return []
        started_ns = time.perf_counter_ns()
        drafts = draft_all(parts, self.drafters.values(), self._planner.most_missed(parts))
        drafted_ns = time.perf_counter_ns()
        pieces = [part.piece(draft) for part, draft in zip(parts, drafts, strict=True)]
        self.target.use_threads(fewest(part.setting.threads for part in parts))
        rows = self.texts.decode(pieces)
        verified_ns = time.perf_counter_ns()
        width = sum(len(piece.tokens) for piece in pieces)
        passes = _Passes(
            draft_ns=drafted_ns - started_ns,
            verify_ns=verified_ns - drafted_ns,
            sequences=len(parts),
            width=width,
            threads=self.target.threads_for(width),
        )
        steps: list[tuple[Sequence, Step]] = []
        first = 0
        for part, draft, piece in zip(parts, drafts, pieces, strict=True):
            step = self._conclude(part, draft, rows[first : first + piece.rows], passes)
            first += piece.rows
            if step is not None:
                steps.append((part.sequence, step))
        return steps

    def generate(self, generation: Generation, cancelled: Callable[[], bool] = lambda: False) -> Iterator[Step]:
        """Generate one text, yielding tokens as they become certain.

        ``cancelled`` is asked before every step; once it says yes the text simply ends. The caller may also stop
        iterating. Other sequences that run meanwhile go on, and what they write is lost.
        """
        sequence = self.admit(generation)
        try:
            while not sequence.released and not cancelled():
                yield from (step for owner, step in self.step() if owner is sequence)
        finally:
            self.release(sequence)

    def warm_up(self) -> None:
        """Run every kind of round once, so that page faults and lazy set-up do not fall on the first request."""
        prompt = (max(self.target.model.bos, 0),)
        drafter = ModelDrafter.name if ModelDrafter.name in self.drafters else NO_DRAFTER
        for draft_length in (0, 2):
            generation = Generation(prompt, 6, Sampling(0.0), draft_length, drafter=drafter, ignore_eos=True)
            list(self.generate(generation))
        self.reset()

    def slots(self) -> list[SlotState]:
        """Say what each slot holds, by the engine's own books and by llama.cpp's."""
        drafter = self.drafters.get(ModelDrafter.name)
        return self._slots.states(drafter.texts if isinstance(drafter, ModelDrafter) else None)

    def reset(self) -> None:
        """Drop every sequence, and forget every text and what rules have learned from it."""
        for sequence in list(self._slots.running):
            self.release(sequence)
        self.texts.reset()
        self.rules.forget()
        for drafter in self.drafters.values():
            drafter.reset()

    def close(self) -> None:
        """Free all models."""
        for drafter in self.drafters.values():
            drafter.close()
        self.target.close()
        self.target.model.close()

    def _drafter_for(self, generation: Generation) -> Drafter | None:
        if generation.draft_length == 0:
            return None
        return self.drafters.get(generation.drafter or self.default_drafter)

    def _policy_for(self, generation: Generation, drafter: Drafter | None) -> LengthPolicy:
        if drafter is None:
            return FixedLength(0)
        if generation.draft_length is not None:
            return FixedLength(generation.draft_length)
        spelling = self.default_policy if generation.length_policy is None else generation.length_policy
        return self.rules.for_text(spelling, drafter.name, explained=generation.explain)

    def _conclude(self, part: Part, draft: Draft, rows: Logits, passes: _Passes) -> Step | None:
        """Judge one sequence's draft by the target's logits and add what is certain to its text."""
        started_ns = time.perf_counter_ns()
        sequence = part.sequence
        first = sequence.in_prompt
        if first:
            sequence.prompt_target_ns += passes.verify_ns
            if sequence.drafter is not None:
                sequence.prompt_draft_ns += passes.draft_ns
            if self.texts.length(sequence.slot) < sequence.prompt_length:
                return None
            sequence.in_prompt = False
        top = sequence.generation.top_logprobs
        raw = rows.copy() if top is not None and sequence.rules.active else rows
        if sequence.rules.active:
            for i, row in enumerate(rows):
                sequence.rules.apply(row, draft.tokens[:i])
        verdict = sequence.verifier.verify(draft, rows)
        tokens, ended = self._until_end((*draft.tokens[: verdict.accepted], verdict.token))
        logprobs: tuple[TokenLogprob, ...] = ()
        if top is not None:
            logprobs = tuple(logprob_of(row, token, top) for row, token in zip(raw, tokens, strict=False))
        sequence.extend(tokens)
        self.texts.truncate(sequence.slot, len(sequence.tokens) - 1)
        finished = ended or sequence.finished
        if finished:
            self.release(sequence)
        sample_ns = time.perf_counter_ns() - started_ns
        if first:
            return Step(tokens, sequence.prefill(sample_ns), ended, finished, logprobs)
        done = Round(
            limit=part.setting.draft_length,
            k=len(draft.tokens),
            accepted=verdict.accepted,
            draft_ns=passes.draft_ns,
            catch_up_ns=draft.catch_up_ns,
            verify_ns=passes.verify_ns,
            sample_ns=sample_ns,
            sequences=passes.sequences,
            width=passes.width,
            threads=passes.threads,
            draft_threads=draft.threads,
        )
        decision = sequence.policy.decision
        sequence.policy.update(done)
        return Step(tokens, done, ended, finished, logprobs, decision)

    def _until_end(self, tokens: tuple[int, ...]) -> tuple[tuple[int, ...], bool]:
        """Cut tokens after the first that ends the text."""
        for i, token in enumerate(tokens):
            if token in self._end_tokens:
                return tokens[: i + 1], True
        return tokens, False


def _random_numbers(generation: Generation, drafter: Drafter | None, policy: LengthPolicy) -> np.random.Generator:
    """Return a request's own source of chance.

    A seed stands for other numbers with another prompt, and once a drafter or a policy has learned more: what it
    learned from a text that the same numbers had chosen would foretell them, and the draft, or its length, would not
    be independent of its judge.
    """
    if generation.seed is None:
        return np.random.default_rng()
    prompt = zlib.crc32(np.asarray(generation.prompt, dtype=np.int32).tobytes())
    lessons = drafter.lessons if drafter is not None else 0
    return np.random.default_rng([generation.seed, prompt, lessons, policy.lessons])
