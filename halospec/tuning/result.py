"""What a search found, as it stands in ``tune.json``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from halospec.analysis.loading import requests_of
from halospec.analysis.modes import NO_SPECULATION
from halospec.analysis.slo import Slo, score
from halospec.analysis.value import Value
from halospec.inference.best import best_set
from halospec.inference.comparisons import compare_to
from halospec.inference.proportions import wilson
from halospec.inference.types import LogRatio, Method, Share
from halospec.records.schema import RequestRecord
from halospec.tuning.evidence import PLAIN, Basis, quotient_of, sums_of_round
from halospec.tuning.search import RoundDone
from halospec.tuning.verdict import Finalist, Verdict, conclude, is_shown_below


class Difference(Value):
    """A time relative to that of k = 0 on the same prompts, in percent; below 0 is faster.

    Attributes
    ----------
    low, high
        Simultaneous 95 % interval; None for a k that was dropped before the last round, which has an estimate only.
    smallest_detectable
        What a last round of this size would have found with 80 % power.
    """

    percent: float
    low: float | None = None
    high: float | None = None
    smallest_detectable: float | None = None

    @property
    def is_found(self) -> bool:
        """Whether the interval excludes 0."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


class LengthResult(Value):
    """One draft length.

    Attributes
    ----------
    requests, failures
        Measured ones, of all rounds.
    tpot_ms, ttft_ms, latency_ms
        Of the last round that it took part in: the ratio of sums, and means. Those of k that were in different rounds
        had different prompts and cannot be compared; the differences can.
    acceptance
        accepted / drafted; None where nothing was drafted, or the server does not count.
    against_plain
        By what the search judged; over all rounds for a k that was dropped, in the last round otherwise.
    latency_against_plain
        Of whole replies, in the last round.
    attainment
        Of the objectives, in the last round that it took part in.
    dropped_in
        The round after which it was dropped; None for those of the last round.
    """

    draft_length: int
    requests: int
    failures: int
    tpot_ms: float | None
    ttft_ms: float | None
    latency_ms: float | None
    acceptance: float | None
    against_plain: Difference | None
    latency_against_plain: Difference | None
    attainment: Share | None
    dropped_in: int | None


class RoundResult(Value):
    """One round.

    Attributes
    ----------
    first_block, last_block
        Of its records: one block, or one for each time that the server was brought to every k.
    prompts
        That each draft length answered.
    """

    number: int
    first_block: int
    last_block: int
    lengths: tuple[int, ...]
    prompts: int
    dropped: tuple[int, ...]


class TuneResult(Value):
    """The answer, and what it rests on.

    Attributes
    ----------
    requests
        Warm-up included, the probe's not.
    is_fresh
        Whether the last round's prompts took no part in choosing who got there.
    units
        What the intervals of the last round take for independent of one another: prompts, or passes over the server's
        reloads.
    """

    basis: Basis
    requests: int
    lengths: tuple[LengthResult, ...]
    rounds: tuple[RoundResult, ...]
    units: int
    is_fresh: bool
    method: Method | None
    slo: Slo | None
    wanted_attainment: float | None
    verdict: Verdict


@dataclass(frozen=True)
class Aim:
    """What draft lengths are judged by, and against."""

    basis: Basis
    slo: Slo | None
    wanted_attainment: float
    seed: int


def attainments(records: Iterable[RequestRecord], slo: Slo | None) -> dict[int, Share]:
    """Return how often each draft length met the objectives, all phases together; nothing without objectives."""
    measured = [record for record in records if not record.is_warmup]
    if slo is None or not measured:
        return {}
    lengths = {record.mode: record.draft_length for record in measured}
    met: dict[int, tuple[int, int]] = {}
    for row in score(requests_of(measured), slo, reference=NO_SPECULATION).phases:
        length = lengths[row.mode]
        if row.attainment is not None and length is not None:
            count, of = met.get(length, (0, 0))
            met[length] = (count + row.attainment.count, of + row.attainment.of)
    return {length: wilson(count, of) for length, (count, of) in met.items()}


def shown_to_miss(records: Iterable[RequestRecord], aim: Aim) -> frozenset[int]:
    """Return the draft lengths that certainly meet the objectives too rarely."""
    attained = attainments(records, aim.slo)
    return frozenset(k for k, share in attained.items() if is_shown_below(share, aim.wanted_attainment))


def result_of(records: Sequence[RequestRecord], rounds: Sequence[RoundDone], aim: Aim, *, is_fresh: bool) -> TuneResult:
    """Conclude a search whose rounds are all over."""
    last = rounds[-1]
    lengths = last.lengths
    decisive = _LastRound(records, last, aim, by_prompt=is_fresh)
    of_last = attainments(_of_round(records, last), aim.slo)
    compared = dict(zip(lengths, decisive.against_plain(aim.basis), strict=True))
    finalists = [Finalist(k, compared[k], of_last.get(k)) for k in lengths if k == PLAIN or compared[k] is not None]
    verdict = conclude(finalists, decisive.best_among, aim.wanted_attainment)
    latencies = dict(zip(lengths, decisive.against_plain(Basis.LATENCY), strict=True))
    all_lengths = rounds[0].lengths
    return TuneResult(
        basis=aim.basis,
        requests=len(records),
        lengths=tuple(_length(k, records, rounds, aim, compared.get(k), latencies.get(k)) for k in all_lengths),
        rounds=tuple(_round(done) for done in rounds),
        units=max((found.blocks for found in compared.values() if found is not None), default=0),
        is_fresh=is_fresh,
        method=next((found.method for found in compared.values() if found is not None), None),
        slo=aim.slo,
        wanted_attainment=None if aim.slo is None else aim.wanted_attainment,
        verdict=verdict,
    )


class _LastRound:
    """The round on whose fresh prompts the answer rests."""

    def __init__(self, records: Sequence[RequestRecord], done: RoundDone, aim: Aim, *, by_prompt: bool) -> None:
        self._records = records
        self._blocks = range(done.first_block, done.last_block + 1)
        self._lengths = done.lengths
        self._by_prompt = by_prompt
        self._aim = aim

    def against_plain(self, basis: Basis) -> list[LogRatio | None]:
        """Compare each draft length with k = 0, all at once; None for k = 0, and where no pair was measured."""
        sums = sums_of_round(self._records, self._blocks, self._lengths, basis, by_prompt=self._by_prompt)
        return compare_to(sums, self._lengths.index(PLAIN), seed=self._aim.seed)[0]

    def best_among(self, lengths: Sequence[int]) -> tuple[int, ...] | None:
        """Return which of some draft lengths may be the best."""
        sums = sums_of_round(self._records, self._blocks, lengths, self._aim.basis, by_prompt=self._by_prompt)
        found = best_set(sums, 0, seed=self._aim.seed)
        return None if found is None else tuple(lengths[place] for place in found.candidates)


def _round(done: RoundDone) -> RoundResult:
    return RoundResult(
        number=done.size.number,
        first_block=done.first_block,
        last_block=done.last_block,
        lengths=done.lengths,
        prompts=done.size.prompts,
        dropped=done.dropped,
    )


def _length(
    draft_length: int,
    records: Sequence[RequestRecord],
    rounds: Sequence[RoundDone],
    aim: Aim,
    compared: LogRatio | None,
    latency: LogRatio | None,
) -> LengthResult:
    measured = [record for record in records if record.draft_length == draft_length and not record.is_warmup]
    dropped = next((done for done in rounds if draft_length in done.dropped), None)
    last = dropped or rounds[-1]
    recent = [record for record in _of_round(measured, last) if record.success]
    estimate = next((at.log_ratio for at in last.standings if at.draft_length == draft_length), None)
    against_plain = None if estimate is None else Difference(percent=_percent(estimate))
    return LengthResult(
        draft_length=draft_length,
        requests=len(measured),
        failures=sum(not record.success for record in measured),
        tpot_ms=_ratio_of_sums(recent, Basis.TPOT),
        ttft_ms=_mean([record.ttft_ms for record in recent if record.ttft_ms is not None]),
        latency_ms=_ratio_of_sums(recent, Basis.LATENCY),
        acceptance=_acceptance(measured),
        against_plain=against_plain if compared is None else _difference(compared),
        latency_against_plain=None if latency is None else _difference(latency),
        attainment=attainments(_of_round(measured, last), aim.slo).get(draft_length),
        dropped_in=None if dropped is None else dropped.size.number,
    )


def _of_round(records: Iterable[RequestRecord], done: RoundDone) -> list[RequestRecord]:
    return [record for record in records if done.first_block <= record.block <= done.last_block]


def _difference(found: LogRatio) -> Difference:
    return Difference(
        percent=_percent(found.value),
        low=None if found.low is None else _percent(found.low),
        high=None if found.high is None else _percent(found.high),
        smallest_detectable=None if found.smallest_detectable is None else _percent(found.smallest_detectable),
    )


def _percent(log_ratio: float) -> float:
    return 100 * math.expm1(log_ratio)


def _ratio_of_sums(records: Iterable[RequestRecord], basis: Basis) -> float | None:
    quotients = [quotient for record in records if (quotient := quotient_of(record, basis)) is not None]
    if not quotients:
        return None
    return sum(one.numerator for one in quotients) / sum(one.denominator for one in quotients)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _acceptance(records: Iterable[RequestRecord]) -> float | None:
    counted = [(record.accepted or 0, record.drafted) for record in records if record.drafted]
    return sum(accepted for accepted, _ in counted) / sum(drafted for _, drafted in counted) if counted else None
