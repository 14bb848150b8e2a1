"""How much a probe asks for."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator


class ProbeSettings(BaseModel):
    """A probe as it was asked for.

    Attributes
    ----------
    seed
        Fixes the order of the canaries.
    lengths
        The draft lengths to ask for. A knob that lacks one of them is asked for its own smallest, next and largest.
    blocks
        Each holds one canary of every knob and draft length, all with the same prompt.
    pairs
        Fewest pairs of canaries, of the shortest and the longest k, for knobs that only time can judge.
    traits
        Whether to find out what else there is to know about the server.
    max_failures
        Canaries that fail one after another before the server is asked whether it is still there at all; if not, the
        probe is given up.
    """

    model_config = ConfigDict(frozen=True)

    seed: int = Field(default=1, ge=0)
    lengths: tuple[Annotated[int, Field(ge=0)], ...] = (0, 1, 8)
    max_tokens: int = Field(default=32, ge=8)
    blocks: int = Field(default=3, ge=2)
    pairs: int = Field(default=10, ge=6)
    traits: bool = True
    max_failures: int = Field(default=3, ge=1)

    @field_validator("lengths")
    @classmethod
    def _at_least_two(cls, lengths: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(lengths)) < 2:
            raise ValueError("give at least two different draft lengths")
        return tuple(sorted(set(lengths)))
