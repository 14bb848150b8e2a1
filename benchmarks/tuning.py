"""How often `halospec tune` finds the best draft length, and how many requests asking all of them equally would need.

    .venv/bin/python benchmarks/tuning.py [--searches 2000] [--verdicts 200]

No server: requests are simulated from stated parameters. A round at k costs T(k + 1) + k c, relative to one plain pass;
it keeps drafted tokens until the first that is refused, each accepted with a probability that belongs to the prompt
(beta distributed); 64 tokens a request; on top of that a log-normal error. What the machine's drift does to all
requests of a prompt alike is left out, since it cancels in pairs. The rule, its budget and its inference are the
program's own. Seeds are fixed, so that the table is the same on every machine.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from halospec.inference.best import best_set
from halospec.inference.comparisons import compare_to
from halospec.inference.types import Sums
from halospec.tuning.halving import RoundSize, Standing, round_sizes, survivors
from halospec.tuning.verdict import Finalist, Finding, Verdict, conclude

LENGTHS = tuple(range(9))
PROMPTS = 30
FINAL_PROMPTS = 20
TOKENS = 63
"""After the first, which time per token does not cover."""
NEAR = 0.02
WARMUP = 2
MOST_UNIFORM = 120
"""Prompts up to which the equal share is followed."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Machine:
    """A server on a machine.

    Attributes
    ----------
    widths
        T(1) to T(9): what a pass over so many tokens costs, relative to one.
    draft
        c: a pass of the draft.
    acceptance, sharpness
        Mean of the prompts' acceptance, and the sum of the beta distribution's parameters.
    error
        Standard deviation of the logarithm of a request's time.
    """

    name: str
    widths: tuple[float, ...]
    draft: float
    acceptance: float
    error: float = 0.04
    sharpness: float = 30.0

    def cost(self, k: int) -> float:
        """Return what a round costs."""
        return self.widths[k] + k * self.draft


def linear(slope: float) -> tuple[float, ...]:
    """Return the costs of passes that grow evenly with their width."""
    return tuple(1 + slope * extra for extra in range(len(LENGTHS)))


MACHINES = (
    Machine("speculation pays: a = .80, s = .10, c = .05", linear(0.10), 0.05, 0.80),
    Machine("the same, times that scatter by 20 %", linear(0.10), 0.05, 0.80, error=0.20),
    Machine("it pays a little: a = .70, s = .15, c = .10", linear(0.15), 0.10, 0.70),
    Machine("k = 1 gains nothing: a = .50, s = .30, c = .20", linear(0.30), 0.20, 0.50),
    # docs/architecture.md: F32 target, Q4_1 draft; the widths between those measured are interpolated.
    Machine("F32 <- Q4_1: a = .95", (1, 1.23, 1.40, 1.60, 1.70, 1.80, 1.89, 1.99, 2.08), 0.39, 0.95),
)


def acceptances(machine: Machine, shape: tuple[int, ...], chance: np.random.Generator) -> Floats:
    """Draw prompts."""
    a = machine.acceptance * machine.sharpness
    return np.asarray(chance.beta(a, machine.sharpness - a, size=shape))


def times(machine: Machine, acceptance: Floats, k: int, chance: np.random.Generator) -> Floats:
    """Return the time per token of a request for each of these prompts."""
    error: Floats = np.exp(chance.normal(0, machine.error, size=acceptance.shape))
    if k == 0:
        return error
    # Beyond so many rounds a text that keeps but one token each time has ended.
    drawn = chance.geometric(1 - acceptance[..., np.newaxis], size=(*acceptance.shape, TOKENS)) - 1
    written = np.cumsum(np.minimum(drawn, k) + 1, axis=-1)
    rounds = 1 + np.count_nonzero(written < TOKENS, axis=-1)
    return np.asarray(rounds * machine.cost(k) / TOKENS * error)


def true_times(machine: Machine, *, prompts: int = 20_000) -> Floats:
    """Return each k's mean time per token over all prompts that there could be."""
    chance = np.random.default_rng(0)
    drawn = acceptances(machine, (prompts,), chance)
    return np.array([times(machine, drawn, k, chance).mean() for k in LENGTHS])


@dataclass(frozen=True)
class Answers:
    """Simulated requests of many searches; each array has the shape (searches, prompts, draft lengths)."""

    rehearsal: Floats
    final: Floats
    uniform: Floats


def answers(machine: Machine, searches: int, seed: int) -> Answers:
    """Ask every k every prompt as often as any search may need."""
    chance = np.random.default_rng(seed)
    prompts = acceptances(machine, (searches, PROMPTS), chance)
    steps = sum(size.prompts for size in SIZES[:-1])

    def asked(places: Sequence[int]) -> Floats:
        return np.stack([times(machine, prompts[:, places], k, chance) for k in LENGTHS], axis=-1)

    return Answers(
        rehearsal=asked([FINAL_PROMPTS + step % (PROMPTS - FINAL_PROMPTS) for step in range(steps)]),
        final=asked([step % FINAL_PROMPTS for step in range(SIZES[-1].prompts)]),
        uniform=asked([step % PROMPTS for step in range(MOST_UNIFORM)]),
    )


SIZES: tuple[RoundSize, ...] = round_sizes(len(LENGTHS) - 1, warmup=WARMUP)


def finalists(rehearsal: Floats) -> tuple[int, ...]:
    """Return which k above 0 get to the last round of one search, by the program's rule."""
    ratios = np.log(rehearsal) - np.log(rehearsal[:, :1])
    challengers, done = LENGTHS[1:], 0
    for size, following in pairwise(SIZES):
        done += size.prompts
        standings = [Standing(k, float(ratios[:done, k].mean()), done, done) for k in challengers]
        challengers = survivors(standings, following.challengers)
    return challengers


def by_halving(asked: Answers, search: int) -> int:
    """Return the k that one search measures to be the fastest."""
    lengths = [0, *finalists(asked.rehearsal[search])]
    return lengths[int(asked.final[search][:, lengths].mean(axis=0).argmin())]


def by_equal_shares(asked: Answers, prompts: int) -> Ints:
    """Return the k that is measured to be the fastest when all answer so many prompts, for each search."""
    return np.asarray(asked.uniform[:, :prompts].mean(axis=1).argmin(axis=1))


def verdict_of(asked: Answers, search: int) -> Verdict:
    """Return the program's own verdict on the last round of one search."""
    lengths = [0, *finalists(asked.rehearsal[search])]

    def sums(of: Sequence[int]) -> Sums:
        total, count = np.zeros((FINAL_PROMPTS, 2, 1, len(of))), np.zeros((FINAL_PROMPTS, 2, 1, len(of)))
        for step, row in enumerate(asked.final[search][:, list(of)]):
            total[step % FINAL_PROMPTS, step // FINAL_PROMPTS, 0] = row * TOKENS
            count[step % FINAL_PROMPTS, step // FINAL_PROMPTS, 0] = TOKENS
        return Sums(total, count)

    def best_among(of: Sequence[int]) -> list[int] | None:
        found = best_set(sums(of), 0)
        return None if found is None else [of[place] for place in found.candidates]

    compared = compare_to(sums(lengths), 0)[0]
    return conclude([Finalist(k, found) for k, found in zip(lengths, compared, strict=True)], best_among, wanted=0.95)


@dataclass(frozen=True)
class Row:
    """What came of many simulated searches on one machine.

    Attributes
    ----------
    best
        The k that is truly best.
    halving, uniform
        Share of searches that find a k within 2 % of it, with the same number of requests.
    uniform_needs
        Requests with which equal shares do as well; None if more than were followed.
    recommended
        Share of verdicts that recommend a k within 2 % of the best.
    recommended_loss
        What the recommended k costs beyond the best one, on average.
    unfounded
        Share of verdicts that call a k faster than k = 0 which is not.
    """

    machine: Machine
    best: int
    halving: float
    uniform: float
    uniform_needs: int | None
    recommended: float
    recommended_loss: float
    unfounded: float


def measured(machine: Machine, *, searches: int, verdicts: int, seed: int = 1) -> Row:
    """Simulate searches on a machine."""
    truth = true_times(machine)
    near = truth <= truth.min() * (1 + NEAR)
    asked = answers(machine, searches, seed)
    halving = float(near[[by_halving(asked, search) for search in range(searches)]].mean())

    def equal_shares(prompts: int) -> float:
        return float(near[by_equal_shares(asked, prompts)].mean())

    same = (sum(size.requests for size in SIZES) - WARMUP * len(LENGTHS)) // len(LENGTHS)
    found = [verdict_of(asked, search) for search in range(min(verdicts, searches))]
    return Row(
        machine=machine,
        best=int(truth.argmin()),
        halving=halving,
        uniform=equal_shares(same),
        uniform_needs=_first(lambda prompts: equal_shares(prompts) >= halving, MOST_UNIFORM),
        recommended=float(np.mean([near[verdict.recommended] for verdict in found])),
        recommended_loss=float(np.mean([truth[verdict.recommended] / truth.min() - 1 for verdict in found])),
        unfounded=float(
            np.mean([one.finding is Finding.FASTER and truth[one.recommended] >= truth[0] for one in found])
        ),
    )


def _first(holds: Callable[[int], bool], most: int) -> int | None:
    prompts = next((prompts for prompts in range(1, most + 1) if holds(prompts)), None)
    return None if prompts is None else prompts * len(LENGTHS) + WARMUP * len(LENGTHS)


def main() -> None:
    """Simulate and print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--searches", type=int, default=2000)
    options.add_argument("--verdicts", type=int, default=200)
    chosen = options.parse_args()
    requests = sum(size.requests for size in SIZES)
    print(f"k = 0 to {LENGTHS[-1]}; {requests} requests a search, warm-up included")
    print(f"{chosen.searches} searches, {chosen.verdicts} with a verdict; % that end within {NEAR:.0%} of the best k")
    print(f"{'':<49}{'fastest':>9}{'equal':>8}{'equal shares':>14}{'recom-':>9}{'costs':>7}{'unfounded':>11}")
    print(f"{'machine':<46}{'k*':>3}{'measured':>9}{'shares':>8}{'need':>14}{'mended':>9}{'%':>7}{'%':>11}")
    for machine in MACHINES:
        row = measured(machine, searches=chosen.searches, verdicts=chosen.verdicts)
        limit = (MOST_UNIFORM + WARMUP) * len(LENGTHS)
        needs = f"> {limit}" if row.uniform_needs is None else f"{row.uniform_needs} requests"
        shares = f"{100 * row.halving:>9.1f}{100 * row.uniform:>8.1f}"
        rest = f"{100 * row.recommended:>9.1f}{100 * row.recommended_loss:>7.1f}{100 * row.unfounded:>11.1f}"
        print(f"{machine.name:<46}{row.best:>3}{shares}{needs:>14}{rest}")
    print("costs: what the recommended k takes beyond the best one, on average")
    print("unfounded: verdicts that call a k faster than k = 0 which is not")


if __name__ == "__main__":
    main()
