"""What a drafter is."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from halospec.controllers.per_round import DraftStop
from halospec_server.decoding.logit_rules import LogitRules
from halospec_server.decoding.sampling import Probabilities, Sampling


@dataclass(frozen=True)
class DraftRequest:
    """A sequence that wants a draft.

    Attributes
    ----------
    slot
        The sequence's number, stable from ``begin`` to ``end``.
    tokens
        The verified text, prompt included; between ``begin`` and ``end`` it only grows. Not to be changed or kept.
    k
        Tokens to propose at most, at least 1.
    rules
        What the request does to logits before a token is chosen; applied to a draft model's logits too, so that a
        banned token is never proposed.
    p_min
        The draft ends before a token whose place has no candidate at least this likely.
    threads
        For a draft model's passes; None leaves the server's own number.
    stop
        The draft also ends before a token where this says so, by what a draft model offers there; drafters without a
        model leave it alone.
    """

    slot: int
    tokens: Sequence[int]
    k: int
    sampling: Sampling
    rules: LogitRules
    rng: np.random.Generator
    p_min: float = 0.0
    threads: int | None = None
    stop: DraftStop | None = None


@dataclass(frozen=True)
class Followed:
    """A sequence whose prompt is being taken in: the drafter may follow up to its first ``length`` tokens."""

    slot: int
    tokens: Sequence[int]
    length: int
    threads: int | None = None


@dataclass(frozen=True)
class Draft:
    """Tokens proposed in one round.

    Attributes
    ----------
    distributions
        The distribution each token was drawn from, for rejection sampling; None where the tokens were not drawn but
        are simply proposed (greedy drafting, n-grams): a point mass on each.
    catch_up_ns
        Time spent on text the drafter had missed, before it could propose anything.
    threads
        Threads of the draft model's last pass; 0 where no model drafted.
    """

    tokens: tuple[int, ...]
    distributions: tuple[Probabilities, ...] | None = None
    catch_up_ns: int = 0
    threads: int = 0


EVERYTHING = sys.maxsize


class Drafter(Protocol):
    """Proposes the next tokens of several sequences."""

    @property
    def name(self) -> str:
        """The word for it in requests, responses and on the command line."""
        ...

    def begin(self, slot: int, prompt: Sequence[int], *, reuse: bool) -> None:
        """Take note that a text begins in a slot; ``reuse``: what earlier texts left in a cache may serve it."""
        ...

    @property
    def lessons(self) -> int:
        """How much has been learned from texts that are complete: a draft hangs on it, and so does a seed's text."""
        ...

    def propose(
        self, requests: Sequence[DraftRequest], following: Sequence[Followed], most_missed: int = EVERYTHING
    ) -> list[Draft]:
        """Return a draft for each request, in order, and take in the prompts that are followed.

        ``most_missed`` limits how many tokens of text that it had missed the drafter takes in now, so that nobody waits
        for long; a request that it is too far behind for gets an empty draft.

        A draft must not depend on random numbers that the request has yet to use: whether a token is proposed may not
        hang on which token was drawn for its place, or rejection sampling is biased.
        """
        ...

    def end(self, slot: int, tokens: Sequence[int]) -> None:
        """Take note that the text in a slot is complete, or given up; ``tokens`` is all of it."""
        ...

    def reset(self) -> None:
        """Forget every text that is under way, and what a cache holds of earlier ones."""
        ...

    def close(self) -> None:
        """Free what it holds."""
        ...
