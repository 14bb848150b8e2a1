"""`control.py validate`: whether the simulator says what the server does.

Costs come from rounds that were timed in turn with the measured requests, those with held-out draft lengths left out:
the simulator makes these from their neighbours. Acceptance comes from the recording's traces of the same prompts. What
is predicted for the held-out lengths, and for rules, is then compared with what the server took.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt
from scipy import stats

from control_parts.asking import WARM_UP, Asked, Live, LivePlan
from control_parts.words import machine, signed, table
from halospec.inference.types import CONFIDENCE
from halospec.recordings.rounds import recorded_rounds
from halospec.recordings.types import RecordedRounds, Recording
from halospec.recordings.visits import Condition
from halospec.simulate.settings import SimulationSettings
from halospec.simulate.simulation import simulate
from halospec.simulate.types import Scenario, Segment
from halospec.workloads.prompts import Prompt

HELD_OUT = (3, 5, 7)
GOAL_PERCENT = 5.0

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Agreement:
    """A prediction beside what was measured, under one condition.

    Attributes
    ----------
    predicted, measured
        ms per token.
    error, low, high
        The prediction's, in percent, with an interval over prompts; ``None`` with a single prompt.
    """

    mode: str
    condition: str
    predicted: float
    measured: float
    error: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Validation:
    """Everything that was compared.

    Attributes
    ----------
    ranks
        Kendall's tau between predicted and measured order of all arms, by condition.
    client_percent
        How much more the client saw than the rounds' sum.
    """

    agreements: tuple[Agreement, ...]
    ranks: Mapping[str, float]
    client_percent: float
    rounds: int


def usable_prompts(recording: Recording, prompts: Sequence[Prompt], tokens: int, most: int) -> tuple[Prompt, ...]:
    """Return prompts whose traced text has so many tokens, spread evenly over the set.

    Raises
    ------
    ValueError
        If there are none.
    """
    long_enough = {text.prompt_id for text in recording.texts if len(text) >= tokens}
    usable = [prompt for prompt in prompts if prompt.prompt_id in long_enough]
    if not usable:
        raise ValueError(f"No traced text of the shipped prompts has {tokens} tokens; ask for fewer with --tokens.")
    chosen = np.unique(np.linspace(0, len(usable) - 1, min(most, len(usable))).round().astype(int))
    return tuple(usable[place] for place in chosen)


def validated(recording: Recording, plan: LivePlan, live: Live, *, seeds: Sequence[int]) -> Validation:
    """Predict everything that was measured, and compare."""
    rounds = without(recorded_rounds(live.costs), HELD_OUT)
    fitted = replace(recording, rounds=rounds, threads=live.setting.threads, draft_threads=live.setting.draft_threads)
    agreements: list[Agreement] = []
    for mode in plan.modes:
        asked = [one for one in live.asked if one.mode == mode]
        predicted_ms = predicted(fitted, plan, mode, asked, seeds)
        agreements += [
            _agreement(plan, condition, mode, asked, predicted_ms) for condition in dict.fromkeys(plan.conditions)
        ]
    by_rounds, by_client = (sum(getattr(one, of) for one in live.asked) for of in ("by_rounds_ms", "by_client_ms"))
    return Validation(
        tuple(agreements), _ranks(agreements), client_percent=100 * (by_client / by_rounds - 1), rounds=len(rounds)
    )


def without(rounds: RecordedRounds, lengths: Sequence[int]) -> RecordedRounds:
    """Return rounds less those with some draft lengths."""
    kept = ~np.isin(rounds.k, lengths)
    columns = {field.name: getattr(rounds, field.name)[kept] for field in fields(rounds) if field.name != "conditions"}
    return replace(rounds, **columns)


def predicted(recording: Recording, plan: LivePlan, mode: str, asked: Sequence[Asked], seeds: Sequence[int]) -> Floats:
    """Return what each request should have taken, in the order asked; means over the seeds."""
    conditions = [plan.conditions[one.block].name for one in asked]
    segments = tuple(
        Segment(tokens=one.tokens, load=condition, prompts=one.prompt_id)
        for one, condition in zip(asked, conditions, strict=True)
    )
    scenario = Scenario("live", "what was asked", plan.tokens - 1, segments)
    settings = SimulationSettings(warm_up=WARM_UP)
    return np.asarray(
        np.mean([simulate(recording, scenario, mode, seed, settings).decode_ms for seed in seeds], axis=0)
    )


def _agreement(
    plan: LivePlan, condition: Condition, mode: str, asked: Sequence[Asked], predicted_ms: Floats
) -> Agreement:
    prompts = [prompt.prompt_id for prompt in plan.prompts]
    forecast, measured, tokens = np.zeros(len(prompts)), np.zeros(len(prompts)), 0
    for one, ms in zip(asked, predicted_ms, strict=True):
        if plan.conditions[one.block] == condition:
            forecast[prompts.index(one.prompt_id)] += ms
            measured[prompts.index(one.prompt_id)] += one.by_rounds_ms
            tokens += one.tokens
    error, low, high = ratio_of_sums(forecast, measured)
    return Agreement(mode, condition.name, forecast.sum() / tokens, measured.sum() / tokens, error, low, high)


def ratio_of_sums(above: Floats, below: Floats) -> tuple[float, float | None, float | None]:
    """Return by how many percent one sum exceeds another, with Student's t interval over their paired terms.

    The standard error of the log ratio is the linearised one (Cochran 1977, Sampling Techniques, 6.3).
    """
    count = len(above)
    log_ratio = math.log(above.sum() / below.sum())
    if count < 2:
        return _percent(log_ratio), None, None
    influence = above / above.mean() - below / below.mean()
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, count - 1)) * float(influence.std(ddof=1)) / math.sqrt(count)
    return _percent(log_ratio), _percent(log_ratio - reach), _percent(log_ratio + reach)


def _percent(log_ratio: float) -> float:
    return 100 * math.expm1(log_ratio)


def _ranks(agreements: Sequence[Agreement]) -> Mapping[str, float]:
    found: dict[str, float] = {}
    for condition in dict.fromkeys(one.condition for one in agreements):
        here = [one for one in agreements if one.condition == condition]
        if len(here) > 1:
            found[condition] = float(
                stats.kendalltau([one.predicted for one in here], [one.measured for one in here]).statistic
            )
    return found


def report(found: Validation, plan: LivePlan) -> str:
    """Return the comparison as Markdown."""
    held_out = {f"fixed_{k}" for k in HELD_OUT}
    rows = [
        (
            f"`{one.mode}`" + (" (held out)" if one.mode in held_out else ""),
            one.condition,
            f"{one.predicted:.2f}",
            f"{one.measured:.2f}",
            signed(one.error),
            "–" if one.low is None or one.high is None else f"[{signed(one.low)}, {signed(one.high)}]",
        )
        for one in found.agreements
    ]
    errors = [one for one in found.agreements if one.mode in held_out]
    worst = max(errors, key=lambda one: abs(one.error), default=None)
    ranks = "; ".join(f"{condition}: {tau:.2f}" for condition, tau in found.ranks.items())
    lines = [
        f"{machine()}; {len(plan.prompts)} prompts of {plan.tokens} tokens, {len(plan.conditions)} blocks, costs from"
        f" {found.rounds} rounds without k = {', '.join(map(str, HELD_OUT))}.",
        "",
        table(("mode", "condition", "predicted, ms per token", "measured", "error, %", "interval"), rows, texts=2),
        "",
    ]
    if worst is not None:
        verdict = "within" if abs(worst.error) <= GOAL_PERCENT else "not within"
        lines.append(
            f"Largest error at a held-out draft length: {signed(worst.error)} % (`{worst.mode}`, {worst.condition}),"
            f" {verdict} {GOAL_PERCENT:g} %. Intervals are over prompts, {CONFIDENCE:.0%}."
        )
    lines.append(
        f"Kendall's tau of predicted and measured order over all modes: {ranks}. Measured is the sum of the server's"
        f" rounds; the client saw {signed(found.client_percent)} %."
    )
    return "\n".join(lines) + "\n"
