"""Scenarios: those that are shipped, and files of a user's own.

A scenario is a TOML file::

    title = "A load that comes and goes"
    tokens_per_request = 96            # after each request's first token
    repeat = 2                         # the segments, so many times over

    [[segments]]
    requests = 20                      # or tokens = 1920
    load = "quiet"                     # a condition of the recording; most, least: by the number of burners
    prompts = "all"                    # all, easy, hard (the third with the most and the fewest matches), or an id

    [[segments]]
    requests = 20
    load = "quiet"
    load_until = "most"                # drift: the share of the other condition grows from 0 to 1
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from halospec.analysis.printable import printable
from halospec.simulate.errors import CannotSimulate
from halospec.simulate.toml_files import parse_toml, read_toml
from halospec.simulate.types import Scenario, Segment

_MOST_TOKENS = 10_000_000

_Name = Annotated[str, Field(min_length=1, max_length=200)]


class _Segment(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    requests: int | None = Field(default=None, ge=1, le=100_000)
    tokens: int | None = Field(default=None, ge=1, le=10_000_000)
    load: _Name
    load_until: _Name | None = None
    prompts: _Name = "all"

    @model_validator(mode="after")
    def _has_one_length(self) -> Self:
        if (self.requests is None) == (self.tokens is None):
            raise ValueError("give either requests or tokens")
        return self


class _ScenarioFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    title: _Name
    tokens_per_request: int = Field(default=96, ge=1, le=100_000)
    repeat: int = Field(default=1, ge=1, le=100_000)
    segments: tuple[_Segment, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _can_be_simulated(self) -> Self:
        tokens = self.repeat * sum(self._tokens_of(segment) for segment in self.segments)
        if tokens > _MOST_TOKENS:
            raise ValueError(f"it is {tokens} tokens long, and the most is {_MOST_TOKENS}")
        return self

    def _tokens_of(self, segment: _Segment) -> int:
        return segment.tokens or (segment.requests or 0) * self.tokens_per_request

    def scenario(self, name: str) -> Scenario:
        once = tuple(
            Segment(
                tokens=self._tokens_of(segment),
                load=segment.load,
                load_until=segment.load_until,
                prompts=segment.prompts,
            )
            for segment in self.segments
        )
        return Scenario(name, self.title, self.tokens_per_request, once * self.repeat)


SHIPPED = ("steady", "stationary", "load", "prompts", "load-and-prompts", "drift", "bursts", "intermediate")
"""Names of the shipped scenarios, from the calmest on."""


def scenario_named(name: str) -> Scenario:
    """Return a scenario: a shipped one by its name, or the one in a file, which is called as the file is.

    Raises
    ------
    CannotSimulate
        If there is no such scenario, or the file does not describe one.
    """
    if name in SHIPPED:
        text = files(__name__).joinpath(f"{name}.toml").read_text("utf-8")
        return parse_toml(text, f"the shipped {name}.toml", _ScenarioFile).scenario(name)
    path = Path(name)
    if not path.is_file():
        raise CannotSimulate(
            f"There is no scenario and no file {printable(name, 200)!r}; the shipped ones are {', '.join(SHIPPED)}."
        )
    return read_toml(path, _ScenarioFile).scenario(printable(path.stem, 60))


def shipped_scenarios() -> tuple[Scenario, ...]:
    """Return all shipped scenarios."""
    return tuple(map(scenario_named, SHIPPED))
