"""What a simulation is asked and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

CHOSEN_PER_ROUND = -1


@dataclass(frozen=True)
class Segment:
    """A stretch of a scenario. Its length is counted in tokens, so that every policy meets it at the same token.

    Attributes
    ----------
    tokens
        Generated tokens, each request's first (which belongs to its prompt) not counted.
    load
        A condition of the recording.
    load_until
        Drift: the share of rounds drawn from this other condition grows from 0 at the segment's start to 1 at its end.
        ``None``: no drift.
    prompts
        ``all``, ``easy``, ``hard`` (the third of the texts with the most and the fewest matches), or a prompt's id.
    """

    tokens: int
    load: str
    load_until: str | None = None
    prompts: str = "all"

    @property
    def kind(self) -> tuple[str, str | None, str]:
        """What the phase oracle tells segments apart by."""
        return (self.load, self.load_until, self.prompts)


@dataclass(frozen=True)
class Scenario:
    """What happens to the machine and to the prompts while requests are answered one after the other.

    Attributes
    ----------
    tokens_per_request
        Generated tokens of every request, its first not counted.
    """

    name: str
    title: str
    tokens_per_request: int
    segments: tuple[Segment, ...]

    @property
    def tokens(self) -> int:
        """Tokens of the whole scenario."""
        return sum(segment.tokens for segment in self.segments)


@dataclass(frozen=True, eq=False)
class Simulated:
    """One policy's way through one scenario. The first columns have one entry a request, the others one a round.

    Attributes
    ----------
    text
        The place of the request's text in the recording.
    draft_length
        ``CHOSEN_PER_ROUND`` where a rule inside the server chose it.
    decode_ms
        From the first token to the last.
    round_segment
        The segment in which the round began.
    round_token
        The scenario's token at which the round began: 0, 1, ….
    """

    spelling: str
    seed: int
    text: npt.NDArray[np.int32]
    tokens: npt.NDArray[np.int32]
    draft_length: npt.NDArray[np.int16]
    decode_ms: npt.NDArray[np.float64]
    round_request: npt.NDArray[np.int32]
    round_segment: npt.NDArray[np.int32]
    round_token: npt.NDArray[np.int32]
    k: npt.NDArray[np.int16]
    accepted: npt.NDArray[np.int16]
    duration_ms: npt.NDArray[np.float64]
    threads: npt.NDArray[np.int16]
    draft_threads: npt.NDArray[np.int16]
