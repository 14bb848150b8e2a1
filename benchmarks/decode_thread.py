"""What it costs when another thread than the decoding one has decoded before: a second OpenMP team.

    .venv/bin/python benchmarks/decode_thread.py [--repetitions 5]

Both cases run in processes of their own, in turn: warmed up on the thread that decodes, or on the main thread first.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import threading

CASES = ("same thread", "another thread")
LENGTHS = (0, 4)


def main() -> None:
    """Measure both cases and print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--repetitions", type=int, default=5)
    options.add_argument("--child", choices=CASES, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.child:
        print(json.dumps(_measure(warm_up_elsewhere=given.child != CASES[0])))
        return
    found: dict[str, list[list[float]]] = {case: [] for case in CASES}
    for _ in range(given.repetitions):
        for case in CASES:
            command = [sys.executable, __file__, "--child", case]
            found[case] += [json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)]
    print(f"{'warmed up on':>16}" + "".join(f"{f'ms/token, k = {k}':>20}" for k in LENGTHS))
    for case in CASES:
        medians = map(statistics.median, zip(*found[case], strict=True))
        print(f"{case:>16}" + "".join(f"{median:>20.1f}" for median in medians))


def _measure(*, warm_up_elsewhere: bool) -> list[float]:
    from embedded_pair import ms_per_token, open_engine

    engine = open_engine()
    if warm_up_elsewhere:
        engine.warm_up()
    medians: list[float] = []

    def decode() -> None:
        engine.warm_up()
        medians.extend(statistics.median(ms_per_token(engine, k) for _ in range(3)) for k in LENGTHS)

    thread = threading.Thread(target=decode)
    thread.start()
    thread.join()
    engine.close()
    return medians


if __name__ == "__main__":
    main()
