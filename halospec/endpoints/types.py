"""The values that pass between an endpoint and whoever asks it for a completion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from halospec.records.schema import Round


@dataclass(frozen=True)
class Message:
    """One chat message."""

    role: str
    content: str


@dataclass(frozen=True)
class ChatRequest:
    """What is asked of the server, apart from the draft length."""

    messages: tuple[Message, ...]
    max_tokens: int
    temperature: float = 0.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    ignore_eos: bool = False


@dataclass(frozen=True)
class Completion:
    """A whole reply. ``None`` means that the server did not say.

    Attributes
    ----------
    event_ns
        When each content event arrived, on the run's clock; empty if the reply was not streamed.
    first_token_ns
        The first of them.
    ended_ns
        When the stream said that it was done, or ended; None if the reply was not streamed.
    """

    text: str
    finish_reason: str | None
    completion_tokens: int
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    drafted: int | None = None
    accepted: int | None = None
    rounds: int | None = None
    round_log: tuple[Round, ...] = ()
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
    """

    def __init__(self, reason: str, *, retryable: bool, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retryable = retryable
        self.retry_after_s = retry_after_s


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
