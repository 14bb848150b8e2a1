"""Whether drafted counts follow k.

A server that obeys drafts nothing at k = 0, at most k tokens a round at every k, and more at a longer k. Prompt and
decoding are the same at every k, so k alone explains a difference, whatever the drafter; how much is drafted at all is
the drafter's affair, since an n-gram drafter proposes only where something matches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from halospec.endpoints.server_kind import SpeculationFacts
from halospec.inference.sign_flips import FEWEST_PAIRS, shift_of
from halospec.probe.canaries import Canary
from halospec.probe.drafting_rates import DraftingRates
from halospec.probe.judgement import Judgement
from halospec.records.probe import Basis, Verdict

NOISE_WITHIN = 0.25
"""Where counts scatter, the difference between two k must be shown to be smaller than this share of the rate."""

LEAST_TOKENS = 3
"""Mean length of the replies below which nothing drafted means nothing. The first token comes from the prompt's own
pass; with two more to come, a drafter that has anything to propose proposes at least one."""

_WELL_BELOW = 0.5


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
    tokens = rates.tokens_a_reply(rates.longest)
    if tokens < LEAST_TOKENS and speculation.configured is not False:
        return _cannot_tell(
            f"nothing was drafted, but replies end after {tokens:.1f} tokens on average, too few to draft in; try a"
            " model that goes on for longer"
        )
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
    few = len(rates.differences(rates.shortest, rates.longest)) < FEWEST_PAIRS
    if _changes(rates, few=few):
        if _only_zero_is_broken(rates):
            return _cannot_tell(
                f"a longer k drafts more, but k = 0 does not switch drafting off ({rates}){rates.caveat};"
                f" compare draft lengths from {rates.lengths[1]} on",
                more_may_tell=few,
            )
        return _cannot_tell(
            f"counts change with k, but more is drafted than k = {broken} allows ({rates}){rates.caveat}",
            more_may_tell=few,
        )
    return _cannot_tell(
        f"more is drafted than k = {broken} allows, and counts vary without following k ({rates}){rates.caveat};"
        f" {_more(rates)}",
        more_may_tell=True,
    )


def _changes(rates: DraftingRates, *, few: bool) -> bool:
    """Tell whether some k clearly drafts more than a shorter one."""
    if not few:
        # Counts that scatter without k rise in all of three blocks once in eight times: only the ends have more blocks.
        return rates.rises(rates.shortest, rates.longest)
    return any(
        rates.rises(shorter, longer) for shorter in rates.lengths for longer in rates.lengths if longer > shorter
    )


def _only_zero_is_broken(rates: DraftingRates) -> bool:
    zero, *others = rates.lengths
    return (
        zero == 0
        and len(others) > 1
        and not any(rates.exceeds(k) for k in others)
        and rates.rises(others[0], rates.longest)
        and rates.goes_beyond(others[0])
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
    cap = ""
    if most is not None and most < longest:
        cap = f"; never more than {most} in one round at k = {longest}"
    elif most is None and rates.per_round and rates.at(longest) <= _WELL_BELOW * longest:
        cap = f", well below {longest}: drafts end early or are missing, or the server caps them"
    return Judgement(Verdict.OBEYED, Basis.COUNTS, f"what is drafted follows k: {rates}{cap}{rates.caveat}")


def _unclear(rates: DraftingRates) -> Judgement:
    return _cannot_tell(
        f"k = {rates.longest} did not draft clearly more than k = {rates.shortest} allows, in nearly every block"
        f" ({rates}){rates.caveat}; {_more(rates)}",
        more_may_tell=True,
    )


def _more(rates: DraftingRates) -> str:
    blocks = len(rates.differences(rates.shortest, rates.longest))
    return f"more canaries may tell (`halospec probe --blocks {2 * max(FEWEST_PAIRS, blocks)}`)"


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
