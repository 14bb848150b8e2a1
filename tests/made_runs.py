"""Run directories made of numbers: records as a server with these costs would have left them, and a manifest for them.

No request was ever sent for them; what a test says of such a run it says of the files alone.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from halospec.analysis.modes import fixed_length
from halospec.records.manifest import Manifest, PlannedPrompt, PlannedTrial, ServerDescription, Status, write_manifest
from halospec.records.schema import CountSource, Phase, RequestRecord
from halospec.records.store import RecordJournal, RunFiles
from halospec.telemetry.host import HostFacts

STARTED_AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MODES = ("fixed_0", "fixed_2")
PROMPTS = ("p1", "p2", "p3")
STEADY_ONLY = {Phase.STEADY: 3}
PAIRING = "0" * 64
PROMPT_SET = "1" * 64
GIBIBYTE = 2**30


@dataclass(frozen=True)
class Cell:
    """One measured request's place."""

    mode: str
    phase: Phase
    block: int
    step: int
    prompt_id: str


def made_records(
    *,
    modes: Sequence[str] = MODES,
    phases: Mapping[Phase, int] = STEADY_ONLY,
    blocks: int = 4,
    prompts: Sequence[str] = PROMPTS,
    warmup: int = 1,
    seed: int = 1,
    tokens: int = 33,
    tpot_ms: Callable[[Cell], float] = lambda cell: 10.0,
    ttft_ms: Callable[[Cell], float] = lambda cell: 50.0,
    acceptance: Callable[[Cell], float] = lambda cell: 0.5,
    fails: Callable[[Cell], bool] = lambda cell: False,
    load_percent: float = 95.0,
    placebo: bool = False,
) -> list[RequestRecord]:
    """Return the records of a run in which blocks of modes follow one another.

    Parameters
    ----------
    phases
        Measured steps a trial has in each phase, in this order.
    prompts
        Each block deals them in an order of its own, which all its modes share.
    tpot_ms, ttft_ms, acceptance, fails
        What each measured request comes to; acceptance matters only where the mode drafts.
    """
    records: list[RequestRecord] = []
    measured = 0
    clock_ms = 0.0
    for block in range(1, blocks + 1):
        deck = random.Random(f"{seed}/prompts/{block}").sample(list(prompts), len(prompts))
        for mode in random.Random(f"{seed}/modes/{block}").sample(list(modes), len(modes)):
            steps = [phase for phase, count in phases.items() for _ in range(count)]
            places = [Cell(mode, Phase.WARMUP, block, n, deck[-n % len(deck)]) for n in range(1, warmup + 1)]
            places += [Cell(mode, phase, block, n, deck[(n - 1) % len(deck)]) for n, phase in enumerate(steps, start=1)]
            for cell in places:
                measured += cell.phase is not Phase.WARMUP
                k = fixed_length(mode)
                drafted = 20 * (k or 0)
                failed = cell.phase is not Phase.WARMUP and fails(cell)
                first_ms = ttft_ms(cell)
                latency_ms = first_ms + tpot_ms(cell) * (tokens - 1)
                loaded = cell.phase is Phase.LOAD
                records.append(
                    RequestRecord(
                        mode=mode,
                        phase=cell.phase,
                        step=cell.step,
                        global_step=0 if cell.phase is Phase.WARMUP else measured,
                        block=block,
                        prompt_id=cell.prompt_id,
                        draft_length=k,
                        drafted=None if failed else drafted,
                        accepted=None if failed else round(drafted * acceptance(cell)),
                        load_overlap=1.0 if loaded else 0.0,
                        load_percent=load_percent if loaded else None,
                        success=not failed,
                        error="http 500" if failed else None,
                        latency_ms=latency_ms,
                        ttft_ms=None if failed else first_ms,
                        prompt_tokens=20,
                        completion_tokens=None if failed else tokens,
                        started_ns=round(clock_ms * 1e6),
                        first_token_ns=None if failed else round((clock_ms + first_ms) * 1e6),
                        ended_ns=round((clock_ms + latency_ms) * 1e6),
                        text_sha256=None if failed else f"{cell.prompt_id:0>64}",
                        tokens_from=None if failed else CountSource.USAGE,
                        drafted_from=None if failed else CountSource.SPECULATION,
                        knob="draft_length",
                        placebo=placebo,
                        trial_id=f"trial-{block}-{mode}",
                    )
                )
                clock_ms += latency_ms + 1.0
    return records


def made_host(**changes: Any) -> HostFacts:
    """Return the facts of a machine; a test names those it is about."""
    facts: dict[str, Any] = {
        "system": "Linux-6.1-x86_64",
        "machine": "x86_64",
        "python": "3.11.7",
        "cpu": "A CPU of 8 cores",
        "physical_cores": 4,
        "logical_cores": 8,
        "usable_cores": 8,
        "memory_bytes": 16 * GIBIBYTE,
        "gpus": (),
        "load_average_1m": 0.1,
    }
    return HostFacts(**(facts | changes))


def made_server(**changes: Any) -> ServerDescription:
    """Return a server's description of itself; a test names what it is about."""
    described: dict[str, Any] = {
        "base_url": "http://127.0.0.1:8800/v1",
        "model": "tiny",
        "models": ("tiny",),
        "kind": "bundled",
        "version": None,
        "server_header": None,
        "loaded": {
            "target": {"name": "tiny", "file": "tiny.gguf", "sha256": "a" * 64},
            "draft": {"name": "tiny-draft", "file": "draft.gguf", "sha256": "b" * 64},
            "llama_cpp": "0.3.36",
        },
    }
    return ServerDescription(**(described | changes))


def made_manifest(
    records: Sequence[RequestRecord],
    *,
    settings: Mapping[str, Any] | None = None,
    started_at: datetime = STARTED_AT,
    **changes: Any,
) -> Manifest:
    """Return the manifest that a complete run with these records would have.

    Parameters
    ----------
    settings
        Changes to what was asked for: ``max_tokens``, ``temperature``, ``load`` …
    changes
        Other fields of the manifest.
    """
    last_ns = max((record.ended_ns for record in records), default=0)
    trials = dict.fromkeys((record.block, record.mode, record.trial_id) for record in records)
    steps = max((record.step for record in records if not record.is_warmup), default=0)
    fields: dict[str, Any] = {
        "halospec": "0.1.0",
        "status": Status.COMPLETE,
        "started_at": started_at,
        "ended_at": started_at + timedelta(microseconds=last_ns / 1000),
        "seed": 1,
        "settings": {
            "url": "http://127.0.0.1:8800",
            "max_tokens": 33,
            "temperature": 0.0,
            "ignore_eos": True,
            "server_command": None,
            "load": {"enabled": False, "workers": None, "percent": 100.0},
        }
        | dict(settings or {}),
        "knob": "draft_length",
        "placebo": any(record.placebo for record in records),
        "design": "blocked",
        "pairing_sha256": PAIRING,
        "server": made_server(),
        "host": made_host(),
        "packages": {"python": "3.11.7"},
        "trials": tuple(
            PlannedTrial(block=block, mode=mode, steps=steps, seconds=None, load=None, trial_id=trial_id)
            for block, mode, trial_id in trials
        ),
        "prompts": tuple(
            PlannedPrompt(prompt_id=prompt_id, domain=None, text=f"Prompt {prompt_id}.")
            for prompt_id in sorted({record.prompt_id for record in records})
        ),
        "prompt_set_sha256": PROMPT_SET,
    }
    return Manifest(**(fields | changes))


def write_run(directory: Path, records: Iterable[RequestRecord], manifest: Manifest | None) -> Path:
    """Write a run directory, without a manifest where there is none, and return it."""
    files = RunFiles(directory)
    with RecordJournal(files.records) as journal:
        for record in records:
            journal.append(record)
    if manifest is not None:
        write_manifest(manifest, files.manifest)
    return directory
