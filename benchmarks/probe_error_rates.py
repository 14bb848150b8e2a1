"""How often the probe's verdict by time errs, by simulated probes of servers that count nothing.

    .venv/bin/python benchmarks/probe_error_rates.py [--probes 1000]

The simulated machine is a bad one: its speed wanders (an autocorrelated log speed), and single tokens are late. Seeds
are fixed, so that the table is the same on every machine.
"""

from __future__ import annotations

import argparse
import math
import random
from collections import Counter
from collections.abc import Callable

from halospec.endpoints.types import Completion
from halospec.inference.sign_flips import pairs_needed
from halospec.probe.canaries import Canary, Cell
from halospec.probe.order import order_of_blocks
from halospec.probe.paired_tests import paired_tests
from halospec.probe.time_verdict import LEVEL, judge_time
from halospec.records.probe import PairedTest, Verdict

TOKENS = 32
PAIRS = pairs_needed(2, LEVEL)
WANDER = (0.05, 0.3, 0.8)
"""Standard deviations of the log speed: a quiet machine, a busy one, one whose speed doubles and halves."""

Step = Callable[[int, random.Random], tuple[float, int]]
"""For a k: the time of one step of decoding relative to a plain one, and the tokens that it yields."""


def plain(_k: int, _chance: random.Random) -> tuple[float, int]:
    """Decode one token, whatever k is."""
    return 1.0, 1


def drafting(k: int, chance: random.Random) -> tuple[float, int]:
    """Accept each drafted token with probability 0.7, in a step that costs 1 + 0.08 k."""
    kept = 0
    while kept < k and chance.random() < 0.7:
        kept += 1
    return 1 + 0.08 * k, kept + 1


def deaf_and_drafting(_k: int, chance: random.Random) -> tuple[float, int]:
    """Draft 3, whatever k is."""
    return drafting(3, chance)


def drafting_in_vain(k: int, _chance: random.Random) -> tuple[float, int]:
    """Reject every draft, which costs."""
    return 1 + 0.06 * k, 1


def verdicts(step: Step, *, wander: float, probes: int, pairs: int = PAIRS) -> Counter[Verdict]:
    """Count the verdicts of simulated probes, a seed each."""
    return Counter(judge_time(simulated(step, seed, wander, pairs)).verdict for seed in range(probes))


def simulated(step: Step, seed: int, wander: float, pairs: int) -> tuple[PairedTest, ...]:
    """Return the tests of one simulated probe."""
    chance = random.Random(seed)
    log_speed = 0.0
    canaries = []
    for block, k in order_of_blocks((0, 8), range(pairs), chance, abreast=2):
        # An AR(1) process with the correlation 0.8 from one canary to the next.
        log_speed = 0.8 * log_speed + chance.gauss(0, wander * math.sqrt(1 - 0.8**2))
        canaries.append(canary(step, k, block, 20.0 * math.exp(log_speed), chance))
    return paired_tests({"draft_length": canaries}, seed=1)["draft_length"]


def canary(step: Step, k: int, block: int, step_ms: float, chance: random.Random) -> Canary:
    """Return a canary of which the server counted nothing."""
    now_ms, events = 50.0, [50.0]
    while len(events) < TOKENS:
        cost, yielded = step(k, chance)
        now_ms += cost * step_ms * (1 + chance.expovariate(20.0))
        events += [now_ms + 0.1 * n for n in range(yielded)]
    event_ns = tuple(round(ms * 1e6) for ms in events[:TOKENS])
    reply = Completion("…", "length", TOKENS, event_ns=event_ns, ended_ns=event_ns[-1])
    return Canary(Cell("draft_length", k), block, 0, event_ns[-1], reply)


SERVERS: dict[str, Step] = {
    "ignores k, drafts nothing": plain,
    "ignores k, always drafts 3": deaf_and_drafting,
    "obeys, 0.7 of the drafts accepted": drafting,
    "obeys, every draft rejected": drafting_in_vain,
}


def main() -> None:
    """Simulate and print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--probes", type=int, default=1000)
    probes = options.parse_args().probes
    print(f"{PAIRS} pairs of canaries a probe; % of {probes} simulated probes")
    print(f"{'server':<34} {'wander':>6} {'obeyed':>8} {'ignored':>8} {'cannot tell':>12}")
    for name, step in SERVERS.items():
        for wander in WANDER:
            found = verdicts(step, wander=wander, probes=probes)
            shares = [
                100 * found[verdict] / probes for verdict in (Verdict.OBEYED, Verdict.IGNORED, Verdict.CANNOT_TELL)
            ]
            print(f"{name:<34} {wander:>6} {shares[0]:>8.1f} {shares[1]:>8.1f} {shares[2]:>12.1f}")


if __name__ == "__main__":
    main()
