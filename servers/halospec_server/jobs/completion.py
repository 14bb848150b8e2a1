"""One text of a request on the decode thread: steps of the engine in, text and an account of what it cost out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from halospec.controllers.decision import Decision
from halospec_server.decoding.generation import Generation, Prefill, Round, Step, TokenLogprob
from halospec_server.jobs.text import TextAssembler

FinishReason = Literal["stop", "length"]

MOST_DECISIONS = 64
"""Reasons that a reply holds; what a rule that never settles would add to them says nothing new."""


@dataclass(frozen=True)
class Written:
    """Text that became certain in one step, and the log probabilities of its tokens where they were asked for."""

    text: str
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True)
class DecisionTaken:
    """What a length policy decided before a round, counted from 0."""

    round: int
    decision: Decision


@dataclass(frozen=True)
class Account:
    """How a text ended and what it cost.

    Attributes
    ----------
    prefill
        None if the text ended before its first token.
    decisions
        The length policy's first ones, where the request asked for reasons.
    drafter
        Name of the drafter in force.
    prompt_ns, predicted_ns
        From getting a slot to the first token, and from there to the end of the last step.
    first_token_ns, ended_ns
        On the clock of ``time.perf_counter_ns``; the first is None if there was none.
    """

    generation: Generation
    finish_reason: FinishReason
    deadline_exceeded: bool
    completion_tokens: int
    prefill: Prefill | None
    rounds: tuple[Round, ...]
    decisions: tuple[DecisionTaken, ...]
    drafter: str
    prompt_ns: int
    predicted_ns: int
    first_token_ns: int | None
    ended_ns: int

    @property
    def cached(self) -> int:
        """Tokens of the prompt that did not have to be decoded."""
        return self.prefill.cached if self.prefill else 0


class Completion:
    """One text in the making.

    Parameters
    ----------
    piece
        Returns the bytes that a token adds to the text.

    Attributes
    ----------
    tokens
        Tokens generated so far.
    admitted_ns, first_token_ns, last_token_ns
        When the text got a slot, and when its first and its last tokens became known.
    ended
        Whether nothing more will come.
    """

    def __init__(self, generation: Generation, stops: tuple[str, ...], piece: Callable[[int], bytes]) -> None:
        self.generation = generation
        self.tokens = 0
        self.drafter = "none"
        self.admitted_ns: int | None = None
        self.first_token_ns: int | None = None
        self.last_token_ns: int | None = None
        self.ended = False
        self._piece = piece
        self._assembler = TextAssembler(stops)
        self._prefill: Prefill | None = None
        self._rounds: list[Round] = []
        self._decisions: list[DecisionTaken] = []
        self._ended_itself = False
        self._unsent: deque[tuple[int, TokenLogprob]] = deque()

    @property
    def stopped(self) -> bool:
        """Whether a stop string ended the text."""
        return self._assembler.stopped

    def take(self, step: Step, now_ns: int) -> Written | None:
        """Take in a step and return what became certain by it."""
        if isinstance(step.cost, Prefill):
            self._prefill = step.cost
            self.first_token_ns = now_ns
        else:
            if step.decision is not None and len(self._decisions) < MOST_DECISIONS:
                self._decisions.append(DecisionTaken(len(self._rounds), step.decision))
            self._rounds.append(step.cost)
        self.last_token_ns = now_ns
        self._ended_itself = step.ended
        text = ""
        for place, token in enumerate(step.tokens):
            self.tokens += 1
            if step.logprobs:
                self._unsent.append((self._assembler.read, step.logprobs[place]))
            text += self._assembler.push(self._piece(token))
            if self._assembler.stopped:
                break
        return Written(text, self._begun_before(self._assembler.released)) if text else None

    def finish(self) -> Written | None:
        """Return what was held back, at the end of a text."""
        self.ended = True
        if self.stopped:
            return None
        text = self._assembler.finish()
        # A token that begins where a stop string does is no part of the text; without one all tokens are.
        logprobs = self._begun_before(self._assembler.released if self.stopped else self._assembler.read + 1)
        return Written(text, logprobs) if text or logprobs else None

    def account(self, now_ns: int, *, deadline_exceeded: bool = False) -> Account:
        """Say how the text ended and what it cost."""
        admitted_ns = now_ns if self.admitted_ns is None else self.admitted_ns
        first_ns = self.first_token_ns
        return Account(
            generation=self.generation,
            finish_reason="stop" if self._ended_itself or self.stopped else "length",
            deadline_exceeded=deadline_exceeded,
            completion_tokens=self.tokens,
            prefill=self._prefill,
            rounds=tuple(self._rounds),
            decisions=tuple(self._decisions),
            drafter=self.drafter,
            prompt_ns=(now_ns if first_ns is None else first_ns) - admitted_ns,
            predicted_ns=0 if first_ns is None or self.last_token_ns is None else self.last_token_ns - first_ns,
            first_token_ns=first_ns,
            ended_ns=now_ns,
        )

    def _begun_before(self, character: int) -> tuple[TokenLogprob, ...]:
        """Return the log probabilities, each once, of the tokens that begin before a character of the text."""
        begun: list[TokenLogprob] = []
        while self._unsent and self._unsent[0][0] < character:
            begun.append(self._unsent.popleft()[1])
        return tuple(begun)
