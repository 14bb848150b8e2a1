"""The tests of a report: decode time per token and tokens per burst, the longest k over the shortest, by block."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from halospec.endpoints.types import CountSource
from halospec.inference.holm import holm
from halospec.inference.sign_flips import FEWEST_PAIRS, Shift, shift_of
from halospec.probe.canaries import Canary
from halospec.probe.evidence import decode_ms_per_token, request_ms_per_token, tokens_per_burst
from halospec.records.probe import PairedTest

DECODE_TIME = "decode time per token"
REQUEST_TIME = "request time per token"
BURSTS = "tokens per burst"
_UNCOUNTED = {DECODE_TIME: "decode time per event", REQUEST_TIME: "request time per event"}
"""What is measured where a server's streams hold no count of tokens."""

Measure = Callable[[Canary], float | None]


def log_ratios(canaries: Sequence[Canary], shorter: int, longer: int, measure: Measure) -> list[float]:
    """Return ln(longer / shorter) for each block in which both canaries have the measure, above 0."""
    by_block = {k: _by_block(canaries, k, measure) for k in (shorter, longer)}
    blocks = sorted(by_block[shorter].keys() & by_block[longer].keys())
    return [math.log(by_block[longer][block] / by_block[shorter][block]) for block in blocks]


def paired_tests(by_knob: Mapping[str, Sequence[Canary]], seed: int) -> dict[str, tuple[PairedTest, ...]]:
    """Test every knob with enough pairs; p-values are adjusted for all tests together."""
    found = [test for knob, canaries in by_knob.items() for test in _tests_of(knob, canaries, seed)]
    adjusted = holm([test.shift.p_value for test in found])
    results: dict[str, tuple[PairedTest, ...]] = dict.fromkeys(by_knob, ())
    for test, p_adjusted in zip(found, adjusted, strict=True):
        results[test.knob] += (test.result(p_adjusted),)
    return results


@dataclass(frozen=True)
class _Tested:
    knob: str
    quantity: str
    shorter: int
    longer: int
    pairs: int
    shift: Shift

    def result(self, p_adjusted: float) -> PairedTest:
        low, high = self.shift.low, self.shift.high
        return PairedTest(
            quantity=self.quantity,
            shorter=self.shorter,
            longer=self.longer,
            pairs=self.pairs,
            ratio=math.exp(self.shift.mean),
            low=None if low is None else math.exp(low),
            high=None if high is None else math.exp(high),
            p_value=self.shift.p_value,
            p_adjusted=p_adjusted,
        )


def _tests_of(knob: str, canaries: Sequence[Canary], seed: int) -> list[_Tested]:
    lengths = sorted({canary.cell.draft_length for canary in canaries if canary.completion is not None})
    if len(lengths) < 2:
        return []
    shorter, longer = lengths[0], lengths[-1]
    decode = log_ratios(canaries, shorter, longer, decode_ms_per_token)
    if len(decode) >= FEWEST_PAIRS:
        times = {DECODE_TIME: decode}
    else:
        times = {REQUEST_TIME: log_ratios(canaries, shorter, longer, request_ms_per_token)}
    if any(canary.completion and canary.completion.tokens_from is CountSource.EVENTS for canary in canaries):
        times = {_UNCOUNTED[quantity]: ratios for quantity, ratios in times.items()}
    times[BURSTS] = log_ratios(canaries, shorter, longer, tokens_per_burst)
    return [
        _Tested(knob, quantity, shorter, longer, len(ratios), shift_of(ratios, seed))
        for quantity, ratios in times.items()
        if len(ratios) >= FEWEST_PAIRS
    ]


def _by_block(canaries: Sequence[Canary], k: int, measure: Measure) -> dict[int, float]:
    values = {canary.block: measure(canary) for canary in canaries if canary.cell.draft_length == k}
    return {block: value for block, value in values.items() if value is not None and value > 0}
