"""What a pass over b tokens costs, by the format of the weights: the T(b) that decides whether speculation pays.

    .venv/bin/python benchmarks/pass_cost.py [--repetitions 7]

The embedded model in all three formats, 64 tokens of context, formats and widths in turn.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict

from embedded_pair import CORES, PROMPT
from halospec_server.llama import Context, Model, Piece
from halospec_server.model_files.embedded import embedded_file

FORMATS = ("F32", "Q4_1", "Q4_0")
WIDTHS = (1, 2, 3, 4, 5, 9, 16)


def main() -> None:
    """Measure every format at every width and print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--repetitions", type=int, default=7)
    repetitions = options.parse_args().repetitions
    contexts = {
        form: Context(Model(embedded_file(form)), n_ctx=512, n_threads=CORES, max_outputs=max(WIDTHS))
        for form in FORMATS
    }
    found: dict[tuple[str, int], list[float]] = defaultdict(list)
    for _ in range(repetitions):
        for form, context in contexts.items():
            for width in WIDTHS:
                found[form, width] += [_pass_ms(context, width) for _ in range(3)]
    print("ms at b = 1, then relative to it" + "".join(f"{f'b = {width}':>9}" for width in WIDTHS[1:]))
    for form in FORMATS:
        single = statistics.median(found[form, 1])
        ratios = [statistics.median(found[form, width]) / single for width in WIDTHS[1:]]
        print(f"{form:>20} {single:>8.1f} ms" + "".join(f"{ratio:>9.2f}" for ratio in ratios))


def _pass_ms(context: Context, width: int) -> float:
    if context.lengths[0] == 0:
        context.decode([Piece(0, [*PROMPT, *PROMPT[:24]], 0)])
    kept = context.lengths[0]
    started = time.perf_counter()
    context.decode([Piece(0, PROMPT[:width], width)])
    elapsed_ms = (time.perf_counter() - started) * 1e3
    context.truncate(0, kept)
    return elapsed_ms


if __name__ == "__main__":
    main()
