"""What else differs between runs, and may be behind a difference in their numbers: a sentence each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

import numpy as np
from pydantic import JsonValue

from halospec.analysis.printable import printable
from halospec.compare.runs import ComparedRun
from halospec.records.manifest import Manifest, Status
from halospec.records.placebo import MEANING, STAMP
from halospec.records.schema import MEASURED_PHASES, Phase

_LONGEST = 40
_HASH = re.compile(r"[0-9a-f]{64}")
_HASH_SHOWN = 12
_GIBIBYTE = 2**30
_LOAD_APART = 10.0
"""Percentage points of measured load beyond which two runs' load is called different."""


@dataclass(frozen=True)
class _Fact:
    """Something that a manifest says of a run, by the name that a sentence gives it."""

    name: str
    value: JsonValue


def cautions_of(runs: Sequence[ComparedRun]) -> tuple[str, ...]:
    """Return what a reader of a comparison with the first run has to know, the gravest first."""
    baseline, *candidates = runs
    return (
        *chain.from_iterable(map(_of_one, runs)),
        *chain.from_iterable(_between(baseline, candidate) for candidate in candidates),
        *_of_time(baseline, candidates),
        *_of_blocks(runs),
    )


def _of_one(run: ComparedRun) -> Iterator[str]:
    measured = run.requests.measured
    if run.is_placebo:
        yield f"{STAMP}: {run.name} went on although the server ignores the draft length. {MEANING}"
    if run.manifest is None:
        yield f"{run.name} has no manifest: nothing is known of its machine, its model and its server."
    elif run.manifest.status is not Status.COMPLETE:
        ended = {
            Status.RUNNING: "is still running or was killed",
            Status.INTERRUPTED: "was interrupted",
            Status.FAILED: "failed",
        }[run.manifest.status]
        yield f"{run.name} {ended}; what it holds so far is compared."
    if run.torn:
        yield f"The last line of {run.name}'s journal was cut short and is left out."
    lost = [
        f"{mode} in {phase.value}"
        for mode, phase, group in measured.by_mode_and_phase()
        if phase in MEASURED_PHASES and not group.success.any()
    ]
    if lost:
        yield f"Every request of {run.name} failed in {', '.join(lost)}: nothing there but attainment can be compared."
    failures = int((~measured.success).sum())
    if failures:
        yield (
            f"{failures} of {len(measured)} measured requests of {run.name} failed; they count in attainment, as"
            " missed, and nowhere else."
        )
    counted = int((measured.by_events & measured.success).sum())
    if counted:
        yield (
            f"In {counted} requests of {run.name} the server did not count tokens, so content events were counted:"
            " where an event holds several tokens, times per token are off by as much."
        )


def _between(baseline: ComparedRun, candidate: ComparedRun) -> Iterator[str]:
    before, after = baseline.manifest, candidate.manifest
    if before is not None and after is not None:
        for phrase, facts in _ASPECTS:
            differing = [
                f"{new.name} {_shown(new.value)}, not {_shown(old.value)}"
                for old, new in zip(facts(before), facts(after), strict=True)
                if old.value != new.value
            ]
            if differing:
                yield f"{candidate.name} was made {phrase} {baseline.name}: {'; '.join(differing)}."
    loads = [_load_percent(run) for run in (baseline, candidate)]
    if loads[0] is not None and loads[1] is not None and abs(loads[0] - loads[1]) > _LOAD_APART:
        yield (
            f"In their load phases the burners got {loads[1]:.0f} % of their cores in {candidate.name} and"
            f" {loads[0]:.0f} % in {baseline.name}: that is not the same load."
        )


def _machine(manifest: Manifest) -> Sequence[_Fact]:
    host = manifest.host
    return (
        _Fact("CPU", host.cpu),
        _Fact("architecture", host.machine),
        _Fact("physical cores", host.physical_cores),
        _Fact("logical cores", host.logical_cores),
        _Fact("usable cores", host.usable_cores),
        _Fact("GiB of memory", round(host.memory_bytes / _GIBIBYTE, 1)),
        _Fact("GPUs", ", ".join(host.gpus) or None),
        _Fact("system", host.system),
    )


def _model(manifest: Manifest) -> Sequence[_Fact]:
    server = manifest.server
    return (
        _Fact("name", server.model),
        _Fact("target's SHA-256", _inside(server.loaded, "target", "sha256")),
        _Fact("draft's SHA-256", _inside(server.loaded, "draft", "sha256")),
        _Fact("file", _inside(server.account, "/props", "model_path")),
    )


def _server(manifest: Manifest) -> Sequence[_Fact]:
    server = manifest.server
    return (
        _Fact("kind", server.kind),
        _Fact("version", server.version),
        _Fact("header", server.server_header),
        _Fact("llama.cpp", _inside(server.loaded, "llama_cpp")),
        _Fact("build", _inside(server.account, "/props", "build_info")),
        _Fact("reported version", _inside(server.account, "/version", "version")),
        _Fact("command line", manifest.settings.get("server_command")),
    )


def _halospec(manifest: Manifest) -> Sequence[_Fact]:
    return (_Fact("version", manifest.halospec),)


def _knob(manifest: Manifest) -> Sequence[_Fact]:
    return (_Fact("knob", manifest.knob),)


def _sampling(manifest: Manifest) -> Sequence[_Fact]:
    return tuple(_Fact(name, manifest.settings.get(name)) for name in ("max_tokens", "temperature", "ignore_eos"))


def _load(manifest: Manifest) -> Sequence[_Fact]:
    windows = sorted({_window(trial.load) for trial in manifest.trials if trial.load})
    loads = _loads_before_they_were_kept(manifest) if manifest.loads is None else manifest.loads
    return (_Fact("loads", ", ".join(loads) or "none"), _Fact("load phase", " or ".join(windows) or "none"))


def _loads_before_they_were_kept(manifest: Manifest) -> tuple[str, ...]:
    """Return the load of a run from when CPU burners were the only kind."""
    load = manifest.settings.get("load")
    if _inside(load, "enabled") is not True and not any(trial.load for trial in manifest.trials):
        return ()
    workers = _inside(load, "workers") or manifest.host.usable_cores
    return (f"cpu:{_inside(load, 'percent') or 100:g}%@workers={workers}",)


def _window(load: Mapping[str, float | None]) -> str:
    """Return when a trial's load begins and ends, such as ``from step 6 until step 9``."""
    told = [form.format(load[name]) for name, form in _WINDOW.items() if load.get(name) is not None]
    return " ".join(told) or "from the first step"


_ASPECTS = (
    ("on another machine than", _machine),
    ("with another model than", _model),
    ("with another server than", _server),
    ("by another version of halospec than", _halospec),
    ("through another knob than", _knob),
    ("with other sampling than", _sampling),
    ("under another load than", _load),
)


_WINDOW = {
    "start_step": "from step {:g}",
    "start_s": "from {:g} s",
    "stop_step": "until step {:g}",
    "duration_s": "for {:g} s",
}
"""What a load window holds, in words (halospec.experiment.phases.LoadWindow)."""


def _inside(value: JsonValue, *path: str) -> JsonValue:
    """Return what stands at a path of a JSON value; None where there is nothing."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _shown(value: JsonValue) -> str:
    if value is None:
        return "unknown"
    text = str(value)
    return f"{text[:_HASH_SHOWN]}…" if _HASH.fullmatch(text) else printable(text, limit=_LONGEST)


def _load_percent(run: ComparedRun) -> float | None:
    under_load = run.requests.measured.in_phase(Phase.LOAD).load_percent
    known = under_load[np.isfinite(under_load)]
    return float(known.mean()) if known.size else None


def _of_time(baseline: ComparedRun, candidates: Sequence[ComparedRun]) -> Iterator[str]:
    together = [candidate for candidate in candidates if _overlap(baseline, candidate)]
    for candidate in together:
        yield (
            f"{candidate.name} and {baseline.name} were under way at the same time: drift of the machine touched both,"
            " and where they shared a machine, so did each the other."
        )
    if len(together) < len(candidates):
        yield ("The runs were made one after the other, so drift of the machine between them is not in the intervals.")
    if len(candidates) > 1:
        yield f"Each run is compared with {baseline.name} by itself; runs of one kind are not pooled."


def _overlap(one: ComparedRun, other: ComparedRun) -> bool:
    spans = _span(one), _span(other)
    if spans[0] is None or spans[1] is None:
        return False
    return spans[0][0] < spans[1][1] and spans[1][0] < spans[0][1]


def _span(run: ComparedRun) -> tuple[datetime, datetime] | None:
    if run.manifest is None:
        return None
    started = run.manifest.started_at
    last_ns = int(run.requests.ended_ns.max(initial=0))
    return started, run.manifest.ended_at or started + timedelta(microseconds=last_ns / 1000)


def _of_blocks(runs: Sequence[ComparedRun]) -> Iterator[str]:
    single = [run.name for run in runs if len(run.requests.measured.blocks_here) < 2]
    if single:
        who = "Every run has" if len(single) == len(runs) else f"{' and '.join(single)} {_has(single)}"
        yield (
            f"{who} only one block, which shows no scatter between blocks: there are estimates, and no intervals; run"
            " with --blocks 5 or more."
        )


def _has(names: Sequence[str]) -> str:
    return "has" if len(names) == 1 else "have"
