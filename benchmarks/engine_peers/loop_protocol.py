"""What is asked of a decode loop in a process of its own, and what it answers: one JSON object a line each way."""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from halospec.workloads.prompts import shipped_prompts


class LoopRequest(BaseModel):
    """Texts to write at the same time, one a prompt; greedy, and none ends before it has so many tokens."""

    model_config = ConfigDict(frozen=True)

    prompts: tuple[str, ...]
    draft_length: int
    tokens: int


class LoopText(BaseModel):
    """One of them, written; times since the request began."""

    model_config = ConfigDict(frozen=True)

    text: str
    prompt_tokens: int
    tokens: int
    drafted: int
    accepted: int
    first_token_ms: float
    ended_ms: float


class LoopReply(BaseModel):
    """All of them.

    Attributes
    ----------
    rounds, rounds_ms
        The rounds after every text had its first token, and the time they took.
    decode_ms
        Part of ``rounds_ms`` inside ``llama_decode``.
    """

    model_config = ConfigDict(frozen=True)

    texts: tuple[LoopText, ...]
    wall_ms: float
    rounds: int
    rounds_ms: float
    decode_ms: float

    @property
    def outside_decode(self) -> float:
        """Share of the rounds' time that was spent outside ``llama_decode``."""
        return 1 - self.decode_ms / self.rounds_ms


class Loop(Protocol):
    """Something that decodes, on the thread that calls it."""

    def write(self, request: LoopRequest) -> LoopReply:
        """Write the texts."""
        ...


def loop_options(description: str | None) -> argparse.ArgumentParser:
    """Return the options of a program around a loop."""
    options = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--k", type=int, nargs="+", default=[0, 1, 2, 3, 4, 8], help="draft lengths")
    options.add_argument("--sequences", type=int, nargs="+", default=[1, 4], help="texts at once")
    options.add_argument("--tokens", type=int, default=128, help="of each text")
    options.add_argument("--repetitions", type=int, default=3)
    options.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options.add_argument("--ctx-size", type=int, default=1024, help="positions a text may use")
    options.add_argument("--target", type=Path, help="GGUF file; the embedded F32 if left out")
    options.add_argument("--draft", type=Path, help="GGUF file; the embedded Q4_1 if left out")
    options.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    return options


def run_loop(loop: Loop, given: argparse.Namespace) -> None:
    """Answer requests from standard input, or measure and print a table."""
    if given.serve:
        for line in sys.stdin:
            print(loop.write(LoopRequest.model_validate_json(line)).model_dump_json(), flush=True)
        return
    for line in _measured(loop, given):
        print(line)


def _measured(loop: Loop, given: argparse.Namespace) -> Iterator[str]:
    prompts = [prompt.text for prompt in shipped_prompts()] * 2
    yield f"{'sequences':>9}{'k':>4}{'ms/token':>10}{'tokens/s':>10}{'accepted':>10}{'outside llama_decode':>22}"
    for n in given.sequences:
        for k in given.k:
            replies = [
                loop.write(LoopRequest(prompts=tuple(prompts[i % 12 :][:n]), draft_length=k, tokens=given.tokens))
                for i in range(given.repetitions)
            ]
            texts = [text for reply in replies for text in reply.texts]
            ms = sum(t.ended_ms - t.first_token_ms for t in texts) / sum(t.tokens - 1 for t in texts)
            rate = statistics.median(1e3 * n * given.tokens / reply.wall_ms for reply in replies)
            drafted = sum(t.drafted for t in texts)
            share = f"{sum(t.accepted for t in texts) / drafted:.0%}" if drafted else "–"
            outside = statistics.median(reply.outside_decode for reply in replies)
            yield f"{n:>9}{k:>4}{ms:>10.1f}{rate:>10.1f}{share:>10}{outside:>22.1%}"
