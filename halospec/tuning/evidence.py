"""What the records of a search say of each draft length: paired with k = 0, prompt by prompt."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean

import numpy as np

from halospec.inference.types import Sums
from halospec.records.schema import RequestRecord
from halospec.tuning.halving import Standing

PLAIN = 0
"""The draft length that every other is compared with."""


class Basis(StrEnum):
    """What draft lengths are judged by.

    ``TPOT``: time per output token after the first. ``LATENCY``: from sending to the end, the first token included,
    which a draft model's own reading of the prompt delays.
    """

    TPOT = "tpot"
    LATENCY = "latency"


@dataclass(frozen=True)
class Quotient:
    """What one request adds to a ratio of sums: milliseconds, and tokens or requests."""

    numerator: float
    denominator: float


def quotient_of(record: RequestRecord, basis: Basis) -> Quotient | None:
    """Return what a request adds, or None where it failed or does not have what is asked for."""
    if not record.success or record.is_warmup:
        return None
    if basis is Basis.LATENCY:
        return Quotient(record.latency_ms, 1)
    if record.first_token_ns is None or record.completion_tokens is None or record.completion_tokens < 2:
        return None
    decode_ms = (record.ended_ns - record.first_token_ns) / 1e6
    return Quotient(decode_ms, record.completion_tokens - 1) if decode_ms > 0 else None


def standings(
    records: Sequence[RequestRecord], challengers: Iterable[int], basis: Basis, missing_slo: frozenset[int]
) -> list[Standing]:
    """Return how each challenger has done in all rounds so far, over the prompts that both it and k = 0 answered."""
    logs = {
        (record.block, record.step, record.draft_length): math.log(quotient.numerator / quotient.denominator)
        for record in records
        if (quotient := quotient_of(record, basis)) is not None
    }
    result = []
    for length in challengers:
        asked = sum(record.draft_length == length and not record.is_warmup for record in records)
        pairs = [
            log - logs[block, step, PLAIN]
            for (block, step, k), log in logs.items()
            if k == length and (block, step, PLAIN) in logs
        ]
        mean = fmean(pairs) if pairs else None
        result.append(Standing(length, mean, len(pairs), asked, length in missing_slo))
    return result


def sums_of_round(
    records: Iterable[RequestRecord], blocks: range, lengths: Sequence[int], basis: Basis, *, by_prompt: bool
) -> Sums:
    """Return the sums of some blocks for inference, of shape (units, answers of a unit, 1, draft lengths).

    Units are what is independent of one another. In a round of one block all k answer a prompt before the next one
    comes, and the unit is the prompt, or the step where conclusions are about these few prompts alone. In a round of
    several blocks each k answers the prompts of a block in a row, and the unit is the block, since the machine's drift
    is common to all its requests.
    """
    of_round = [record for record in records if record.block in blocks and not record.is_warmup]
    units: dict[int | str, list[tuple[int, int]]] = {}
    for block, step, prompt_id in sorted({(record.block, record.step, record.prompt_id) for record in of_round}):
        unit = block if len(blocks) > 1 else prompt_id if by_prompt else step
        units.setdefault(unit, []).append((block, step))
    places = {cell: (unit, at) for unit, cells in enumerate(units.values()) for at, cell in enumerate(cells)}
    shape = (len(units), max(map(len, units.values()), default=0), 1, len(lengths))
    numerator, denominator = np.zeros(shape), np.zeros(shape)
    for record in of_round:
        quotient = quotient_of(record, basis)
        if quotient is not None and record.draft_length in lengths:
            at = (*places[record.block, record.step], 0, lengths.index(record.draft_length))
            numerator[at], denominator[at] = quotient.numerator, quotient.denominator
    return Sums(numerator, denominator)
