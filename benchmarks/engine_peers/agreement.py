"""Do the systems write the same greedy texts? Where not, where they part for the first time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from engine_peers.records import Measurement, Reply, SystemName


@dataclass(frozen=True)
class Comparison:
    """One text beside the reference's for the same prompt.

    Attributes
    ----------
    first_difference
        The first character that differs, counted from 0; None where the texts are equal.
    """

    system: SystemName
    draft_length: int
    clients: int
    prompt_id: str
    first_difference: int | None


def compare_texts(measurements: Sequence[Measurement], reference: SystemName) -> list[Comparison]:
    """Compare every text with the reference's at k = 0, beside as many other clients and in the same repetition.

    A pass over several sequences may round differently from a pass over one, hence the same number of clients.
    """
    expected: dict[tuple[int, int, str], str] = {
        (m.repetition, m.clients, reply.prompt_id): reply.text
        for m, reply in _replies(measurements)
        if m.system == reference and m.draft_length == 0
    }
    return [
        Comparison(
            m.system,
            m.draft_length,
            m.clients,
            reply.prompt_id,
            first_difference(reply.text, expected[m.repetition, m.clients, reply.prompt_id]),
        )
        for m, reply in _replies(measurements)
        if (m.system, m.draft_length) != (reference, 0) and (m.repetition, m.clients, reply.prompt_id) in expected
    ]


def first_difference(text: str, other: str) -> int | None:
    """Return the index of the first character that differs, or None where there is none."""
    if text == other:
        return None
    pairs = enumerate(zip(text, other, strict=False))
    return next((i for i, (here, there) in pairs if here != there), min(len(text), len(other)))


def _replies(measurements: Sequence[Measurement]) -> Iterator[tuple[Measurement, Reply]]:
    return ((m, reply) for m in measurements for reply in m.replies)
