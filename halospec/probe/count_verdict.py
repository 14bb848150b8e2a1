"""Whether drafted counts follow k.

A server that obeys drafts nothing at k = 0, at most k tokens a round at every k, and more at a longer k. Prompt and
decoding are the same at every k, so k alone explains a difference, whatever the drafter; how much is drafted at all is
the drafter's affair, since an n-gram drafter proposes only where something matches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from halospec.endpoints.server_kind import SpeculationFacts
from halospec.probe.canaries import Canary
from halospec.probe.drafting_rates import DraftingRates
from halospec.probe.judgement import Judgement
from halospec.probe.sign_flips import FEWEST_PAIRS, shift_of
from halospec.records.probe import Basis, Verdict

NOISE_WITHIN = 0.25
"""Where counts scatter, the difference between two k must be shown to be smaller than this share of the rate."""


def judge_counts(canaries: Sequence[Canary], speculation: SpeculationFacts, seed: int) -> Judgement | None:
    """Judge one knob's canaries by what was drafted; None where too few were counted for any judgement."""
    rates = DraftingRates.of(canaries)
    if len(rates.lengths) < 2:
        return None
    found = _nothing_drafted(rates, speculation) or _varies_without_k(rates, seed)
    return found or next(found for judge in _JUDGES if (found := judge(rates)) is not None)


def _nothing_drafted(rates: DraftingRates, speculation: SpeculationFacts) -> Judgement | None:
    if any(rates.at(k) for k in rates.lengths):
        return None
    reason = f"nothing was drafted, though up to k = {rates.longest} was asked for"
    if speculation.configured is False:
        reason += ": no draft is configured on the server" + (f" ({speculation.says})" if speculation.says else "")
    elif speculation.configured is None:
        reason += "; it may be that no draft is configured on the server"
    return _ignored(reason + rates.caveat)


def _varies_without_k(rates: DraftingRates, seed: int) -> Judgement | None:
    """Where counts scatter from canary to canary, enough pairs can show that k has no part in it."""
    differences = rates.differences(rates.shortest, rates.longest)
    if rates.same(*rates.lengths) or not rates.exceeds(rates.shortest) or len(differences) < FEWEST_PAIRS:
        return None
    shift = shift_of(differences, seed)
    bound = NOISE_WITHIN * max(rates.at(k) for k in rates.lengths)
    if shift.low is None or shift.high is None or shift.low < -bound or shift.high > bound:
        return None
    return _ignored(
        f"what is drafted varies, but not with k: {rates}; over {len(differences)} pairs the difference lies between"
        f" {shift.low:+.2f} and {shift.high:+.2f}{rates.caveat}"
    )


def _as_much_at_every_k(rates: DraftingRates) -> Judgement | None:
    if not rates.same(*rates.lengths):
        return None
    if rates.exceeds(rates.shortest):
        return _ignored(f"k changes nothing in what is drafted: {rates}{rates.caveat}")
    return _cannot_tell(
        f"about as much was drafted at every k ({rates}), but no more than k = {rates.shortest} allows: drafts may end"
        " before k does"
    )


def _not_as_asked(rates: DraftingRates) -> Judgement | None:
    broken = next((k for k in rates.lengths if rates.exceeds(k)), None)
    if broken is None:
        return None
    if any(rates.rises(shorter, longer) for shorter in rates.lengths for longer in rates.lengths if longer > shorter):
        return _cannot_tell(
            f"counts change with k, but not as asked: k = {broken} still drafted {rates.at(broken):.2f} tokens"
            f" {rates.unit} ({rates}){rates.caveat}"
        )
    return _cannot_tell(
        f"more is drafted than k = {broken} allows, and counts vary without following k ({rates}){rates.caveat}",
        more_may_tell=True,
    )


def _switched_on_and_off(rates: DraftingRates) -> Judgement | None:
    drafting = [k for k in rates.lengths if rates.at(k) > 0]
    if rates.shortest > 0 or len(drafting) < 2 or not rates.same(*drafting):
        return None
    return _cannot_tell(
        f"k switches drafting on and off, but k = {drafting[0]} and k = {drafting[-1]} draft the same ({rates})"
    )


def _follows(rates: DraftingRates) -> Judgement | None:
    shortest, longest = rates.shortest, rates.longest
    if not rates.rises(shortest, longest) or not rates.goes_beyond(shortest):
        return None
    most = rates.most_in_a_round(longest)
    cap = f"; never more than {most} in one round at k = {longest}" if most is not None and most < longest else ""
    return Judgement(Verdict.OBEYED, Basis.COUNTS, f"what is drafted follows k: {rates}{cap}{rates.caveat}")


def _unclear(rates: DraftingRates) -> Judgement:
    return _cannot_tell(
        f"k = {rates.longest} did not draft clearly more than k = {rates.shortest} allows, in nearly every block"
        f" ({rates}){rates.caveat}",
        more_may_tell=True,
    )


_JUDGES: tuple[Callable[[DraftingRates], Judgement | None], ...] = (
    _as_much_at_every_k,
    _not_as_asked,
    _switched_on_and_off,
    _follows,
    _unclear,
)


def _ignored(reason: str) -> Judgement:
    return Judgement(Verdict.IGNORED, Basis.COUNTS, reason)


def _cannot_tell(reason: str, *, more_may_tell: bool = False) -> Judgement:
    return Judgement(Verdict.CANNOT_TELL, Basis.COUNTS, reason, more_may_tell)
