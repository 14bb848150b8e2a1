"""Engines on the tiny pair, what they generate, and a gate that lets a test decide how far decoding gets."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import numpy as np

from halospec.controllers.spelling import round_rule
from halospec_server.assembly import EngineSettings, build_engine
from halospec_server.decoding.engine import Engine, MakeVerifier, exact_verifier
from halospec_server.decoding.generation import Generation, Round, Step
from halospec_server.decoding.sampling import Sampling
from halospec_server.drafters.protocol import Draft
from halospec_server.lengths.rules import MakeRule
from halospec_server.llama import Logits
from halospec_server.model_files.choice import ModelFiles
from halospec_server.verifiers.protocol import Verdict, Verifier
from tiny_models import BOS, FIRST_PIECE, PIECES

Pair = tuple[Path, Path]
DrafterName = Literal["model", "prompt_lookup", "ngram_store", "none"]
DRAFTERS: tuple[DrafterName, ...] = ("model", "prompt_lookup", "ngram_store")

GREEDY = Sampling(temperature=0.0)
PATIENCE_S = 30.0
"""How long to wait for what must happen in the end; far longer than it takes."""


def open_engine(
    pair: Pair,
    drafter: DrafterName = "model",
    make_verifier: MakeVerifier = exact_verifier,
    *,
    make_rule: MakeRule = round_rule,
    threads: int = 1,
    max_threads: int = 4,
    ctx_size: int = 256,
    parallel: int = 1,
    batch_size: int = 256,
    prefill_chunk: int = 64,
) -> Engine:
    """Load the pair, with ``drafter`` for requests that name none; whoever calls this closes the engine."""
    settings = EngineSettings(
        ctx_size=ctx_size,
        parallel=parallel,
        threads=threads,
        max_threads=max_threads,
        batch_size=batch_size,
        prefill_chunk=prefill_chunk,
        attention="exact",
        drafter=drafter,
    )
    return build_engine(ModelFiles(*pair, "tiny"), settings, make_verifier, make_rule)


def prompt_of(text: str) -> tuple[int, ...]:
    """Return a prompt of syllables separated by spaces, such as ``"ka mo ti"``."""
    return (BOS, *(FIRST_PIECE + PIECES.index(f"▁{syllable}") for syllable in text.split()))


def greedy(prompt: Sequence[int], max_tokens: int, draft_length: int = 0, *, ignore_eos: bool = True) -> Generation:
    """Ask for a greedy text, by default one that no token ends."""
    return Generation(tuple(prompt), max_tokens, GREEDY, draft_length, ignore_eos=ignore_eos)


def plain(generation: Generation) -> Generation:
    """Ask for the same without speculation."""
    return replace(generation, draft_length=0)


def tokens_of(steps: Sequence[Step]) -> tuple[int, ...]:
    """Return the tokens of a whole generation."""
    return tuple(token for step in steps for token in step.tokens)


def rounds_of(steps: Sequence[Step]) -> list[Round]:
    """Return the rounds of a whole generation."""
    return [step.cost for step in steps if isinstance(step.cost, Round)]


@dataclass
class Gate:
    """Makes verifiers that wait to be let through, and keeps account of what they were asked.

    Leaving it as a context manager opens it for good, so that nothing waits for ever.

    Attributes
    ----------
    served
        The sampling of each request that decoding began for, in order.
    verified
        How many of the target's passes were judged for each of them.
    """

    served: list[Sampling] = field(default_factory=list)
    verified: list[int] = field(default_factory=list)
    _permits: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    _open: threading.Event = field(default_factory=threading.Event)

    def make_verifier(self, sampling: Sampling, rng: np.random.Generator) -> Verifier:
        """Stand in for `exact_verifier`."""
        self.served.append(sampling)
        self.verified.append(0)
        return _Gated(self, len(self.served) - 1, exact_verifier(sampling, rng))

    def let_through(self, passes: int) -> None:
        """Allow so many passes more."""
        for _ in range(passes):
            self._permits.release()

    def open(self) -> None:
        """Allow all there will be."""
        self._open.set()
        self._permits.release()

    def pass_through(self, request: int) -> None:
        """Wait to be let through; called on the decode thread."""
        if not self._permits.acquire(timeout=PATIENCE_S):
            raise TimeoutError("nobody opened the gate")
        if self._open.is_set():
            self._permits.release()
        self.verified[request] += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.open()


@dataclass(frozen=True)
class _Gated:
    gate: Gate
    request: int
    verifier: Verifier

    def verify(self, draft: Draft, rows: Logits) -> Verdict:
        self.gate.pass_through(self.request)
        return self.verifier.verify(draft, rows)
