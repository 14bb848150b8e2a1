"""`control.py simulate`: every policy in every scenario, from recordings, into tables, charts and a file of numbers."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from control_parts import policies
from control_parts.words import machine
from halospec.compare.markdown import escaped
from halospec.recordings.files import read_recording
from halospec.records.store import write_whole
from halospec.simulate.charts import draw_study
from halospec.simulate.findings import Study
from halospec.simulate.markdown import study_markdown
from halospec.simulate.scenarios import shipped_scenarios
from halospec.simulate.study import study
from halospec.simulate.types import Scenario

_DIGITS = 6


@dataclass(frozen=True)
class StudyPlan:
    """What is simulated."""

    scenarios: tuple[Scenario, ...]
    spellings: tuple[str, ...]
    seeds: tuple[int, ...]
    contenders: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    tracked: tuple[str, ...] = ()


def full_plan(seeds: int) -> StudyPlan:
    """Return the study whose tables are in the documentation."""
    return StudyPlan(
        scenarios=shipped_scenarios(),
        spellings=policies.ALL,
        seeds=tuple(range(1, seeds + 1)),
        contenders=policies.CONTENDERS,
        others=policies.OTHERS,
        tracked=policies.TRACKED,
    )


def quick_plan() -> StudyPlan:
    """Return a study that takes seconds: to see that everything runs, not to learn anything."""
    first, *_ = shipped_scenarios()
    segments = tuple(segment for segment in first.segments[:2])
    small = Scenario(first.name, first.title, first.tokens_per_request, segments)
    return StudyPlan((small,), policies.QUICK, (1, 2), policies.QUICK[:1], policies.QUICK[1:], policies.QUICK)


def run(recordings: Sequence[Path], out: Path, plan: StudyPlan, processes: int | None) -> str:
    """Study every recording and write ``study.json``, ``tables.md`` and the charts; return the tables.

    Raises
    ------
    StoreError, ValueError
        If a recording cannot be read or simulated, or a file cannot be written.
    """
    started_s = time.monotonic()
    studies = [_studied(directory, plan, processes) for directory in recordings]
    minutes = (time.monotonic() - started_s) / 60
    text = "\n".join([_head(plan, minutes), *(_part(one) for one in studies)])
    contents = [_shortened(one.model_dump(mode="json")) for one in studies]
    write_whole(out / "study.json", json.dumps(contents, separators=(",", ":")).encode() + b"\n")
    write_whole(out / "tables.md", text.encode())
    for one in studies:
        draw_study(one, out)
    return text


def _studied(directory: Path, plan: StudyPlan, processes: int | None) -> Study:
    def tell(done: int, of: int) -> None:
        print(f"{directory.name}: {done} of {of}", file=sys.stderr, end="\r" if done < of else "\n", flush=True)

    return study(
        read_recording(directory),
        plan.scenarios,
        plan.spellings,
        plan.seeds,
        processes=processes,
        contenders=plan.contenders,
        others=plan.others,
        tracked=plan.tracked,
        on_progress=tell,
    )


def _head(plan: StudyPlan, minutes: float) -> str:
    return (
        f"Simulated in {minutes:.1f} minutes ({machine()}): {len(plan.spellings)} policies, {len(plan.scenarios)}"
        f" scenarios, {len(plan.seeds)} seeds.\n"
    )


def _part(one: Study) -> str:
    recorded_on = " ".join(one.about[name] for name in ("machine.cpu", "recorded_at") if name in one.about)
    if not recorded_on:
        return study_markdown(one)
    return f"{escaped(one.pair)} was recorded on: {escaped(recorded_on)}.\n\n{study_markdown(one)}"


def _shortened(value: Any) -> Any:
    """Return JSON with numbers of so many digits as mean anything: half the size."""
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    if isinstance(value, list):
        return [_shortened(item) for item in value]
    if isinstance(value, dict):
        return {key: _shortened(item) for key, item in value.items()}
    return value
