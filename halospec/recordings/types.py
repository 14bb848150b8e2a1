"""What a recording holds: replies with the draft's opinion of every token, and rounds with what they took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

QUIET = "quiet"
"""The condition without injected load; with it, conditions are named by what was injected: ``cpu:2`` burners."""


@dataclass(frozen=True, eq=False)
class TracedText:
    """A reply of the target, and what the draft would have said at each of its positions; all arrays are of one length.

    The draft was given the target's own text up to each position (teacher forcing). Up to its first disagreement a
    greedy draft proposes exactly that, so what any draft length would have had accepted from any position on follows:
    ``min(k, run of matches)``.

    Attributes
    ----------
    tokens
        What the target chose, greedily.
    match
        Whether the draft's likeliest token is the target's.
    top_probability, entropy
        Of the draft's distribution at temperature 1; the entropy in nats.
    overlap
        Sum over the vocabulary of min(p, q) at temperature 1: the probability that a drawn token is accepted there.
    """

    prompt_id: str
    tokens: npt.NDArray[np.int32]
    match: npt.NDArray[np.bool_]
    top_probability: npt.NDArray[np.float32]
    entropy: npt.NDArray[np.float32]
    overlap: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True, eq=False)
class RecordedRounds:
    """Rounds in the order in which they ran; the columns have the same length.

    Attributes
    ----------
    condition
        The place of the round's condition in `conditions`.
    visit
        1, 2, …: one reply, written under one condition with one setting of the threads.
    missed
        Tokens that the draft's first pass had to take in: 1 after a rejection, 2 after full acceptance, more after
        rounds without a draft. 0 where nothing was drafted.
    draft_us, catch_up_us, verify_us
        Drafting; the part of it that went into text the draft had missed, all but the first pass; the target's pass and
        choosing tokens from it.
    """

    conditions: tuple[str, ...]
    condition: npt.NDArray[np.int16]
    visit: npt.NDArray[np.int32]
    threads: npt.NDArray[np.int16]
    draft_threads: npt.NDArray[np.int16]
    k: npt.NDArray[np.int16]
    missed: npt.NDArray[np.int16]
    draft_us: npt.NDArray[np.float32]
    catch_up_us: npt.NDArray[np.float32]
    verify_us: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.k)


@dataclass(frozen=True, eq=False)
class Recording:
    """A pair's texts and rounds.

    Attributes
    ----------
    pair
        What it is called: ``twin``, ``rough``, or the name of a directory.
    threads, draft_threads
        The server's own setting, which modes that choose none are charged for.
    about
        Where it comes from: models, machine, versions, command. For people.
    """

    pair: str
    texts: tuple[TracedText, ...]
    rounds: RecordedRounds
    threads: int
    draft_threads: int
    about: Mapping[str, str]
