"""A search's answer in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from halospec.analysis.slo import Slo
from halospec.inference.types import Share
from halospec.tuning.evidence import PLAIN, Basis
from halospec.tuning.result import Difference, LengthResult, TuneResult
from halospec.tuning.verdict import Finding

_TIMES = {Basis.TPOT: "time per token", Basis.LATENCY: "latency"}
_FASTER = {Basis.TPOT: "faster per token", Basis.LATENCY: "faster per reply"}
_SLOWER = {Basis.TPOT: "slower per token", Basis.LATENCY: "slower per reply"}


def sentences(result: TuneResult) -> list[str]:
    """Return the answer, the one that matters first."""
    return [*_answer(result), *_objectives(result), *_whole_replies(result), *_footing(result)]


def listed(lengths: Sequence[int]) -> str:
    """Return draft lengths for a sentence: ``1, 2 and 4``, and ``0 to 8`` for a run of more than two."""
    if len(lengths) > 2 and list(lengths) == list(range(lengths[0], lengths[-1] + 1)):
        return f"{lengths[0]} to {lengths[-1]}"
    *others, last = map(str, lengths)
    return f"{', '.join(others)} and {last}" if others else last


def shown_difference(difference: Difference) -> str:
    """Return a difference in percent with its interval, where it has one: ``-12.3 [-15.0, -9.5]``."""
    estimate = f"{difference.percent:+.1f}"
    if difference.low is None or difference.high is None:
        return estimate
    return f"{estimate} [{difference.low:+.1f}, {difference.high:+.1f}]"


def shown_objectives(slo: Slo) -> str:
    """Return objectives as they were stated."""
    return ", ".join(f"{time.value} <= {_milliseconds(limit_ms)}" for time, limit_ms in slo.limits)


def _milliseconds(limit_ms: float) -> str:
    return f"{limit_ms:.0f}" if limit_ms >= 100 else f"{limit_ms:.3g}"


def _answer(result: TuneResult) -> Iterator[str]:
    verdict = result.verdict
    match verdict.finding:
        case Finding.FASTER:
            yield f"Use k = {verdict.recommended}: it is {_by_how_much(result, verdict.recommended)} than k = 0."
        case Finding.PLAIN_IS_BEST:
            others = [at.draft_length for at in _finalists(result) if at.draft_length != PLAIN]
            each = " and ".join(f"k = {k} is {_by_how_much(result, k)}" for k in others)
            yield f"Use k = 0: speculation does not pay here. Of those that got to the last round, {each}."
        case Finding.CANNOT_TELL:
            yield _cannot_tell(result)
        case Finding.PLAIN_MISSES_SLO:
            yield (
                f"Use k = {verdict.recommended}: {_attained(result, verdict.recommended)} meet the objectives. At k = 0"
                f" it is {_attained(result, PLAIN)}, certainly less than {_percent(result.wanted_attainment)}."
            )
        case Finding.SLO_MISSED:
            yield (
                f"No draft length of the last round meets the objectives in {_percent(result.wanted_attainment)} of its"
                f" requests. Nearest is k = {verdict.recommended}, with {_attained(result, verdict.recommended)}"
                f"{_plain_attained(result)}."
            )
    yield from _simplest(result)


def _cannot_tell(result: TuneResult) -> str:
    fastest = _of(result, result.verdict.fastest)
    detectable = [at.against_plain.smallest_detectable for at in _finalists(result) if at.against_plain is not None]
    known = [value for value in detectable if value is not None]
    least = _as_decrease(max(known)) if known else 0.0
    size = f"; one that takes {least:.0f} % less time would have been found in four of five searches" if known else ""
    if fastest.draft_length == PLAIN or fastest.against_plain is None:
        return f"Use k = 0: no draft length was faster than none, though not all are shown to be slower{size}."
    return (
        f"Use k = 0: no draft length can be told from it. The fastest measured, k = {fastest.draft_length}, differs in"
        f" its {_TIMES[result.basis]} by {shown_difference(fastest.against_plain)} %{size}. k = 0 needs no draft; a"
        " larger --budget could tell more."
    )


def _as_decrease(increase: float) -> float:
    """Return, of a percentage that is found as an increase, the decrease that is as far off on a logarithmic scale."""
    return 100 * increase / (100 + increase)


def _simplest(result: TuneResult) -> Iterator[str]:
    """Say why the fastest is not the one to use, where that is so."""
    verdict = result.verdict
    if verdict.finding not in (Finding.FASTER, Finding.PLAIN_MISSES_SLO) or verdict.recommended == verdict.fastest:
        return
    yield (
        f"The fastest measured is k = {verdict.fastest} ({_by_how_much(result, verdict.fastest)} than k = 0), but the"
        " two cannot be told apart, and the smaller k drafts less that is thrown away."
    )


def _objectives(result: TuneResult) -> Iterator[str]:
    """Say how often the recommended k met the objectives, where that did not decide."""
    verdict, wanted = result.verdict, result.wanted_attainment
    attained = _of(result, verdict.recommended).attainment
    if verdict.finding in (Finding.PLAIN_MISSES_SLO, Finding.SLO_MISSED) or attained is None or wanted is None:
        return
    shown = "" if attained.low >= wanted else f"; that {_percent(wanted)} do is not shown"
    yield f"At k = {verdict.recommended}, {_shown_share(attained)} meet the objectives{shown}."


def _whole_replies(result: TuneResult) -> Iterator[str]:
    """Say so where what is gained per token is not seen to be gained by whole replies."""
    best = _of(result, result.verdict.recommended)
    whole = best.latency_against_plain
    if result.basis is not Basis.TPOT or result.verdict.finding is not Finding.FASTER or whole is None:
        return
    if whole.is_found and whole.percent < 0:
        return
    plain = _of(result, PLAIN)
    delay = ""
    if best.ttft_ms is not None and plain.ttft_ms is not None and best.ttft_ms > plain.ttft_ms:
        delay = f" Its first token comes {best.ttft_ms - plain.ttft_ms:.0f} ms later."
    verb = "are slower" if whole.is_found else "are not shown to be faster"
    yield (
        f"Whole replies of this length {verb}: their latency differs by {shown_difference(whole)} %.{delay} Longer"
        " replies gain more; --by latency chooses for replies of this length."
    )


def _footing(result: TuneResult) -> Iterator[str]:
    if not result.is_fresh:
        yield "The last round had to use the prompts on which the choice was made, which flatters the winner a little."
    if result.units < 2:
        yield "The last round is too small for intervals; give a larger --budget."


def _by_how_much(result: TuneResult, draft_length: int) -> str:
    """Return such as ``18.0 % faster per token [14.1, 21.7]``, the numbers being shares of k = 0's time."""
    difference = _of(result, draft_length).against_plain
    if difference is None:
        return "as fast"
    word = (_FASTER if difference.percent < 0 else _SLOWER)[result.basis]
    said = f"{abs(difference.percent):.1f} % {word}"
    if difference.low is None or difference.high is None:
        return said
    if difference.percent < 0:
        return f"{said} [{-difference.high:.1f}, {-difference.low:.1f}]"
    return f"{said} [{difference.low:.1f}, {difference.high:.1f}]"


def _attained(result: TuneResult, draft_length: int) -> str:
    attainment = _of(result, draft_length).attainment
    return "an unknown share" if attainment is None else _shown_share(attainment)


def _plain_attained(result: TuneResult) -> str:
    return "" if result.verdict.recommended == PLAIN else f" (k = 0: {_attained(result, PLAIN)})"


def _shown_share(attainment: Share) -> str:
    """Return such as ``95.0 % [82.1, 99.0] of 40 requests``."""
    low, high = 100 * attainment.low, 100 * attainment.high
    return f"{100 * attainment.value:.1f} % [{low:.1f}, {high:.1f}] of {attainment.of} requests"


def _percent(share: float | None) -> str:
    return "enough" if share is None else f"{100 * share:.4g} %"


def _of(result: TuneResult, draft_length: int) -> LengthResult:
    return next(at for at in result.lengths if at.draft_length == draft_length)


def _finalists(result: TuneResult) -> list[LengthResult]:
    return [at for at in result.lengths if at.dropped_in is None]
