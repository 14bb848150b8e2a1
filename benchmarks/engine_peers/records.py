"""What a run of the benchmark leaves behind: a line of JSON for the session, and one for each thing measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from halospec.telemetry.host import HostFacts

SystemName = Literal["bare", "engine", "halospec", "llama-server", "llama-cpp-python"]
"""A bare loop over llama.cpp's C API, HaloSpec's engine without HTTP, and three servers."""
SYSTEMS: tuple[SystemName, ...] = ("bare", "engine", "halospec", "llama-server", "llama-cpp-python")


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True)


class Session(_Record):
    """Where and how it was measured."""

    kind: Literal["session"] = "session"
    host: HostFacts
    command: str
    versions: dict[SystemName, str]
    target: str
    draft: str
    threads: int
    ctx_size: int
    parallel: int
    tokens: int
    seed: int


class Reply(_Record):
    """One text, as its reader saw it come; times since its request was sent.

    Attributes
    ----------
    prompt_tokens, drafted, accepted
        None where the system does not say.
    """

    prompt_id: str
    text: str
    tokens: int
    prompt_tokens: int | None
    drafted: int | None
    accepted: int | None
    first_token_ms: float
    ended_ms: float


class Memory(_Record):
    """What a process occupies.

    Attributes
    ----------
    resident_bytes
        All of it, mapped model files included.
    private_bytes
        Without what is mapped from files or shared.
    peak_bytes
        The most that was ever resident; None where the system does not say.
    """

    resident_bytes: int
    private_bytes: int
    peak_bytes: int | None


class Measurement(_Record):
    """One system at one draft length with so many clients at once, once.

    Attributes
    ----------
    attempt
        Counted from 1: a cell that others disturbed is measured again, and the last attempt counts.
    wall_ms
        From the first request to the end of the last reply.
    outside_decode
        Share of the rounds' time outside ``llama_decode``; None where it cannot be seen.
    foreign_load
        Share of the machine's CPU time that neither the system nor its clients used meanwhile, idle time left out:
        0 on a quiet machine. The other servers, which should be asleep, count in.
    """

    kind: Literal["measurement"] = "measurement"
    repetition: int
    attempt: int
    system: SystemName
    draft_length: int
    clients: int
    replies: tuple[Reply, ...]
    wall_ms: float
    outside_decode: float | None
    foreign_load: float
    memory: Memory

    @property
    def ms_per_token(self) -> float:
        """TPOT of all replies: the time from first token to end, over the tokens after the first."""
        return sum(r.ended_ms - r.first_token_ms for r in self.replies) / sum(r.tokens - 1 for r in self.replies)

    @property
    def tokens_per_s(self) -> float:
        """Tokens of all clients over the wall time, prompts included."""
        return 1e3 * sum(reply.tokens for reply in self.replies) / self.wall_ms

    @property
    def first_token_ms(self) -> float:
        """TTFT, the mean of the replies'."""
        return sum(reply.first_token_ms for reply in self.replies) / len(self.replies)


Record = Annotated[Session | Measurement, Field(discriminator="kind")]
_RECORD: TypeAdapter[Record] = TypeAdapter(Record)


class ResultsError(Exception):
    """A file of results cannot be read; the message is one sentence."""


@dataclass(frozen=True)
class Results:
    """All that a file of results holds."""

    session: Session
    measurements: Sequence[Measurement]


class ResultsFile:
    """A file of results that grows by one flushed line a record."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("w", encoding="utf-8")

    def add(self, record: Session | Measurement) -> None:
        """Append one record."""
        self._file.write(record.model_dump_json() + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_results(path: Path) -> Results:
    """Read a file of results.

    Raises
    ------
    ResultsError
        If it cannot be read, or is not what a run of the benchmark wrote.
    """
    try:
        records = list(_records(path.read_text(encoding="utf-8").splitlines()))
    except OSError as error:
        raise ResultsError(f"{path} cannot be read: {error.strerror or error}.") from error
    except ValidationError as error:
        raise ResultsError(f"{path} is not a file of results: {error.errors()[0]['msg']}.") from error
    sessions = [record for record in records if isinstance(record, Session)]
    if len(sessions) != 1:
        raise ResultsError(f"{path} holds {len(sessions)} sessions and not one.")
    return Results(sessions[0], [record for record in records if isinstance(record, Measurement)])


def _records(lines: Iterable[str]) -> Iterator[Session | Measurement]:
    for line in lines:
        if line.strip():
            yield _RECORD.validate_json(line)
