"""What a request asks of the engine, and what each step of it brought."""

from __future__ import annotations

from dataclasses import dataclass

from halospec.controllers.decision import Decision
from halospec.controllers.protocol import MAX_DRAFT_LENGTH as MAX_DRAFT_LENGTH
from halospec_server.decoding.sampling import Sampling


@dataclass(frozen=True)
class Generation:
    """What is to be generated.

    Attributes
    ----------
    max_tokens
        Tokens to generate at most; the context may end the text earlier.
    draft_length
        k, the most tokens drafted in a round; None leaves it to ``length_policy``, round by round.
    length_policy
        A rule of ``halospec.controllers``, with settings or without: ``heuristic@start_length=3``. Only used when
        ``draft_length`` is None. None stands for the engine's default.
    drafter
        Name of one of the engine's drafters, or ``none``; None stands for the engine's default.
    p_min
        A draft ends before a token when the draft's most likely one is less likely than this.
    seed
        Fixes every random choice; None draws one from the operating system.
    ignore_eos
        Tokens that would end the text are never produced.
    threads, draft_threads
        Threads of the target's and the draft's passes, whatever the length policy chooses; None leaves them to it, or
        else to the server's own. A pass that several requests share uses the fewest that any of them wants.
    cache_prompt
        Whether what an earlier request left in the cache may be used again.
    top_logprobs
        None for no log probabilities; otherwise how many alternatives to report with each token's own.
    explain
        Whether a length policy that can say why it chose what it did is to say so.
    """

    prompt: tuple[int, ...]
    max_tokens: int
    sampling: Sampling
    draft_length: int | None = 0
    length_policy: str | None = None
    drafter: str | None = None
    p_min: float = 0.0
    seed: int | None = None
    ignore_eos: bool = False
    threads: int | None = None
    draft_threads: int | None = None
    cache_prompt: bool = True
    top_logprobs: int | None = None
    explain: bool = False


@dataclass(frozen=True)
class Round:
    """One pass of the target after the prompt, and the drafting before it. Times in nanoseconds.

    Passes are shared by all sequences that are being decoded; so are the times of drafting and verifying.

    Attributes
    ----------
    limit
        The draft length in force; ``k`` is smaller where the drafter had no more to propose, ``p_min`` or the length
        policy's stop ended the draft, or the end of the text was near.
    k, accepted
        Tokens drafted, and those of them that the target agreed with; the text may end among them.
    catch_up_ns
        Part of ``draft_ns``: the draft model's passes over text that it had missed.
    sequences, width
        Sequences in the target's pass, and positions in it of all of them together.
    threads, draft_threads
        Threads of the target's pass, and of the draft model's last one (0 where no model drafted).
    """

    limit: int
    k: int
    accepted: int
    draft_ns: int
    catch_up_ns: int
    verify_ns: int
    sample_ns: int
    sequences: int
    width: int
    threads: int
    draft_threads: int


@dataclass(frozen=True)
class Prefill:
    """Both models' passes over the prompt. Times in nanoseconds.

    Attributes
    ----------
    cached
        Tokens of the prompt that were in the target's cache already.
    """

    cached: int
    target_ns: int
    draft_ns: int
    sample_ns: int


@dataclass(frozen=True)
class TokenLogprob:
    """A token's log probability in the target's own distribution, and the likeliest tokens in its place.

    The distribution is the softmax of the logits as they left the model: before temperature, penalties and biases.
    """

    token: int
    logprob: float
    top: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Step:
    """Tokens of one sequence that became certain together: the first token, or those of a round.

    Attributes
    ----------
    ended
        Whether the last of them ends the text.
    finished
        Whether no step of this sequence will follow: ``ended``, or as many tokens as were asked for.
    logprobs
        One for each token, where the request asked for them.
    decision
        Why the length policy chose this round's setting, where it is another than the last round's and the request
        asked for reasons.
    """

    tokens: tuple[int, ...]
    cost: Prefill | Round
    ended: bool
    finished: bool
    logprobs: tuple[TokenLogprob, ...] = ()
    decision: Decision | None = None
