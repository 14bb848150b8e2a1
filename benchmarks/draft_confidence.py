"""How well a draft model's own numbers tell whether its token will be accepted; the defaults of rule `specdec_pp`.

    .venv/bin/python benchmarks/draft_confidence.py RECORDING [--folds 10]

A logistic function of the likeliest token's probability and of the entropy is fitted to the texts of a recording that
`halospec record-traces` made, by maximum likelihood. Everything but the coefficients themselves is cross-validated:
every text is predicted from a fit that saw no text of its prompt. Printed are

- the coefficients, as settings of the rule, each with its jackknife standard error over groups of prompts;
- the log loss in nats per token, beside that of simpler predictions, the base rate among them;
- calibration: tokens by predicted acceptance, and whole drafts by the product over their tokens, which is what the rule
  goes by.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit

from halospec.controllers.stops.specdec_pp import LEAST_DOUBT
from halospec.recordings.files import read_recording
from halospec.recordings.types import TracedText
from halospec.records.store import StoreError

Floats = npt.NDArray[np.float64]
Features = Callable[[Floats, Floats], Floats]

DRAFT_LENGTHS = (2, 4, 8)
BINS = 10

_LEAST_CHANCE = 1e-12
"""What a fit that is sure, and wrong, is charged for: its probability may be 0 by rounding, and the loss infinite."""


@dataclass(frozen=True)
class Tokens:
    """Positions of all texts, one after the other.

    Attributes
    ----------
    log_odds
        Of the likeliest token.
    group
        Of prompts: what is left out together.
    text
        Which text a position belongs to.
    """

    match: npt.NDArray[np.bool_]
    log_odds: Floats
    entropy: Floats
    group: npt.NDArray[np.int64]
    text: npt.NDArray[np.int64]


def tokens_of(texts: Sequence[TracedText], folds: int, seed: int = 1) -> Tokens:
    """Return the positions of the texts, their prompts dealt out to so many groups of nearly the same size."""
    if folds < 2:
        raise SystemExit(f"--folds {folds} leaves nothing to fit to when a group is left out; give at least 2.")
    prompts = sorted({text.prompt_id for text in texts})
    if len(prompts) < folds:
        raise SystemExit(f"{len(prompts)} prompts cannot make {folds} groups; give a smaller number for --folds.")
    dealt = np.random.default_rng(seed).permutation(len(prompts)) % folds
    group = dict(zip(prompts, dealt.tolist(), strict=True))
    probability = np.concatenate([text.top_probability for text in texts]).astype(np.float64)
    kept_off = np.clip(probability, LEAST_DOUBT, 1.0 - LEAST_DOUBT)
    sizes = [len(text) for text in texts]
    return Tokens(
        match=np.concatenate([text.match for text in texts]),
        log_odds=np.log(kept_off / (1.0 - kept_off)),
        entropy=np.concatenate([text.entropy for text in texts]).astype(np.float64),
        group=np.repeat([group[text.prompt_id] for text in texts], sizes),
        text=np.repeat(np.arange(len(texts)), sizes),
    )


def fit(features: Floats, match: npt.NDArray[np.bool_]) -> Floats:
    """Return the coefficients of the likeliest logistic function.

    Parameters
    ----------
    features
        Shape (tokens, coefficients); the first column is 1.
    """
    sign = np.where(match, 1.0, -1.0)

    def loss_and_gradient(coefficients: Floats) -> tuple[float, Floats]:
        margin = sign * (features @ coefficients)
        return float(np.logaddexp(0.0, -margin).mean()), -(features.T @ (sign * expit(-margin))) / len(sign)

    start = np.zeros(features.shape[1])
    found = minimize(loss_and_gradient, start, jac=True, method="BFGS", options={"gtol": 1e-7})
    return np.asarray(found.x, dtype=np.float64)


def both(log_odds: Floats, entropy: Floats) -> Floats:
    """Return the features that the rule has: a constant, log odds, entropy."""
    return np.column_stack([np.ones_like(log_odds), log_odds, entropy])


def confidence_alone(log_odds: Floats, entropy: Floats) -> Floats:
    """Return a constant and the log odds."""
    return both(log_odds, entropy)[:, :2]


def entropy_alone(log_odds: Floats, entropy: Floats) -> Floats:
    """Return a constant and the entropy."""
    return both(log_odds, entropy)[:, ::2]


def base_rate(log_odds: Floats, entropy: Floats) -> Floats:
    """Return a constant: every token is as likely as any other to be accepted."""
    return both(log_odds, entropy)[:, :1]


def without_each_group(tokens: Tokens, features: Floats) -> Floats:
    """Return the coefficients fitted without each group; shape (groups, coefficients)."""
    groups = np.unique(tokens.group)
    return np.stack([fit(features[tokens.group != g], tokens.match[tokens.group != g]) for g in groups])


def predicted(tokens: Tokens, features: Floats) -> Floats:
    """Return each token's predicted acceptance, from a fit that saw no text of its prompt."""
    coefficients = without_each_group(tokens, features)
    place = np.searchsorted(np.unique(tokens.group), tokens.group)
    return np.asarray(expit((features * coefficients[place]).sum(axis=1)), dtype=np.float64)


def jackknife_errors(left_out: Floats) -> Floats:
    """Return the standard errors of coefficients that were fitted without each of the groups in turn."""
    groups = len(left_out)
    return np.asarray(np.sqrt((groups - 1) / groups * ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0)))


def log_loss(probability: Floats, match: npt.NDArray[np.bool_]) -> float:
    """Return the mean of minus the logarithm of the probability that was given to what happened, at least 1e-12."""
    return float(-np.log(np.maximum(np.where(match, probability, 1.0 - probability), _LEAST_CHANCE)).mean())


@dataclass(frozen=True)
class Draft:
    """Drafts of one length, from every position from which there is room for one."""

    length: int
    predicted: Floats
    kept: npt.NDArray[np.bool_]


def drafts(tokens: Tokens, probability: Floats, length: int) -> Draft:
    """Return how likely every draft of that length was to be kept whole, and whether it was."""
    room = max(len(tokens.text) - length + 1, 0)
    starts = np.flatnonzero(tokens.text[:room] == tokens.text[length - 1 :])
    places = starts[:, None] + np.arange(length)
    return Draft(length, probability[places].prod(axis=1), tokens.match[places].all(axis=1))


def main() -> None:
    """Fit, cross-validate, print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("recording", type=Path)
    options.add_argument("--folds", type=int, default=10, help="groups that the prompts are dealt out to")
    chosen = options.parse_args()
    try:
        recording = read_recording(chosen.recording)
    except StoreError as reason:
        raise SystemExit(f"draft_confidence.py: {reason}") from reason
    tokens = tokens_of(recording.texts, chosen.folds)
    prompts = len({text.prompt_id for text in recording.texts})
    print(f"{recording.pair}: {len(tokens.match)} tokens of {prompts} prompts, {tokens.match.mean():.1%} matched\n")
    _print_coefficients(tokens)
    _print_losses(tokens)
    probability = predicted(tokens, both(tokens.log_odds, tokens.entropy))
    _print_calibration("tokens by predicted acceptance", probability, tokens.match)
    for length in DRAFT_LENGTHS:
        draft = drafts(tokens, probability, length)
        _print_calibration(f"drafts of {length} by the product over their tokens", draft.predicted, draft.kept, bins=5)


def _print_coefficients(tokens: Tokens) -> None:
    features = both(tokens.log_odds, tokens.entropy)
    found = fit(features, tokens.match)
    errors = jackknife_errors(without_each_group(tokens, features))
    names = ("bias", "slope", "entropy_slope")
    print("specdec_pp" + "".join(f"@{name}={value:.3f}" for name, value in zip(names, found, strict=True)))
    for name, value, error in zip(names, found, errors, strict=True):
        print(f"  {name:>14} {value:7.3f} ± {error:.3f}")


def _print_losses(tokens: Tokens) -> None:
    print("\nlog loss, nats per token                         of the base rate's")
    base = log_loss(predicted(tokens, base_rate(tokens.log_odds, tokens.entropy)), tokens.match)
    losses = {"base rate": base, "the draft's probability as it is": log_loss(expit(tokens.log_odds), tokens.match)}
    ways: dict[str, Features] = {
        "fitted on entropy": entropy_alone,
        "fitted on log odds": confidence_alone,
        "fitted on both": both,
    }
    for name, features in ways.items():
        losses[name] = log_loss(predicted(tokens, features(tokens.log_odds, tokens.entropy)), tokens.match)
    for name, loss in losses.items():
        print(f"  {name:<34} {loss:8.4f} {loss / base:12.2f}")


def _print_calibration(title: str, probability: Floats, kept: npt.NDArray[np.bool_], bins: int = BINS) -> None:
    if len(probability) < bins:
        print(f"\n{title}: there are only {len(probability)}")
        return
    print(f"\n{title}, {bins} groups of the same size\n  {'predicted':>10} {'kept':>8} {'of':>7}")
    for places in np.array_split(np.argsort(probability, kind="stable"), bins):
        print(f"  {probability[places].mean():10.3f} {kept[places].mean():8.3f} {len(places):7d}")


if __name__ == "__main__":
    main()
