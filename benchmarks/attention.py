"""What exact attention costs on this machine, and what it is good for, with both models of the embedded pair.

    .venv/bin/python benchmarks/attention.py [--repetitions N]

Speed: a pass over b positions with exact attention and with fast, in turns. Exactness: how far the logits of one and
the same text move when it is decoded by passes of five positions into cells that another text has left, instead of
token by token into an empty cache: that is what happens to a text that is speculated on beside others.
"""

from __future__ import annotations

import argparse
import statistics
import time
from contextlib import closing
from typing import get_args

import numpy as np

from embedded_pair import CORES
from halospec_server.llama import Attention, Context, Logits, Model, Piece
from halospec_server.model_files.embedded import Format, embedded_file

FILLED = ((256, 0), (256, 3), (900, 0), (900, 3))
"""Tokens that a text has in the cache before a pass is measured, and how many others of that length lie beside it."""
FILL_WIDTH = 128
LENGTH, WIDTH = 160, 5
WIDTHS = (1, 2, 5, 9, 16)
FORMATS: tuple[Format, ...] = ("F32", "Q4_1")
KINDS: tuple[Attention, ...] = get_args(Attention)


def main() -> None:
    """Print two tables."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--repetitions", type=int, default=15)
    repetitions = options.parse_args().repetitions
    print("time of a pass with exact attention, relative to fast; medians")
    print(f"{'tokens in the cache':>28}" + "".join(f"{f'b = {b}':>9}" for b in WIDTHS))
    for form in FORMATS:
        with closing(Model(embedded_file(form))) as model:
            for filled, others in FILLED:
                beside = f" + {others} x {filled}" if others else ""
                ratios = "".join(f"{ratio:>9.2f}" for ratio in _ratios(model, filled, others, repetitions))
                print(f"{form:>8}{f'{filled}{beside}':>20}{ratios}")
    print(f"\nhow far apart logits lie, {LENGTH} tokens: narrow passes into an empty cache, wide ones into a used one")
    print(f"{'':>8}{'attention':>12}{'median':>10}{'greatest':>10}{'other favourite':>18}")
    for form in FORMATS:
        with closing(Model(embedded_file(form))) as model:
            for kind in KINDS:
                narrow, wide = _in_order(model, kind), _in_gaps(model, kind)
                apart = np.abs(narrow - wide).max(axis=1)
                flips = int((narrow.argmax(axis=1) != wide.argmax(axis=1)).sum())
                print(f"{form:>8}{kind:>12}{np.median(apart):>10.1g}{apart.max():>10.1g}{f'{flips} of {LENGTH}':>18}")


def _ratios(model: Model, filled: int, others: int, repetitions: int) -> list[float]:
    contexts = {kind: _context(model, kind) for kind in KINDS}
    for context in contexts.values():
        for slot in range(1 + others):
            for start in range(0, filled, FILL_WIDTH):
                context.decode([Piece(slot, _text(filled)[start : start + FILL_WIDTH], 0)])
    ratios = []
    for width in WIDTHS:
        times: dict[Attention, list[float]] = {kind: [] for kind in KINDS}
        for _ in range(repetitions):
            for kind, context in contexts.items():
                started = time.perf_counter()
                context.decode([Piece(0, _text(width), width)])
                times[kind].append(time.perf_counter() - started)
                context.truncate(0, filled)
        ratios.append(statistics.median(times["exact"]) / statistics.median(times["fast"]))
    for context in contexts.values():
        context.close()
    return ratios


def _in_order(model: Model, kind: Attention) -> Logits:
    with closing(_context(model, kind)) as context:
        return np.concatenate([context.decode([Piece(0, [token], 1)]).copy() for token in _text(LENGTH)])


def _in_gaps(model: Model, kind: Attention) -> Logits:
    """Decode the first half behind another text, and the second in the cells that it leaves."""
    text = _text(LENGTH)
    passes = [text[start : start + WIDTH] for start in range(0, LENGTH, WIDTH)]
    rows = []
    with closing(_context(model, kind)) as context:
        context.decode([Piece(1, text[: LENGTH // 2], 0)])
        for i, tokens in enumerate(passes):
            if i == len(passes) // 2:
                context.truncate(1, 0)
            rows.append(context.decode([Piece(0, tokens, WIDTH)]).copy())
    return np.concatenate(rows)


def _context(model: Model, kind: Attention) -> Context:
    return Context(model, n_ctx=1024, n_slots=4, n_threads=CORES, max_outputs=max(WIDTHS), attention=kind)


def _text(length: int) -> list[int]:
    return [int(token) for token in np.random.default_rng(5).integers(1000, 40_000, length)]


if __name__ == "__main__":
    main()
