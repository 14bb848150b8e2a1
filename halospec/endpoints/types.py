"""The values that pass between an endpoint and whoever asks it for a completion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from pydantic import JsonValue

from halospec.records.decisions import Reasons
from halospec.records.schema import CountSource as CountSource
from halospec.records.schema import Round

RESERVED_FIELDS = frozenset(
    {
        "cache_prompt",
        "ignore_eos",
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "model",
        "n",
        "prompt",
        "seed",
        "stop",
        "stream",
        "stream_options",
        "temperature",
        "timings_per_token",
    }
)
"""What a request says for itself: k, or a mode's field, in one of them would change what is measured, or break it."""


@dataclass(frozen=True)
class Message:
    """One chat message."""

    role: str
    content: str


@dataclass(frozen=True)
class ChatRequest:
    """What is asked of the server, apart from the draft length.

    Attributes
    ----------
    stream
        Without a stream nothing is known of when tokens arrived; the probe asks so to learn what a server counts.
    reuse_prompt
        Whether the server may answer from a cache of prompts. A prompt that returns in every mode would otherwise
        favour the later ones.
    running_counts
        Ask for the draft counts with every event (``timings_per_token``), where the server's dialect has them.
    fields
        More of the body, such as a number of threads.

    Raises
    ------
    ValueError
        If one of ``fields`` is one that the request says for itself.
    """

    messages: tuple[Message, ...]
    max_tokens: int
    temperature: float = 0.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    ignore_eos: bool = False
    stream: bool = True
    reuse_prompt: bool = False
    running_counts: bool = False
    fields: Mapping[str, JsonValue] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if reserved := sorted(RESERVED_FIELDS & set(self.fields)):
            raise ValueError(f"{reserved[0]!r} cannot be added to a request, which says it for itself")


@dataclass(frozen=True)
class RequestChange:
    """What a draft length changes in the body of a chat request.

    Attributes
    ----------
    model
        Asked for instead of the run's model: one alias for each draft length.
    fields
        Added at the top of the body; an object stands for a nested path.
    """

    model: str | None = None
    fields: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True)
class Completion:
    """A whole reply. ``None`` means that the server did not say.

    Attributes
    ----------
    tokens_from, drafted_from
        Where ``completion_tokens`` and the two draft counts come from.
    round_log
        The bundled server's own, or rebuilt from running counts; ``rounds`` is its length, where there is one.
    decisions
        Why a rule inside the bundled server chose what it did, where it was asked to say so.
    event_ns
        When the bytes that completed each content event arrived, on the run's clock; empty if the reply was not
        streamed.
    first_token_ns
        The first of them.
    ended_ns
        When the stream said that it was done, or ended; None if the reply was not streamed.
    """

    text: str
    finish_reason: str | None
    completion_tokens: int
    tokens_from: CountSource = CountSource.USAGE
    drafted_from: CountSource | None = None
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    drafted: int | None = None
    accepted: int | None = None
    rounds: int | None = None
    round_log: tuple[Round, ...] = ()
    decisions: tuple[Reasons, ...] = ()
    prompt_ms: float | None = None
    predicted_ms: float | None = None
    event_ns: tuple[int, ...] = ()
    ended_ns: int | None = None

    @property
    def first_token_ns(self) -> int | None:
        """Arrival of the first content event."""
        return self.event_ns[0] if self.event_ns else None


class EndpointError(Exception):
    """A request that came to nothing.

    Parameters
    ----------
    reason
        One sentence for the record and the user.
    retryable
        Whether another try may succeed (a refused key or an unknown model will not).
    retry_after_s
        How long the server asked to be left alone.
    status
        The HTTP status, or the one that an error in a reply stands for; None where the server did not answer.
    """

    def __init__(
        self, reason: str, *, retryable: bool, retry_after_s: float | None = None, status: int | None = None
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retryable = retryable
        self.retry_after_s = retry_after_s
        self.status = status


class Endpoint(Protocol):
    """A server that completes chats and may obey a draft length."""

    async def complete(self, request: ChatRequest, draft_length: int | None) -> Completion:
        """Send one request and return the whole reply.

        Raises
        ------
        EndpointError
            If no usable reply came, with the reason.
        """
        ...
