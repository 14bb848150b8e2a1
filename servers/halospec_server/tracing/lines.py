"""What the tracer reads and writes: one JSON object a line."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from halospec_server.http.schema import ModelCard
from halospec_server.tracing.opinions import Untraceable
from halospec_server.tracing.tracer import Trace


class AskedPrompt(BaseModel):
    """A line of the file of prompts."""

    model_config = ConfigDict(extra="ignore", strict=True)

    id: str
    text: str


class TraceLine(BaseModel):
    """The trace of one prompt's text; all lists have one entry a token."""

    prompt_id: str
    tokens: list[int]
    match: list[bool]
    top_probability: list[float]
    entropy: list[float]
    overlap: list[float]
    wide_differences: int | None


class LastLine(BaseModel):
    """What was traced."""

    model: ModelCard


def read_prompts(path: Path) -> list[AskedPrompt]:
    """Read a file of prompts, one ``{"id": …, "text": …}`` a line.

    Raises
    ------
    Untraceable
        If a line is something else, or there is none.
    OSError
        If it cannot be read.
    """
    prompts: list[AskedPrompt] = []
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            prompts.append(AskedPrompt.model_validate_json(line))
        except ValidationError as error:
            raise Untraceable(f'line {number} of {path} is no object with the strings "id" and "text"') from error
    if not prompts:
        raise Untraceable(f"{path} holds no prompts")
    return prompts


def line_of(prompt_id: str, trace: Trace) -> TraceLine:
    """Return a trace as a line."""
    return TraceLine(
        prompt_id=prompt_id,
        tokens=list(trace.tokens),
        match=[view.token == token for view, token in zip(trace.opinions, trace.tokens, strict=True)],
        top_probability=[view.top_probability for view in trace.opinions],
        entropy=[view.entropy for view in trace.opinions],
        overlap=[view.overlap for view in trace.opinions],
        wide_differences=trace.wide_differences,
    )
