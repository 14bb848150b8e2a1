"""What a run shows, in sentences; each claims what its interval supports and no more.

"18 % faster per token" means a time per output token that is 18 % lower; "slower" is above. Only the primary metric is
spoken of. "Cannot be told apart" is not "equal": the smallest detectable difference says how much could have been seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from halospec.analysis.comparisons import Best, Comparisons, Difference, Family, ModeInPhase
from halospec.analysis.design import DesignReport, Support
from halospec.analysis.modes import fixed_length
from halospec.analysis.naming import joined, listed, named
from halospec.analysis.percentages import ends, signed, smallest_detectable, spoken
from halospec.records.schema import Phase

ONE_BLOCK = "One block cannot show a difference between modes: run with --blocks 5 or more."
ONE_MODE = "Fewer than two modes have a successful request: there is nothing to compare."
NO_TIME_PER_TOKEN = "No time per output token is on record, so modes are not compared by it."  # noqa: S105
PLACEBO = (
    "This run is a placebo: nothing shows that draft_length has an effect here, and no verdict on it follows. What is"
    " found all the same is found of the machine and the measurement."
)

_NAMED_WITH_NUMBERS = 4


def verdicts(comparisons: Comparisons | None, design: DesignReport) -> tuple[str, ...]:
    """Return what can be said of the differences between modes; nothing where the design supports no comparison."""
    if design.support is Support.DESCRIPTION:
        return ()
    if comparisons is None:
        return (ONE_MODE,) if len(design.modes) > 1 else ()
    return (*((PLACEBO,) if comparisons.placebo else ()), *_said(comparisons))


def _said(comparisons: Comparisons) -> tuple[str, ...]:
    family = comparisons.primary
    if family is None:
        return (NO_TIME_PER_TOKEN,)
    if comparisons.blocks < 2:
        return (ONE_BLOCK,)
    if not family.has_intervals:
        return (f"No two blocks hold {named(comparisons.reference)} and another mode in the same phase.",)
    said = _of_phases(family, comparisons) if family.finds_anything else (_nothing(family, comparisons.modes),)
    return (*said, *_of_controllers(family), *_without_interval(family, comparisons.reference))


def _nothing(family: Family, modes: Sequence[str]) -> str:
    what = "draft_length" if all(fixed_length(mode) is not None for mode in modes) else "the mode"
    detectable = ", ".join(
        f"{largest} in {phase}"
        for phase in family.phases
        if (largest := _largest_detectable(family.rows_in(phase))) is not None
    )
    return f"No detectable effect of {what} on the time per token (smallest detectable: {detectable})."


def _of_phases(family: Family, comparisons: Comparisons) -> Iterator[str]:
    reference = comparisons.reference
    for phase in family.phases:
        rows = [row for row in family.rows_in(phase) if row.has_interval]
        if not rows:
            continue
        if not family.finds_in(phase):
            yield (
                f"No difference to {named(reference)} was found in {phase}"
                f" (smallest detectable: {_largest_detectable(rows)})."
            )
            continue
        differences = {row.mode: row.to_reference for row in rows if row.to_reference is not None}
        found = {mode: difference for mode, difference in differences.items() if difference.found}
        for word, sign in (("faster", -1), ("slower", 1)):
            some = {mode: difference for mode, difference in found.items() if difference.percent * sign > 0}
            if some:
                yield _found(some, word, reference, phase)
        rest = [row for row in rows if not row.is_found]
        if rest:
            yield (
                f"{listed([row.mode for row in rest])} cannot be told apart from {named(reference)} in {phase}"
                f" (smallest detectable: {_largest_detectable(rest)})."
            )
        yield from (_best(best) for best in family.best if best.phase is phase)


def _found(differences: dict[str, Difference], word: str, reference: str, phase: Phase) -> str:
    modes = list(differences)
    numbers = [spoken(difference) for difference in differences.values()]
    than = f"{word} per token than {named(reference)} in {phase}"
    if len(modes) == 1:
        return f"{named(modes[0])} is {numbers[0][0]} % {than} {numbers[0][1]}."
    if len(modes) <= _NAMED_WITH_NUMBERS:
        return f"{listed(modes)} are {than}: by {joined([f'{value} % {interval}' for value, interval in numbers])}."
    smallest, *_, largest = sorted(differences.values(), key=lambda difference: abs(difference.percent))
    return f"{listed(modes)} are {than}: by {spoken(smallest)[0]} to {spoken(largest)[0]} % (estimates)."


def _best(best: Best) -> str:
    among = f"of {len(best.modes)} modes in {best.phase}"
    if best.winner is not None:
        return f"{named(best.winner)} is the best {among}."
    if len(best.candidates) == len(best.modes):
        return f"Which is the best {among} cannot be told."
    return f"{listed(best.candidates)} cannot be told apart as the best {among}."


def _of_controllers(family: Family) -> Iterator[str]:
    unsettled: dict[str, list[str]] = {}
    for row in family.rows:
        against = row.to_best_fixed
        if against is None or fixed_length(row.mode) is not None or against.low_percent is None:
            continue
        name = named(row.mode)
        if against.found:
            # The estimate errs upwards, as the lowest of several does downwards; its interval does not.
            word = "slower" if against.percent > 0 else "faster"
            low, high = ends(against)
            yield f"{name} is {low} to {high} % {word} per token than the best fixed k in {row.phase}."
        elif _holds_zero(against):
            unsettled.setdefault(name, []).append(f"{signed(against)[1]} % in {row.phase}")
    for name, intervals in unsettled.items():
        yield f"{name} cannot be told apart from the best fixed k (difference: {joined(intervals)})."


def _without_interval(family: Family, reference: str) -> Iterator[str]:
    for phase in family.phases:
        lacking = [row.mode for row in family.rows_in(phase) if row.mode != reference and not row.has_interval]
        if lacking:
            yield (
                f"No interval for {listed(lacking)} in {phase}: fewer than two blocks hold the same prompts of"
                f" {'it' if len(lacking) == 1 else 'them'} and of {named(reference)}."
            )


def _largest_detectable(rows: Sequence[ModeInPhase]) -> str | None:
    known = [
        row.to_reference
        for row in rows
        if row.to_reference is not None and row.to_reference.smallest_detectable_percent is not None
    ]
    largest = max(known, key=lambda difference: difference.smallest_detectable_percent or 0, default=None)
    return None if largest is None else smallest_detectable(largest)


def _holds_zero(difference: Difference) -> bool:
    low, high = difference.low_percent, difference.high_percent
    return low is not None and high is not None and low <= 0 <= high
