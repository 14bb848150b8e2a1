"""What the benchmark asks of the bare loop's process and is told by it: one JSON object a line each way."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class BareRequest(BaseModel):
    """Texts to write at the same time, one a prompt."""

    model_config = ConfigDict(frozen=True)

    prompts: tuple[str, ...]
    draft_length: int
    tokens: int


class BareText(BaseModel):
    """One of them, written; times since the request began."""

    model_config = ConfigDict(frozen=True)

    text: str
    prompt_tokens: int
    tokens: int
    drafted: int
    accepted: int
    first_token_ms: float
    ended_ms: float


class BareReply(BaseModel):
    """All of them.

    Attributes
    ----------
    decode_ms
        Part of ``wall_ms`` inside ``llama_decode``.
    """

    model_config = ConfigDict(frozen=True)

    texts: tuple[BareText, ...]
    rounds: int
    wall_ms: float
    decode_ms: float
