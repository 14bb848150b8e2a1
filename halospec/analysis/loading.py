"""From files to columns: the requests and rounds of a run, out of its journal, its Parquet file or a CSV."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from halospec.analysis.modes import in_order
from halospec.analysis.requests import PHASES, Flags, Floats, Ints, Requests, numbered, numbers
from halospec.analysis.rounds import Rounds
from halospec.analysis.sources import Names, RecordSource, Source, TableSource
from halospec.analysis.switches import SwitchTimes
from halospec.analysis.telemetry_data import TelemetryData, telemetry_of
from halospec.records.classic_csv import ClassicRow
from halospec.records.loads import LoadReport
from halospec.records.manifest import Manifest, read_manifest
from halospec.records.parquet import RecordTable
from halospec.records.placebo import is_placebo
from halospec.records.schema import CountSource, Phase, RequestRecord
from halospec.records.store import RunFiles, StoreError, read_lines, read_records
from halospec.records.switches import SwitchReason
from halospec.records.telemetry_table import read_telemetry


@dataclass(frozen=True, eq=False)
class RunData:
    """All that a run left behind and statistics are made of.

    Attributes
    ----------
    requests, rounds
        Those that count, aligned with each other.
    switches
        Before any of these requests, warm-up included.
    torn
        Whether the journal's last line was cut short and is left out.
    void
        How many records were left out because their trial was begun anew.
    manifest
        ``None`` where there is none.
    source
        The file that the records were read from; ``None`` for those that were in memory.
    telemetry
        What was read off the machine meanwhile; ``None`` where nothing was.
    loads
        What was put on it, a report a trial, those of trials that were begun anew among them.
    """

    requests: Requests
    rounds: Rounds
    switches: SwitchTimes
    torn: bool = False
    void: int = 0
    manifest: Manifest | None = None
    source: Path | None = None
    telemetry: TelemetryData | None = None
    loads: tuple[LoadReport, ...] = ()


def read_run(path: Path) -> RunData:
    """Read a run: its directory, its ``records.jsonl`` or its ``records.parquet``.

    Of a directory the Parquet file is read, which is faster, where it was made of the journal as it is now.

    Raises
    ------
    StoreError
        If there are no records, or a file is not what its name says.
    """
    files = RunFiles(path if path.is_dir() else path.parent)
    manifest = read_manifest(files.manifest)
    return replace(
        _requests_in(path, files, manifest),
        telemetry=_telemetry(files, manifest),
        loads=tuple(read_lines(files.load, LoadReport)),
    )


def run_of(
    requests: Iterable[RequestRecord | ClassicRow], *, torn: bool = False, manifest: Manifest | None = None
) -> RunData:
    """Return records, or the rows of one run of a CSV, as the run that they are."""
    rows = tuple(requests)
    records = _records(rows)
    if records is not None:
        return _run_data(RecordSource(records), torn=torn, manifest=manifest)
    return RunData(requests_of(rows), Rounds.none(), SwitchTimes.none(), torn, manifest=manifest)


def requests_of(requests: Iterable[RequestRecord | ClassicRow]) -> Requests:
    """Return requests as columns in the order given, warm-up included, ``void`` ones left out.

    One placebo request makes the whole run a placebo. The original's CSV knows no blocks: a mode whose ``step`` starts
    again is in its next one.
    """
    rows = tuple(requests)
    records = _records(rows)
    if records is not None:
        source = RecordSource(records)
        return _requests(source, source.rounds(~source.flags("void")))
    return _requests_of_csv([row for row in rows if isinstance(row, ClassicRow)])


def rounds_of(records: Iterable[RequestRecord]) -> Rounds:
    """Return the logged rounds of records; aligned with `requests_of` the same ones."""
    source = RecordSource(tuple(records))
    return source.rounds(~source.flags("void"))


def _records(rows: Sequence[RequestRecord | ClassicRow]) -> tuple[RequestRecord, ...] | None:
    records = tuple(row for row in rows if isinstance(row, RequestRecord))
    if records and len(records) < len(rows):
        raise TypeError("requests are either records or rows of a CSV; a run is not made of both")
    return records if records or not rows else None


def _requests_in(path: Path, files: RunFiles, manifest: Manifest | None) -> RunData:
    if path.is_dir():
        return _current_table(files, manifest) or _journal(files.records, manifest)
    return _table(RecordTable(path), path, manifest) if path.suffix == ".parquet" else _journal(path, manifest)


def _telemetry(files: RunFiles, manifest: Manifest | None) -> TelemetryData | None:
    table = read_telemetry(files.directory)
    try:
        return None if table is None else telemetry_of(table, manifest.telemetry if manifest else None)
    except ValueError as error:
        raise StoreError(f"The telemetry in {files.directory} is not what its name says: {error}.") from error


def _journal(path: Path, manifest: Manifest | None) -> RunData:
    journal = read_records(path)
    return _run_data(RecordSource(journal.records), torn=journal.torn, manifest=manifest, source=path)


def _table(table: RecordTable, path: Path, manifest: Manifest | None) -> RunData:
    try:
        return _run_data(TableSource(table), manifest=manifest, source=path)
    except (pa.ArrowException, ValueError) as error:
        raise StoreError(f"{path} is not a table of records: {str(error).splitlines()[0]}.") from error


def _current_table(files: RunFiles, manifest: Manifest | None) -> RunData | None:
    if not files.parquet.exists():
        return None
    if not files.records.exists():
        # A run that was kept without its journal.
        return _table(RecordTable(files.parquet), files.parquet, manifest)
    try:
        table = RecordTable(files.parquet)
        return _table(table, files.parquet, manifest) if table.is_made_of(files.records) else None
    except StoreError:
        # The journal is the truth; a table that cannot be read is only one that has to be made again.
        return None


def _run_data(
    source_of_columns: Source, *, torn: bool = False, manifest: Manifest | None = None, source: Path | None = None
) -> RunData:
    kept = ~source_of_columns.flags("void")
    rounds = source_of_columns.rounds(kept)
    return RunData(
        requests=_requests(source_of_columns, rounds),
        rounds=rounds,
        switches=_switches(source_of_columns, kept),
        torn=torn,
        void=int(np.count_nonzero(~kept)),
        manifest=manifest,
        source=source,
    )


def _requests(source: Source, rounds: Rounds) -> Requests:
    kept = ~source.flags("void")
    whole = bool(kept.all())

    def names(column: str, known: Flags | None = None) -> Names:
        different, places = source.names(column)
        if known is not None:
            places = np.where(known, places, -1)
        return _in_use(different, places if whole else places[kept])

    def floats(column: str) -> Floats:
        values = source.numbers(column)
        return values if whole else values[kept]

    def ints(column: str) -> Ints:
        values = source.whole_numbers(column)
        return values if whole else values[kept]

    success = source.flags("success")
    modes, mode = _ordered(*names("mode"))
    prompts, prompt = names("prompt_id")
    texts, text = names("text_sha256", known=success)
    errors, error = names("error", known=~success)
    phases, phase = names("phase")
    counted, counts = names("tokens_from")
    ended_ns = ints("ended_ns")
    placebo = source.flags("placebo")
    return Requests(
        modes=modes,
        prompts=prompts,
        texts=texts,
        errors=errors,
        mode=mode,
        phase=_phases(phases, phase),
        block=ints("block"),
        step=ints("step"),
        prompt=prompt,
        text=text,
        error=error,
        success=success[kept],
        by_events=np.array([name == CountSource.EVENTS for name in counted] + [False])[counts],
        nonce=source.is_there("nonce")[kept],
        draft_length=floats("draft_length"),
        mean_limit=rounds.mean_limits(int(np.count_nonzero(kept))),
        latency_ms=floats("latency_ms"),
        ttft_ms=floats("ttft_ms"),
        decode_ms=(ended_ns - floats("first_token_ns")) / 1e6,
        tokens=floats("completion_tokens"),
        drafted=floats("drafted"),
        accepted=floats("accepted"),
        rounds=floats("rounds"),
        cached_tokens=floats("cached_tokens"),
        load_percent=floats("load_percent"),
        started_ns=ints("started_ns"),
        ended_ns=ended_ns,
        placebo=bool(placebo.any()),
    )


def _requests_of_csv(rows: Sequence[ClassicRow]) -> Requests:
    size = len(rows)
    unknown, absent, never = np.full(size, np.nan), np.full(size, -1), np.zeros(size, dtype=np.bool_)
    modes, mode = _ordered(*numbered([row.mode for row in rows]))
    success = np.array([row.success for row in rows], dtype=np.bool_)
    return Requests(
        modes=modes,
        prompts=(),
        texts=(),
        errors=() if success.all() else ("the CSV does not say why",),
        mode=mode,
        phase=np.array([PHASES.index(row.phase) for row in rows], dtype=np.int64),
        block=_blocks(rows),
        step=np.array([row.step for row in rows], dtype=np.int64),
        prompt=absent,
        text=absent,
        error=np.where(success, -1, 0),
        success=success,
        by_events=never,
        nonce=never,
        draft_length=numbers(row.draft_length for row in rows),
        mean_limit=unknown,
        latency_ms=numbers(row.latency_ms for row in rows),
        ttft_ms=unknown,
        decode_ms=unknown,
        tokens=numbers(row.tokens or None for row in rows),
        drafted=unknown,
        accepted=unknown,
        rounds=unknown,
        cached_tokens=unknown,
        load_percent=unknown,
        started_ns=absent,
        ended_ns=absent,
        placebo=is_placebo(rows),
    )


def _blocks(rows: Iterable[ClassicRow]) -> Ints:
    last: dict[tuple[str, bool], tuple[int, int]] = {}
    blocks = []
    for row in rows:
        who = row.mode, row.phase is Phase.WARMUP
        block, step = last.get(who, (1, -1))
        last[who] = (block + (row.step <= step), row.step)
        blocks.append(last[who][0])
    return np.array(blocks, dtype=np.int64)


def _switches(source: Source, kept: Flags) -> SwitchTimes:
    duration_ms = source.numbers("switch_ms")
    switched = kept & ~np.isnan(duration_ms)
    if not switched.any():
        return SwitchTimes.none()
    knobs, knob = source.names("knob")
    names, place = source.names("switch_reason")
    reasons = np.array([*(list(SwitchReason).index(SwitchReason(name)) for name in names), -1])
    return SwitchTimes(
        knobs=frozenset((*knobs, None)[index] for index in np.unique(knob[switched])),
        duration_ms=duration_ms[switched],
        reason=reasons[place[switched]],
    )


def _phases(names: Sequence[str], places: Ints) -> Ints:
    return np.array([PHASES.index(Phase(name)) for name in names], dtype=np.int64)[places]


def _in_use(names: Sequence[str], places: Ints) -> Names:
    """Return the names that occur, in the order of their first appearance."""
    used, first = np.unique(places, return_index=True)
    used = used[np.argsort(first)]
    used = used[used >= 0]
    renumbered = np.full(len(names) + 1, -1, dtype=np.int64)
    renumbered[used] = np.arange(len(used))
    return tuple(names[place] for place in used), renumbered[places]


def _ordered(names: Sequence[str], places: Ints) -> Names:
    """Return modes in their usual order."""
    ordered = in_order(names)
    renumbered = np.array([ordered.index(name) for name in names], dtype=np.int64)
    return ordered, renumbered[places]
