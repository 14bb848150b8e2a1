"""What a probe found: whether a draft length has any effect on a server, knob by knob, with the evidence."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

PROBE_VERSION = 1


class Verdict(StrEnum):
    """Whether a knob is connected."""

    OBEYED = "obeyed"
    IGNORED = "ignored"
    CANNOT_TELL = "cannot_tell"


class Basis(StrEnum):
    """What a verdict rests on.

    ``DESCRIPTION``: the server publishes which fields its requests have, and the knob's is none of them.
    """

    COUNTS = "counts"
    TIME = "time"
    REFUSAL = "refusal"
    DESCRIPTION = "description"
    NOTHING = "nothing"


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True)


class PositionEvidence(_Value):
    """How often the draft's token at one place was kept; ``accepted / drafted`` is its acceptance rate.

    The rate is unconditional: a token counts as drafted although one before it was rejected. Divided by the rate of the
    position before it is the chance of a token whose forerunners were all kept.

    Attributes
    ----------
    position
        From 1.
    drafted
        Rounds that drafted this far.
    accepted
        Those of them that kept this token.
    """

    position: int
    drafted: int
    accepted: int


class LengthEvidence(_Value):
    """What the canaries with one draft length brought. ``None``: not known.

    Attributes
    ----------
    canaries, failures
        Requests sent, and those of them that failed.
    drafted, accepted, rounds, completion_tokens
        Sums over the successful ones.
    drafted_per_round
        ``drafted / rounds``; where the server counts no rounds they follow from its totals, since a round yields its
        accepted tokens and one more: rounds = completion_tokens - 1 - accepted.
    most_drafted_in_a_round
        Only where single rounds are known.
    tpot_ms
        Median over the canaries of the decode time per token.
    tokens_per_burst
        Tokens that arrive together, on average; 1 where every token comes alone.
    accepted_by_position
        Only where single rounds are known.
    """

    draft_length: int
    canaries: int
    failures: int
    drafted: int | None = None
    accepted: int | None = None
    rounds: int | None = None
    completion_tokens: int = 0
    drafted_per_round: float | None = None
    most_drafted_in_a_round: int | None = None
    tpot_ms: float | None = None
    tokens_per_burst: float | None = None
    accepted_by_position: tuple[PositionEvidence, ...] = ()


class PairedTest(_Value):
    """A sign-flip permutation test on pairs of canaries with the same prompt in the same block.

    Attributes
    ----------
    quantity
        ``decode time per token``, ``tokens per burst`` or, where replies come all at once, ``request time per token``;
        ``per event`` where streams hold no count of tokens.
    ratio, low, high
        Geometric mean of the pairs' ratios, the longer k over the shorter, and its 95 % interval.
    p_value
        Two-sided; of no difference, adjusted for the number of tests (Holm) in ``p_adjusted``.
    """

    quantity: str
    shorter: int
    longer: int
    pairs: int
    ratio: float
    low: float | None
    high: float | None
    p_value: float
    p_adjusted: float


class KnobReport(_Value):
    """One knob, judged.

    Attributes
    ----------
    knob, kind
        Its spelling on the command line, and which way of setting k it is.
    reason
        One sentence: what the verdict rests on.
    counts_from
        Where drafted counts come from: ``timings``, ``speculation``, ``usage``, ``metrics``; None if nowhere.
    switch_ms
        Median time that loading or starting anew took, where that is how k is set.
    together_with
        Other request fields that its canaries carried as well, in which case evidence and verdict are those of all of
        them together: what has no effect in company has none alone.
    """

    knob: str
    kind: str
    per_request: bool
    verdict: Verdict
    basis: Basis
    reason: str
    counts_from: str | None = None
    by_length: tuple[LengthEvidence, ...] = ()
    tests: tuple[PairedTest, ...] = ()
    switch_ms: float | None = None
    together_with: tuple[str, ...] = ()


class Untried(_Value):
    """A knob that the server may have and that was not tried, since trying it would change the server."""

    knob: str
    reason: str


class Traits(_Value):
    """What else was found out about the server. ``None``: could not be found out.

    Attributes
    ----------
    streams, usage_in_stream, timings_in_stream
        Whether replies come as streams, and what the streams report.
    events_per_reply, tokens_per_reply, tokens_per_event
        Of the streamed reply that was compared with the count of the same reply unstreamed.
    tokens_per_burst, within_burst_ms, between_bursts_ms
        Events less than a quarter of the mean gap apart, or less than 0.5 ms (though at most half the mean gap), form a
        burst: its mean size, and the median gap inside and between bursts. Under speculation one burst is one round.
    caches_prompts, obeys_cache_prompt
        Whether a prompt that was just sent is not read again, and whether ``cache_prompt: false`` prevents that.
    greedy_repeats
        Whether the same greedy request gives the same text.
    two_at_once
        ``together``, ``one_after_the_other``; ``slowdown_at_two``: time per token with two requests over that with one.
    own_decode_over_ours, own_prompt_over_ours
        The server's own account of its decode and prompt time over what the client saw.
    notes
        Sentences for the reader.
    """

    streams: bool | None = None
    usage_in_stream: bool | None = None
    timings_in_stream: bool | None = None
    events_per_reply: int | None = None
    tokens_per_reply: int | None = None
    tokens_per_event: float | None = None
    tokens_per_burst: float | None = None
    within_burst_ms: float | None = None
    between_bursts_ms: float | None = None
    caches_prompts: bool | None = None
    obeys_cache_prompt: bool | None = None
    greedy_repeats: bool | None = None
    two_at_once: str | None = None
    slowdown_at_two: float | None = None
    own_decode_over_ours: float | None = None
    own_prompt_over_ours: float | None = None
    notes: tuple[str, ...] = ()


class ProbedServer(_Value):
    """Which server was probed, by its own answers.

    Attributes
    ----------
    recognised_by
        Why it was taken for this kind; ``--server`` where the user said so.
    speculation
        What it says of its own speculation; empty if nothing.
    speculation_configured
        Whether it says that it would draft at all.
    """

    base_url: str
    model: str
    kind: str
    title: str
    version: str | None = None
    recognised_by: str
    speculation: str = ""
    speculation_configured: bool | None = None


class ProbeReport(_Value):
    """All that a probe found; ``halospec probe --json`` prints it, and a run's manifest holds it.

    Attributes
    ----------
    canaries
        Requests that were sent.
    advice
        What to do: which knob to use, or how to get one that works.
    """

    version: int = PROBE_VERSION
    halospec: str
    probed_at: datetime
    seconds: float
    canaries: int
    server: ProbedServer
    knobs: tuple[KnobReport, ...]
    untried: tuple[Untried, ...] = ()
    traits: Traits | None = None
    advice: str

    @property
    def best(self) -> KnobReport | None:
        """The first knob that was obeyed, in the order in which they were tried; None if none was."""
        return next((knob for knob in self.knobs if knob.verdict is Verdict.OBEYED), None)
