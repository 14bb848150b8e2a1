"""The engine without its server: what it takes, and how much of a round it spends outside ``llama_decode``.

    .venv/bin/python benchmarks/engine_loop.py [--k 0 2 4 8] [--sequences 1 4] [--repetitions 3]

Every call of ``llama_decode`` (and of ``llama_synchronize``, which waits for its end) is timed, and so is the loop
around them; what is left over is the engine's own: drafts, sampling, verification, bookkeeping. With --serve it reads
requests from standard input; that is how engine.py sets it between the bare loop and the servers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import llama_cpp as capi

from engine_peers.loop_protocol import LoopReply, LoopRequest, LoopText, loop_options, run_loop
from halospec_server.assembly import EngineSettings, build_engine
from halospec_server.decoding.engine import Engine
from halospec_server.decoding.generation import Generation, Round, Step
from halospec_server.decoding.sampling import Sampling
from halospec_server.decoding.sequence import Sequence
from halospec_server.http.chat_template import CHATML, ChatTemplate
from halospec_server.model_files.choice import ModelFiles
from halospec_server.model_files.embedded import embedded_file


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


@dataclass
class Progress:
    """What became of one text so far."""

    first_token_s: float = 0.0
    ended_s: float = 0.0
    drafted: int = 0
    accepted: int = 0

    def take(self, step: Step, now_s: float) -> None:
        """Take in a step that ended just now."""
        self.first_token_s = self.first_token_s or now_s
        self.ended_s = now_s
        if isinstance(step.cost, Round):
            self.drafted += step.cost.k
            self.accepted += step.cost.accepted


class EngineLoop:
    """An engine, driven by the thread that asks."""

    def __init__(self, engine: Engine, clock: DecodeClock) -> None:
        self._engine = engine
        self._clock = clock
        self._model = model = engine.target.model
        self._template = ChatTemplate(
            model.chat_template or CHATML, bos=model.token_text(model.bos), eos=model.token_text(model.eos)
        )

    def write(self, request: LoopRequest) -> LoopReply:
        """Write one text a prompt, all at the same time."""
        prompts = [self._tokenize(prompt) for prompt in request.prompts]
        started_s = time.perf_counter()
        texts = {self._engine.admit(self._generation(prompt, request)): Progress() for prompt in prompts}
        while not all(text.first_token_s for text in texts.values()):
            self._step(texts)
        rounds, rounds_from_s, inside_before_s = 0, time.perf_counter(), self._clock.inside_s
        while not all(sequence.finished for sequence in texts):
            self._step(texts)
            rounds += 1
        now_s = time.perf_counter()
        return LoopReply(
            texts=tuple(self._written(sequence, text, started_s) for sequence, text in texts.items()),
            wall_ms=(now_s - started_s) * 1e3,
            rounds=rounds,
            rounds_ms=(now_s - rounds_from_s) * 1e3,
            decode_ms=(self._clock.inside_s - inside_before_s) * 1e3,
        )

    def _step(self, texts: dict[Sequence, Progress]) -> None:
        steps = self._engine.step()
        now_s = time.perf_counter()
        for sequence, step in steps:
            texts[sequence].take(step, now_s)

    def _generation(self, prompt: tuple[int, ...], request: LoopRequest) -> Generation:
        return Generation(
            prompt,
            request.tokens,
            Sampling(0.0),
            request.draft_length,
            drafter="model",
            ignore_eos=True,
            cache_prompt=False,
        )

    def _tokenize(self, prompt: str) -> tuple[int, ...]:
        rendered = self._template.render([{"role": "user", "content": prompt}])
        return tuple(self._model.tokenize(rendered, add_bos=self._model.adds_bos))

    def _written(self, sequence: Sequence, text: Progress, started_s: float) -> LoopText:
        written = sequence.tokens[sequence.prompt_length :]
        return LoopText(
            text=b"".join(map(self._model.piece, written)).decode(errors="replace"),
            prompt_tokens=sequence.prompt_length,
            tokens=len(written),
            drafted=text.drafted,
            accepted=text.accepted,
            first_token_ms=(text.first_token_s - started_s) * 1e3,
            ended_ms=(text.ended_s - started_s) * 1e3,
        )


def main() -> None:
    """Measure and print, or answer requests."""
    given = loop_options(__doc__).parse_args()
    files = ModelFiles(given.target or embedded_file("F32"), given.draft or embedded_file("Q4_1"), "pair")
    settings = EngineSettings(ctx_size=given.ctx_size, parallel=max(given.sequences), threads=given.threads)
    engine = build_engine(files, settings)
    clock = DecodeClock()
    with clock.running():
        engine.warm_up()
        run_loop(EngineLoop(engine, clock), given)
    engine.close()


if __name__ == "__main__":
    main()
