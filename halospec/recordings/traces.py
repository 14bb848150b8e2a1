"""The target's texts and the draft's opinions of them, from a tracer that runs as a child process.

The measuring side never imports the server's code; the tracer (``python -m halospec_server.tracing``) is that code, and
what it prints is read line by line and trusted no more than a server's replies.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, Any, Self, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from halospec.analysis.printable import printable
from halospec.child_process import ending_in_words, is_illegal_instruction, last_lines
from halospec.recordings.types import TracedText
from halospec.records.store import first_reason
from halospec.server_process import SERVER_MODULE, ServerProcessError, require_server_package
from halospec.workloads.prompts import Prompt

TRACER_MODULE = f"{SERVER_MODULE}.tracing"
_STOP_TIMEOUT_S = 5.0

Line = TypeVar("Line", bound=BaseModel)
_Share = Annotated[float, Field(ge=0, le=1)]
_Token = Annotated[int, Field(ge=0, lt=2**31)]
_Count = Annotated[int, Field(ge=0)]
_Threads = Annotated[int, Field(ge=1)]


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _TraceLine(_Wire):
    prompt_id: str
    tokens: Annotated[list[_Token], Field(min_length=1)]
    match: list[bool]
    top_probability: list[_Share]
    entropy: list[Annotated[float, Field(ge=0, allow_inf_nan=False)]]
    overlap: list[_Share]
    wide_differences: _Count | None

    @model_validator(mode="after")
    def _all_of_one_length(self) -> Self:
        columns: tuple[list[Any], ...] = (self.match, self.top_probability, self.entropy, self.overlap)
        if any(len(column) != len(self.tokens) for column in columns):
            raise ValueError("its lists differ in length")
        return self

    def text(self) -> TracedText:
        return TracedText(
            prompt_id=self.prompt_id,
            tokens=np.array(self.tokens, dtype=np.int32),
            match=np.array(self.match, dtype=np.bool_),
            top_probability=_float32(self.top_probability),
            entropy=_float32(self.entropy),
            overlap=_float32(self.overlap),
        )


class TracedModel(_Wire):
    """A model file that took part."""

    file: str
    sha256: str
    size_bytes: int
    n_params: int


class TracedPair(_Wire):
    """What was loaded, as ``GET /v1/models`` has it."""

    target: TracedModel
    draft: TracedModel
    ctx_size: int
    threads: _Threads
    draft_threads: _Threads
    llama_cpp: str


class _Model(_Wire):
    id: str
    meta: TracedPair


class _LastLine(_Wire):
    model: _Model


@dataclass(frozen=True)
class Traces:
    """What a tracer found.

    Attributes
    ----------
    name
        What the server calls the model.
    wide_differences
        Tokens that a wide pass of the target would have chosen otherwise; None where nobody looked.
    """

    texts: tuple[TracedText, ...]
    name: str
    pair: TracedPair
    wide_differences: int | None

    @property
    def tokens(self) -> int:
        """Of all texts."""
        return sum(len(text) for text in self.texts)


def trace_texts(
    arguments: Sequence[str], prompts: Sequence[Prompt], log_path: Path, traced: Callable[[str, int], None]
) -> Traces:
    """Have the target write a text for each prompt, and the draft say what it would have proposed.

    The tracer ends when this returns or raises, and by itself when this process dies by any death.

    Parameters
    ----------
    arguments
        Of the tracer, without ``--prompts``.
    log_path
        Where its log goes; appended to.
    traced
        Told a prompt's id and how many tokens its text has.

    Raises
    ------
    ServerProcessError
        If the tracer cannot be started, gives up, or prints what no tracer prints.
    """
    require_server_package()
    with tempfile.TemporaryDirectory(prefix="halospec-") as directory:
        asked = Path(directory) / "prompts.jsonl"
        asked.write_text("".join(json.dumps({"id": p.prompt_id, "text": p.text}) + "\n" for p in prompts), "utf-8")
        with _tracer([*arguments, "--prompts", str(asked)], log_path) as lines:
            traces: list[_TraceLine] = []
            for prompt in prompts:
                trace = _parsed(next(lines, b""), _TraceLine)
                if trace.prompt_id != prompt.prompt_id:
                    raise ServerProcessError(f"The tracer traced another prompt than {prompt.prompt_id!r}.")
                traces.append(trace)
                traced(prompt.prompt_id, len(trace.tokens))
            last = _parsed(next(lines, b""), _LastLine)
    looked = [trace.wide_differences for trace in traces if trace.wide_differences is not None]
    return Traces(
        texts=tuple(trace.text() for trace in traces),
        name=last.model.id,
        pair=last.model.meta,
        wide_differences=sum(looked) if len(looked) == len(traces) else None,
    )


@contextmanager
def _tracer(arguments: Sequence[str], log_path: Path) -> Iterator[Iterator[bytes]]:
    """Run a tracer and yield its lines; they come to an end with a whole reply, or raise."""
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", TRACER_MODULE, *arguments, "--stop-at-end-of-input"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            # A group of its own: Ctrl-C is for this process, which then closes the other's input.
            start_new_session=True,
        )
    assert process.stdin is not None  # noqa: S101 - Popen was given pipes
    assert process.stdout is not None  # noqa: S101
    try:
        yield _lines(process, process.stdout, log_path)
    finally:
        process.stdin.close()
        try:
            process.wait(timeout=_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def _lines(process: subprocess.Popen[bytes], output: IO[bytes], log_path: Path) -> Iterator[bytes]:
    yield from output
    returncode = process.wait()
    if is_illegal_instruction(returncode):
        raise ServerProcessError(
            "The tracer died of an illegal instruction: llama-cpp-python was built for another CPU. Build it again with"
            " CMAKE_ARGS=-DGGML_NATIVE=OFF (from a checkout: python servers/build_llama_cpp.py)."
        )
    last = " ".join(last_lines(log_path)) or "it wrote nothing"
    raise ServerProcessError(f"The tracer {ending_in_words(returncode)}: {last} (log: {log_path})")


def _parsed(line: bytes, kind: type[Line]) -> Line:
    try:
        return kind.model_validate_json(line)
    except ValidationError as error:
        raise ServerProcessError(
            f"The tracer printed what is no trace: {printable(first_reason(error), 200)}."
        ) from error


def _float32(values: Sequence[float]) -> npt.NDArray[np.float32]:
    return np.array(values, dtype=np.float32)
