"""How much of a round does the engine spend outside ``llama_decode``? In a process of its own, without HTTP.

    .venv/bin/python benchmarks/outside_decode.py [--k 0 2 4 8] [--sequences 1 4]

Every call of ``llama_decode`` (and of ``llama_synchronize``, which waits for its end) is timed, and so is the loop
around them; what is left over is the engine's own: drafts, sampling, verification, bookkeeping. Rounds count from the
moment on when every sequence has its first token, until the first of them ends.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from collections.abc import Sequence as Ordered
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import llama_cpp as capi

from engine_peers.records import OutsideDecode
from halospec.workloads.prompts import shipped_prompts
from halospec_server.assembly import EngineSettings, build_engine
from halospec_server.chat_template import CHATML, ChatTemplate
from halospec_server.cores import usable_cores
from halospec_server.embedded import embedded_file
from halospec_server.engine import Engine
from halospec_server.generation import Generation
from halospec_server.models import ModelFiles
from halospec_server.sampling import Sampling
from halospec_server.sequence import Sequence


class DecodeClock:
    """Time spent inside llama.cpp's passes."""

    def __init__(self) -> None:
        self.inside_s = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Time the passes of every context."""
        names = ("llama_decode", "llama_synchronize")
        before = {name: getattr(capi, name) for name in names}
        try:
            for name, function in before.items():
                setattr(capi, name, self._timed(function))
            yield
        finally:
            for name, function in before.items():
                setattr(capi, name, function)

    def _timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            started = time.perf_counter()
            try:
                return function(*arguments)
            finally:
                self.inside_s += time.perf_counter() - started

        return timed


def time_rounds(
    engine: Engine, clock: DecodeClock, prompts: Ordered[tuple[int, ...]], k: int, tokens: int
) -> OutsideDecode:
    """Write one text a prompt, all at once, and time the rounds."""
    running = {
        engine.admit(Generation(prompt, tokens, Sampling(0.0), k, drafter="model", ignore_eos=True, cache_prompt=False))
        for prompt in prompts
    }
    begun: set[Sequence] = set()
    while begun != running:
        begun |= {sequence for sequence, _ in engine.step()}
    rounds, started, inside_before = 0, time.perf_counter(), clock.inside_s
    ended = False
    while not ended:
        ended = any(step.finished for _, step in engine.step())
        rounds += 1
    wall_s, inside_s = time.perf_counter() - started, clock.inside_s - inside_before
    for sequence in running:
        engine.release(sequence)
    return OutsideDecode(
        draft_length=k, sequences=len(prompts), rounds=rounds, wall_ms=wall_s * 1e3, decode_ms=inside_s * 1e3
    )


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--k", type=int, nargs="+", default=[0, 1, 2, 3, 4, 8])
    options.add_argument("--sequences", type=int, nargs="+", default=[1, 4])
    options.add_argument("--tokens", type=int, default=128)
    options.add_argument("--repetitions", type=int, default=3)
    options.add_argument("--threads", type=int, default=usable_cores())
    options.add_argument("--target", type=Path, help="GGUF file; the embedded F32 if left out")
    options.add_argument("--draft", type=Path, help="GGUF file; the embedded Q4_1 if left out")
    options.add_argument("--json", action="store_true", help="one object a line instead of a table")
    given = options.parse_args()
    files = ModelFiles(given.target or embedded_file("F32"), given.draft or embedded_file("Q4_1"), "pair")
    settings = EngineSettings(ctx_size=1024, parallel=max(given.sequences), threads=given.threads)
    engine = build_engine(files, settings)
    prompts = _prompts(engine)
    clock = DecodeClock()
    with clock.running():
        engine.warm_up()
        found = [
            _pooled(
                [
                    time_rounds(engine, clock, (prompts * 2)[i % len(prompts) :][:n], k, given.tokens)
                    for i in range(given.repetitions)
                ]
            )
            for n in given.sequences
            for k in given.k
        ]
    engine.close()
    if given.json:
        for one in found:
            print(one.model_dump_json())
        return
    print(f"{'sequences':>9}{'k':>4}{'rounds':>8}{'ms a round':>12}{'outside llama_decode':>22}")
    for one in found:
        print(
            f"{one.sequences:>9}{one.draft_length:>4}{one.rounds:>8}{one.wall_ms / one.rounds:>12.1f}{one.share:>22.1%}"
        )


def _prompts(engine: Engine) -> list[tuple[int, ...]]:
    model = engine.target.model
    template = ChatTemplate(
        model.chat_template or CHATML, bos=model.token_text(model.bos), eos=model.token_text(model.eos)
    )
    rendered = (template.render([{"role": "user", "content": prompt.text}]) for prompt in shipped_prompts())
    return [tuple(model.tokenize(text, add_bos=model.adds_bos)) for text in rendered]


def _pooled(parts: Ordered[OutsideDecode]) -> OutsideDecode:
    return OutsideDecode(
        draft_length=parts[0].draft_length,
        sequences=parts[0].sequences,
        rounds=sum(part.rounds for part in parts),
        wall_ms=sum(part.wall_ms for part in parts),
        decode_ms=sum(part.decode_ms for part in parts),
    )


if __name__ == "__main__":
    main()
