"""What loading or starting a server anew leaves behind: a line of ``switches.jsonl``."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class SwitchReason(StrEnum):
    """Why a server was loaded or started anew.

    ``DIED``: it had been there for this draft length, and was gone when it was needed again, by itself, at somebody's
    hands, or because it had to make room.
    """

    FIRST = "first"
    CHANGED = "changed"
    DIED = "died"


class SwitchRecord(BaseModel):
    """One time that the server was brought to a draft length by loading or starting it anew.

    Times in nanoseconds are relative to the run's start.

    Attributes
    ----------
    mode, block
        The trial whose next request asked for this draft length.
    duration_ms
        How long the server was not to be had; in no request's latency.
    detail
        The arguments or the command line that it ran with from then on.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    block: int = Field(ge=1)
    mode: str
    draft_length: int = Field(ge=0)
    reason: SwitchReason
    duration_ms: float = Field(ge=0.0)
    started_ns: int = Field(ge=0)
    ended_ns: int = Field(ge=0)
    detail: str
