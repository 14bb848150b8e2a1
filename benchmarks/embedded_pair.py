"""What the measurements here share: the embedded pair, and the time a token takes."""

from __future__ import annotations

import os
import time

from halospec_server.assembly import EngineSettings, build_engine
from halospec_server.decoding.engine import Engine
from halospec_server.decoding.generation import Generation
from halospec_server.decoding.sampling import Sampling
from halospec_server.model_files.choice import ModelFiles
from halospec_server.model_files.embedded import embedded_file

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
PROMPT = tuple(range(1000, 1040))


def open_engine() -> Engine:
    """Load the F32 target and its Q4_1 draft, a thread for each core."""
    files = ModelFiles(embedded_file("F32"), embedded_file("Q4_1"), "pair")
    return build_engine(files, EngineSettings(ctx_size=512, threads=CORES))


def ms_per_token(engine: Engine, draft_length: int, tokens: int = 24) -> float:
    """Decode greedily and return the time per token after the first."""
    asked = Generation(PROMPT, tokens, Sampling(0.0), draft_length, ignore_eos=True, cache_prompt=False)
    steps = engine.generate(asked)
    next(steps)
    started = time.perf_counter()
    written = sum(len(step.tokens) for step in steps)
    return (time.perf_counter() - started) * 1e3 / written
