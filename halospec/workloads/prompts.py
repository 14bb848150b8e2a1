"""Prompts: the shipped set, the classic experiment's one, and files of a user's own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError


@dataclass(frozen=True)
class Prompt:
    """One user message.

    Attributes
    ----------
    prompt_id
        Unique within its set; what pairs the modes' requests.
    domain
        The kind of task, such as ``code``: acceptance depends on it.
    """

    prompt_id: str
    text: str
    domain: str | None = None


CLASSIC_PROMPT = Prompt(
    "classic",
    "Explain speculative decoding in exactly ONE sentence. Start immediately with the definition (no preface).",
)
CLASSIC_STOP = "</think>"


class PromptFileError(Exception):
    """A prompt file cannot be used; the message is one sentence for the user."""


class _Line(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    id: str
    text: str
    domain: str | None = None


def shipped_prompts() -> tuple[Prompt, ...]:
    """Return the package's own set: ten prompts each of code, conversation and summarisation.

    They are short (23 to 69 tokens of SmolLM2's), and SmolLM2-135M-Instruct answers each greedily with 64 tokens or
    more, so that with the default limit every reply has the same length.
    """
    source = "the shipped prompts.jsonl"
    text = files("halospec.workloads").joinpath("prompts.jsonl").read_text("utf-8")
    return _checked(_from_jsonl(text, source), source)


def load_prompts(path: Path) -> tuple[Prompt, ...]:
    """Read a prompt file.

    Either JSON Lines, each line ``{"id": …, "text": …}`` with an optional ``domain``, or plain text with one prompt a
    line (ids ``p01``, ``p02`` …). ``.jsonl`` and ``.txt`` settle which; any other file is JSON Lines if it starts
    with ``{``. Blank lines are skipped.

    Raises
    ------
    PromptFileError
        If the file is missing, empty or malformed, or an id stands there twice.
    """
    source = f"prompt file {str(path)!r}"
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError as problem:
        raise PromptFileError(f"The {source} does not exist.") from problem
    except UnicodeDecodeError as problem:
        raise PromptFileError(f"The {source} is not UTF-8 text.") from problem
    except OSError as problem:
        raise PromptFileError(f"The {source} cannot be read: {problem.strerror or problem}.") from problem
    suffix = path.suffix.lower()
    is_jsonl = suffix == ".jsonl" or (suffix != ".txt" and text.lstrip().startswith("{"))
    return _checked(_from_jsonl(text, source) if is_jsonl else _from_plain(text), source)


def prompt_set_sha256(prompts: Sequence[Prompt]) -> str:
    """Return a fingerprint of the ids and texts in their order: equal sets ask a server the same things."""
    lines = (json.dumps([p.prompt_id, p.text], ensure_ascii=False) + "\n" for p in prompts)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _from_jsonl(text: str, source: str) -> Iterator[tuple[int, Prompt]]:
    for number, line in _lines(text):
        try:
            read = _Line.model_validate_json(line)
        except ValidationError as problem:
            first = problem.errors(include_url=False, include_context=False, include_input=False)[0]
            where = f'"{first["loc"][0]}": ' if first["loc"] else ""
            raise PromptFileError(
                f'Line {number} of the {source} is not an object with the strings "id" and "text"'
                f" ({where}{first['msg'][:200]})."
            ) from problem
        yield number, Prompt(read.id, read.text, read.domain)


def _from_plain(text: str) -> Iterator[tuple[int, Prompt]]:
    for count, (number, line) in enumerate(_lines(text), start=1):
        yield number, Prompt(f"p{count:02d}", line)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    # Not splitlines(): it also breaks at U+2028 and the like, which may stand inside a JSON string.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, line.strip()


def _checked(numbered: Iterator[tuple[int, Prompt]], source: str) -> tuple[Prompt, ...]:
    first_seen: dict[str, int] = {}
    prompts: list[Prompt] = []
    for number, prompt in numbered:
        if not prompt.prompt_id.strip() or not prompt.text.strip():
            empty = "id" if not prompt.prompt_id.strip() else "text"
            raise PromptFileError(f'Line {number} of the {source} has an empty "{empty}".')
        if prompt.prompt_id in first_seen:
            earlier = first_seen[prompt.prompt_id]
            raise PromptFileError(
                f"Line {number} of the {source} repeats the id {prompt.prompt_id!r} of line {earlier}; ids must differ."
            )
        first_seen[prompt.prompt_id] = number
        prompts.append(prompt)
    if not prompts:
        raise PromptFileError(f"The {source} holds no prompts.")
    return tuple(prompts)
