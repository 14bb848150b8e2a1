"""What the command line decides about the HTTP side."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from halospec_server.cores import allowed_cpus


@dataclass(frozen=True)
class ServerSettings:
    """What the command line decides about the HTTP side.

    Attributes
    ----------
    draft_length, length_policy, p_min
        For requests that give none.
    pinned_draft_length
        Every request is decoded with it, whatever it asks for: modes that should differ then do not, which is what a
        null experiment needs.
    max_queue
        Requests that may wait for a slot; more are sent away.
    max_body_bytes, max_prompt_tokens
        What one request may hold. Without a limit of its own, a prompt may fill the context but for one token.
    deadline_s
        For requests that give none, from their arrival; None: no deadline.
    max_threads
        Most threads that a request may ask for.
    shutdown_grace_s
        How long requests that run may go on once the server is told to stop.
    """

    draft_length: int | Literal["auto"] = 4
    pinned_draft_length: int | None = None
    length_policy: str = "heuristic"
    p_min: float = 0.0
    api_key: str | None = None
    max_queue: int = 64
    max_body_bytes: int = 2 * 2**20
    max_prompt_tokens: int | None = None
    deadline_s: float | None = None
    max_threads: int = field(default_factory=allowed_cpus)
    shutdown_grace_s: float = 10.0
