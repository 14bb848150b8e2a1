"""Tokens as log probabilities show them."""

from __future__ import annotations

from halospec_server.http.schema import LikelyToken
from halospec_server.llama import Model

_LOWEST = -9999.0
"""What OpenAI sends for a token of no probability; JSON has no infinity."""


def spelled(model: Model, token: int, logprob: float) -> LikelyToken:
    """Return a token's text, log probability and bytes.

    A token may be a part of a character: its text then shows a replacement character, its bytes are exact. One that
    adds nothing to the text goes by its name in the vocabulary.
    """
    piece = model.piece(token)
    return LikelyToken(
        token=piece.decode(errors="replace") if piece else model.token_text(token),
        logprob=max(logprob, _LOWEST),
        bytes=list(piece) if piece else None,
    )
