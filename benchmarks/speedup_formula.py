"""What a draft length should bring, by the pass costs that were measured: the figures of docs/theory.md.

    .venv/bin/python benchmarks/pass_cost.py | .venv/bin/python benchmarks/speedup_formula.py
    .venv/bin/python benchmarks/speedup_formula.py docs/theory.md

Reads the table that pass_cost.py prints, from standard input or out of any text file that contains it. Nothing is
interpolated: only draft lengths whose pass was measured are shown.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ALPHAS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
SEQUENCES = (2, 3, 4)
EXAMPLE_K = 4
_BISECTIONS = 40


@dataclass(frozen=True)
class PassCosts:
    """What one pass of a model takes, by its width b.

    Attributes
    ----------
    single_ms
        T(1).
    relative
        T(b) / T(1) of every measured b, 1 included.
    """

    single_ms: float
    relative: Mapping[int, float]

    def ms(self, width: int) -> float:
        """Return T(b)."""
        return self.single_ms * self.relative[width]

    @property
    def draft_lengths(self) -> tuple[int, ...]:
        """Every k ≥ 1 whose verifying pass, k + 1 wide, was measured."""
        return tuple(width - 1 for width in sorted(self.relative) if width > 1)


@dataclass(frozen=True)
class Pair:
    """A target and the model that drafts for it; without one, drafts cost nothing (n-grams)."""

    target: PassCosts
    draft: PassCosts | None

    def round_ms(self, alpha: float, k: int) -> float:
        """Return the mean time of a round: T(k + 1) + k·c + alpha^k·u."""
        drafting_ms = k * self.draft.ms(1) if self.draft is not None else 0.0
        return drafting_ms + self.target.ms(k + 1) + alpha**k * self.catch_up_ms

    @property
    def catch_up_ms(self) -> float:
        """Return u: what the draft's first pass takes longer after full acceptance, two tokens wide instead of one."""
        return self.draft.ms(2) - self.draft.ms(1) if self.draft is not None else 0.0

    def speed_up(self, alpha: float, k: int) -> float:
        """Return S(k): how many times faster than plain decoding."""
        return expected_tokens(alpha, k) * self.target.ms(1) / self.round_ms(alpha, k)

    def textbook_speed_up(self, alpha: float, k: int) -> float:
        """Return the same under the usual assumptions: T(k + 1) = T(1), and a draft that never lags behind."""
        relative_c = self.draft.ms(1) / self.target.ms(1) if self.draft is not None else 0.0
        return expected_tokens(alpha, k) / (1 + k * relative_c)

    def textbook_error(self, alpha: float, k: int) -> float:
        """Return how many times too high that is."""
        return self.textbook_speed_up(alpha, k) / self.speed_up(alpha, k)

    def batch_speed_up(self, alpha: float, k: int, sequences: int) -> float:
        """Return S(k) of several sequences that share every pass, catching up left out."""
        drafting = k * self.draft.ms(sequences) if self.draft is not None else 0.0
        plain_ms, round_ms = self.target.ms(sequences), self.target.ms(sequences * (k + 1)) + drafting
        return expected_tokens(alpha, k) * plain_ms / round_ms

    def least_alpha(self, k: int) -> float | None:
        """Return the alpha from which on k is no slower than plain decoding; None if it always is."""
        if self.speed_up(1.0, k) < 1:
            return None
        low, high = 0.0, 1.0
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            low, high = (low, middle) if self.speed_up(middle, k) >= 1 else (middle, high)
        return high


def expected_tokens(alpha: float, k: int) -> float:
    """Return E(k), the mean tokens of a round: 1 + alpha + … + alpha^k."""
    return sum(alpha**i for i in range(k + 1))


def shown_acceptance(alpha: float, k: int) -> float:
    """Return what accepted / drafted comes to, which is less than alpha for every k > 1."""
    return (expected_tokens(alpha, k) - 1) / k


def read_pass_costs(text: str) -> dict[str, PassCosts]:
    """Find the table that pass_cost.py prints; the costs by weight format.

    Raises
    ------
    ValueError
        If there is none.
    """
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith("ms at b = 1"):
            widths = [int(width) for width in re.findall(r"\bb = (\d+)", line)]
            break
    else:
        raise ValueError("there is no table of pass costs; give what benchmarks/pass_cost.py prints")
    costs = {}
    for line in lines:
        row = re.fullmatch(r"\s*(\S+)\s+([\d.]+) ms((?:\s+[\d.]+)+)\s*", line)
        if row is None:
            break
        relative = (1.0, *map(float, row[3].split()))
        costs[row[1]] = PassCosts(float(row[2]), dict(zip(widths, relative, strict=True)))
    return costs


def main() -> None:
    """Print every table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("table", nargs="?", type=Path, help="a text file with the table; standard input if left out")
    options.add_argument("--target", default="F32", help="weight format of the target")
    options.add_argument("--draft", default="Q4_1", help="weight format of the draft model")
    given = options.parse_args()
    try:
        costs = read_pass_costs(given.table.read_text(encoding="utf-8") if given.table else sys.stdin.read())
        target, draft = costs[given.target], costs[given.draft]
    except KeyError as missing:
        sys.exit(f"speedup_formula.py: the table has no format {missing}; it has {', '.join(costs)}.")
    except (OSError, ValueError) as error:
        sys.exit(f"speedup_formula.py: {error}.")
    print("\n\n".join(report(target, draft, costs, given.target, given.draft)))


def report(
    target: PassCosts, draft: PassCosts, costs: Mapping[str, PassCosts], target_name: str, draft_name: str
) -> Sequence[str]:
    """Return the tables as text, one a paragraph."""
    pair, lengths = Pair(target, draft), target.draft_lengths
    drafts = {name: found for name, found in costs.items() if name != target_name}
    return [
        _further_positions(costs),
        *([_one_round(pair, draft, EXAMPLE_K)] if EXAMPLE_K in lengths else []),
        _by_alpha(f"S(k), {target_name} drafted by {draft_name}", lengths, pair.speed_up),
        _by_alpha("the same if T(k + 1) were T(1)", lengths, pair.textbook_speed_up),
        _by_alpha("too high by a factor of", lengths, pair.textbook_error, best=False),
        _by_alpha("S(k), drafts that cost nothing", lengths, Pair(target, None).speed_up),
        _least_alphas(
            lengths, {**{name: Pair(target, by) for name, by in drafts.items()}, "nothing": Pair(target, None)}
        ),
        _by_alpha("accepted / drafted", lengths, shown_acceptance, best=False),
        _batches(pair),
    ]


def _further_positions(costs: Mapping[str, PassCosts]) -> str:
    widths = [width for width in next(iter(costs.values())).relative if width > 1]
    lines = [_row("ms for each position more", [f"to b = {width}" for width in widths])]
    for name, cost in costs.items():
        lines.append(_row(name, [f"{(cost.ms(width) - cost.ms(1)) / (width - 1):.1f}" for width in widths]))
    return "\n".join(lines)


def _one_round(pair: Pair, draft: PassCosts, k: int) -> str:
    drafting_ms, verifying_ms = k * draft.ms(1), pair.target.ms(k + 1)
    round_ms = drafting_ms + verifying_ms
    lines = [
        f"k = {k}: drafting {k} x {draft.ms(1):.1f} = {drafting_ms:.1f} ms, verifying {verifying_ms:.1f} ms, together "
        f"{round_ms:.1f} ms; {pair.catch_up_ms:.1f} ms more after full acceptance",
        _row("accepted", ["tokens", "ms/token", *(f"alpha {alpha:g}" for alpha in ALPHAS)]),
    ]
    for accepted in range(k + 1):
        chances = [alpha**accepted * (1 - alpha if accepted < k else 1) for alpha in ALPHAS]
        cells = [str(accepted + 1), f"{round_ms / (accepted + 1):.1f}", *(f"{chance:.3f}" for chance in chances)]
        lines.append(_row(str(accepted), cells))
    means = [f"{expected_tokens(alpha, k):.2f}" for alpha in ALPHAS]
    mean_ms = [f"{pair.round_ms(alpha, k) / expected_tokens(alpha, k):.1f}" for alpha in ALPHAS]
    return "\n".join([*lines, _row("E(k)", ["", "", *means]), _row("ms/token, all in", ["", "", *mean_ms])])


def _by_alpha(title: str, lengths: Sequence[int], value: Callable[[float, int], float], *, best: bool = True) -> str:
    lines = [_row(title, [f"k = {k}" for k in lengths]) + ("   best k" if best else "")]
    for alpha in ALPHAS:
        values = {k: value(alpha, k) for k in lengths}
        line = _row(f"alpha = {alpha:.2f}", [f"{found:.2f}" for found in values.values()])
        # k = 0 is 1.00 by definition.
        winner = max(values, key=lambda k: values[k])
        lines.append(line + (f"{winner if values[winner] > 1 else 0:>9}" if best else ""))
    return "\n".join(lines)


def _least_alphas(lengths: Sequence[int], pairs: Mapping[str, Pair]) -> str:
    lines = [_row("least alpha that pays", [f"k = {k}" for k in lengths])]
    for name, pair in pairs.items():
        found = [pair.least_alpha(k) for k in lengths]
        lines.append(_row(f"drafted by {name}", ["never" if alpha is None else f"{alpha:.2f}" for alpha in found]))
    return "\n".join(lines)


def _batches(pair: Pair) -> str:
    measured = pair.target.relative
    lines = [_row("several sequences", ["k", "T(n)", "T(n(k+1))", *(f"alpha {alpha:g}" for alpha in ALPHAS[2:])])]
    for n in SEQUENCES:
        for k in range(1, max(measured)):
            if n * (k + 1) in measured and n in measured:
                gains = [f"{pair.batch_speed_up(alpha, k, n):.2f}" for alpha in ALPHAS[2:]]
                passes = [f"{pair.target.ms(width):.1f}" for width in (n, n * (k + 1))]
                lines.append(_row(f"n = {n}", [str(k), *passes, *gains]))
    return "\n".join(lines)


def _row(label: str, cells: Sequence[str]) -> str:
    return f"{label:>30}" + "".join(f"{cell:>11}" for cell in cells)


if __name__ == "__main__":
    main()
