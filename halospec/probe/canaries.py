"""Canaries: small greedy requests that differ in nothing but k, and what came of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from halospec.endpoints.dialect import Dialect
from halospec.endpoints.types import ChatRequest, Completion, CountSource, Message
from halospec.knobs.types import Knob

# What is to be continued repeats itself, in the prompt and then in the reply: a model predicts it well, and an n-gram
# drafter finds it in the text.
PROMPTS = (
    "Continue this list without stopping: red, green, blue, red, green, blue, red, green, blue, red,",
    "Write this line again and again: the cat sat on the mat. the cat sat on the mat. the cat sat on the mat.",
    "Go on counting in the same way: one two three four, one two three four, one two three four, one",
    "Repeat these words for ever: alpha beta gamma delta alpha beta gamma delta alpha beta gamma delta",
    "Continue the pattern: A B C D E F G, A B C D E F G, A B C D E F G, A B C",
    "Keep on repeating this sentence: I like tea and cake. I like tea and cake. I like tea and cake.",
)


@dataclass(frozen=True)
class Cell:
    """A knob and a draft length set through it."""

    knob: str
    draft_length: int


@dataclass(frozen=True)
class DraftCounts:
    """What was drafted for one reply. ``rounds`` is None where the server does not count them."""

    drafted: int
    accepted: int | None
    rounds: int | None
    source: CountSource


@dataclass(frozen=True)
class Canary:
    """One canary and what came of it.

    Attributes
    ----------
    block
        Canaries of one block have the same prompt; pairs are formed within blocks.
    sent_ns, ended_ns
        Around the whole exchange, on the probe's clock.
    completion
        None if it failed; ``error`` then says why.
    refused
        Whether the server answered that it will not have such a request (a status of 4xx that is about the request).
    metered
        By how much the server's own running totals grew meanwhile, where its replies count nothing.
    others_counted
        Whether those totals were left out, since requests of somebody else's are in them.
    """

    cell: Cell
    block: int
    sent_ns: int
    ended_ns: int
    completion: Completion | None = None
    error: str = ""
    refused: bool = False
    metered: DraftCounts | None = None
    others_counted: bool = False

    @property
    def counts(self) -> DraftCounts | None:
        """What was drafted: by the reply's own account, else by the server's totals; None if neither says."""
        reply = self.completion
        if reply is not None and reply.drafted is not None and reply.drafted_from is not None:
            return DraftCounts(reply.drafted, reply.accepted, reply.rounds, reply.drafted_from)
        return self.metered


def canary_request(block: int, max_tokens: int, dialect: Dialect) -> ChatRequest:
    """Return what is sent in a block (from 1), but for the draft length."""
    return ChatRequest(
        (Message("user", PROMPTS[(block - 1) % len(PROMPTS)]),),
        max_tokens=max_tokens,
        temperature=0.0,
        # Another one for each block: what a server draws at random is then drawn anew, and is the same within a block.
        seed=block,
        ignore_eos=dialect.ignore_eos,
        running_counts=dialect.timings_per_token,
    )


def lengths_for(knob: Knob, wanted: Sequence[int]) -> tuple[int, ...]:
    """Return the draft lengths to ask a knob for: those wanted, else its own smallest, next and largest."""
    if knob.lengths is None or knob.lengths.issuperset(wanted):
        return tuple(sorted(wanted))
    own = sorted(knob.lengths)
    return tuple(dict.fromkeys([*own[:2], *own[-1:]]))
