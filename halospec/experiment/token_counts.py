"""Whether the tokens of a server's streams can be counted, for servers that do not count them there."""

from __future__ import annotations

from dataclasses import replace

from halospec.endpoints.preflight import PreflightError
from halospec.endpoints.types import ChatRequest, Completion, CountSource, Endpoint, EndpointError, Message

_TOKENS = 16
_TOLERATED_SHARE = 0.2


async def require_countable_tokens(endpoint: Endpoint, prompt: str, draft_length: int) -> None:
    """Make sure that where content events are counted for tokens, they are tokens.

    A server that fails here is none of this function's business: its failures are told by those who measure it.

    Raises
    ------
    PreflightError
        If the same greedy reply has another number of tokens, unstreamed, than its stream had events.
    """
    request = ChatRequest((Message("user", prompt),), _TOKENS)
    streamed = await _reply(endpoint, request, draft_length)
    if streamed is None or streamed.tokens_from is not CountSource.EVENTS:
        return
    whole = await _reply(endpoint, replace(request, stream=False), draft_length)
    if whole is None or whole.text != streamed.text:
        return
    tokens, events = whole.completion_tokens, streamed.completion_tokens
    if not _about_equal(tokens, events):
        raise PreflightError(
            f"The server counts no tokens in its streams, and its events are not tokens ({events} events for a reply of"
            f" {tokens} tokens), so time per token cannot be measured there; have it report usage in streams"
            " (stream_options.include_usage)."
        )


def _about_equal(tokens: int, events: int) -> bool:
    """Tell whether events may be tokens, but for one that ends the text or half a character that is held back."""
    return abs(tokens - events) <= max(1, _TOLERATED_SHARE * tokens)


async def _reply(endpoint: Endpoint, request: ChatRequest, draft_length: int) -> Completion | None:
    try:
        return await endpoint.complete(request, draft_length)
    except EndpointError:
        return None
