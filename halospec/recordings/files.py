"""The directory that a recording is kept in: two tables of numbers, and a page that says where they come from."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from halospec.analysis.printable import printable
from halospec.recordings.table import Column, Table
from halospec.recordings.types import RecordedRounds, Recording, TracedText
from halospec.records.store import StoreError, first_reason

TRACES = "traces.parquet"
COSTS = "costs.parquet"
ABOUT = "recording.json"
VERSION: Literal[1] = 1

_MOST_DRAFTED = 64
"""Longer drafts are no measurement of any server here, but a damaged file."""

_DICTIONARY = pa.dictionary(pa.int32(), pa.string())
_TRACE_COLUMNS = pa.schema(
    [
        ("prompt_id", _DICTIONARY),
        ("position", pa.int32()),
        ("token", pa.int32()),
        ("match", pa.bool_()),
        ("top_probability", pa.float32()),
        ("entropy", pa.float32()),
        ("overlap", pa.float32()),
    ]
)
_COST_COLUMNS = pa.schema(
    [
        ("condition", _DICTIONARY),
        ("visit", pa.int32()),
        ("threads", pa.int16()),
        ("draft_threads", pa.int16()),
        ("k", pa.int16()),
        ("missed", pa.int16()),
        ("draft_us", pa.float32()),
        ("catch_up_us", pa.float32()),
        ("verify_us", pa.float32()),
    ]
)


class _About(BaseModel):
    """``recording.json``."""

    model_config = ConfigDict(frozen=True)

    halospec_recording: Literal[1] = VERSION
    pair: str
    threads: Annotated[int, Field(ge=1)]
    draft_threads: Annotated[int, Field(ge=1)]
    sha256: dict[str, str]
    about: dict[str, str]


@dataclass(frozen=True)
class RecordingFiles:
    """Where things lie in a recording's directory."""

    directory: Path

    @property
    def traces(self) -> Path:
        """One row a position of a text."""
        return self.directory / TRACES

    @property
    def costs(self) -> Path:
        """One row a round."""
        return self.directory / COSTS

    @property
    def about(self) -> Path:
        """Which pair, on which machine, measured how; and the hashes of the two tables."""
        return self.directory / ABOUT

    @property
    def exist(self) -> bool:
        """Whether there is a recording already."""
        return self.about.exists()


def write_recording(recording: Recording, directory: Path) -> None:
    """Write a recording; one that was there before is replaced. No half of one is ever left.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    contents = {TRACES: _parquet(_traces_table(recording)), COSTS: _parquet(_costs_table(recording))}
    about = _About(
        pair=recording.pair,
        threads=recording.threads,
        draft_threads=recording.draft_threads,
        sha256={name: hashlib.sha256(content).hexdigest() for name, content in contents.items()},
        about=dict(recording.about),
    )
    contents[ABOUT] = about.model_dump_json(indent=2).encode() + b"\n"
    try:
        _replace_files(directory, contents)
    except OSError as error:
        raise StoreError(f"Cannot write {directory}: {error.strerror or error}.") from error


def read_recording(directory: Path) -> Recording:
    """Read a recording and look whether it makes sense.

    Raises
    ------
    StoreError
        If there is none, a file of it is missing, damaged or of something else, or its numbers cannot be what rounds
        or texts hold.
    """
    files = RecordingFiles(directory)
    about = _read_about(files)
    traces = Table(_checked(files.traces, about), files.traces, _TRACE_COLUMNS)
    costs = Table(_checked(files.costs, about), files.costs, _COST_COLUMNS)
    return Recording(
        pair=about.pair,
        texts=_texts(traces),
        rounds=_rounds(costs),
        threads=about.threads,
        draft_threads=about.draft_threads,
        about=about.about,
    )


def _replace_files(directory: Path, contents: Mapping[str, bytes]) -> None:
    """Have the files in the directory, all of them written in full elsewhere before the first is put there.

    Where some of another recording's were replaced and the process dies, the hashes tell.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    staged = Path(tempfile.mkdtemp(prefix=f".{directory.name}-", dir=directory.parent))
    try:
        for name, content in contents.items():
            (staged / name).write_bytes(content)
        directory.mkdir(exist_ok=True)
        for name in contents:
            (staged / name).replace(directory / name)
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _traces_table(recording: Recording) -> pa.Table:
    texts = recording.texts
    ids = pa.array([text.prompt_id for text in texts for _ in range(len(text))], pa.string())
    columns = [
        ids.dictionary_encode(),
        _joined((np.arange(len(text)) for text in texts), np.int32),
        _joined((text.tokens for text in texts), np.int32),
        _joined((text.match for text in texts), np.bool_),
        _joined((text.top_probability for text in texts), np.float32),
        _joined((text.entropy for text in texts), np.float32),
        _joined((text.overlap for text in texts), np.float32),
    ]
    return pa.table(columns, schema=_TRACE_COLUMNS)


def _joined(parts: Iterable[Column], dtype: type[np.generic]) -> Column:
    return np.concatenate([np.zeros(0, dtype), *(part.astype(dtype) for part in parts)])


def _costs_table(recording: Recording) -> pa.Table:
    rounds = recording.rounds
    names = pa.array(rounds.conditions, pa.string())
    columns = {name: getattr(rounds, name) for name in _COST_COLUMNS.names if name != "condition"}
    condition = pa.DictionaryArray.from_arrays(rounds.condition.astype(np.int32), names)
    return pa.table({"condition": condition, **columns}, schema=_COST_COLUMNS)


def _parquet(table: pa.Table) -> bytes:
    buffer = BytesIO()
    pq.write_table(table, buffer, compression="zstd", compression_level=19)
    return buffer.getvalue()


def _read_about(files: RecordingFiles) -> _About:
    if not files.about.exists():
        raise StoreError(
            f"There is no recording in {files.directory} (it has no {ABOUT}); make one with `halospec record-traces`."
        )
    try:
        return _About.model_validate_json(files.about.read_bytes())
    except OSError as error:
        raise StoreError(f"Cannot read {files.about}: {error.strerror or error}.") from error
    except ValidationError as error:
        reason = printable(first_reason(error), 200)
        raise StoreError(f"{files.about} does not describe a recording: {reason}.") from error


def _checked(path: Path, about: _About) -> bytes:
    """Read a table's file, which must be the very one that ``recording.json`` was written with."""
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise StoreError(f"{path} is missing from the recording; make the recording anew.") from error
    except OSError as error:
        raise StoreError(f"Cannot read {path}: {error.strerror or error}.") from error
    if hashlib.sha256(content).hexdigest() != about.sha256.get(path.name):
        raise StoreError(f"{path} is not the file that {ABOUT} beside it was written with; make the recording anew.")
    return content


def _texts(table: Table) -> tuple[TracedText, ...]:
    ids, place = table.words("prompt_id")
    position = table.numbers("position")
    begins = np.flatnonzero(np.diff(place, prepend=-1))
    bounds = [*begins.tolist(), len(place)]
    if len(begins) != len(ids):
        raise table.wrong("a prompt_id has more than one text")
    if any((position[a:b] != np.arange(b - a)).any() for a, b in pairwise(bounds)):
        raise table.wrong("the positions of a text do not count from 0")
    tokens = table.numbers_within("token", 0, np.iinfo(np.int32).max)
    match = table.numbers("match")
    top = table.numbers_within("top_probability", 0, 1)
    entropy = table.numbers_within("entropy", 0, 1e3)
    overlap = table.numbers_within("overlap", 0, 1)
    return tuple(
        TracedText(
            prompt_id=ids[place[a]],
            tokens=tokens[a:b],
            match=match[a:b],
            top_probability=top[a:b],
            entropy=entropy[a:b],
            overlap=overlap[a:b],
        )
        for a, b in pairwise(bounds)
    )


def _rounds(table: Table) -> RecordedRounds:
    conditions, condition = table.words("condition")
    visit = table.numbers("visit")
    if np.any(np.diff(visit, prepend=1) < 0):
        raise table.wrong("its visits are not in order")
    within: Callable[[str, float, float], Column] = table.numbers_within
    return RecordedRounds(
        conditions=conditions,
        condition=condition.astype(np.int16),
        visit=visit,
        threads=within("threads", 1, 4096),
        draft_threads=within("draft_threads", 0, 4096),
        k=within("k", 0, _MOST_DRAFTED),
        missed=within("missed", 0, np.iinfo(np.int16).max),
        draft_us=within("draft_us", 0, 1e10),
        catch_up_us=within("catch_up_us", 0, 1e10),
        verify_us=within("verify_us", 0, 1e10),
    )
