"""The summary of a run: what ``summary.json`` holds and ``halospec summarize`` prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from halospec.analysis.adaptive import AdaptiveTrial, adaptive_trials
from halospec.analysis.losslessness import Losslessness, losslessness
from halospec.analysis.manipulation import Manipulation, manipulation
from halospec.analysis.observation import Observations, by_mode, in_phase, measured, successes
from halospec.analysis.statistics import (
    acceptance,
    drafted_per_round,
    latency,
    mean,
    tokens_per_second,
    tpot_ms,
)
from halospec.analysis.switches import Switches, switches
from halospec.analysis.value import Value
from halospec.records.classic_csv import ClassicRow
from halospec.records.manifest import Manifest
from halospec.records.placebo import is_placebo
from halospec.records.probe import Verdict
from halospec.records.schema import MEASURED_PHASES, CountSource, Phase, RequestRecord
from halospec.records.store import Journal, write_whole

SUMMARY_VERSION = 1


class ModeSummary(Value):
    """The original's table: one mode over all its phases. Statistics cover successes."""

    mode: str
    steps: int
    successes: int
    failures: int
    success_percent: float
    mean_ms: float | None
    median_ms: float | None
    p95_ms: float | None
    min_ms: float | None
    max_ms: float | None
    sd_ms: float | None
    tokens_per_second: float | None
    score: float | None
    tpot_ms: float | None
    acceptance: float | None


class PhaseSummary(Value):
    """One mode in one phase. Statistics cover successes.

    Attributes
    ----------
    acceptance
        Σ accepted / Σ drafted, 0 to 1.
    load_percent
        Mean CPU share that the burners got, in percent of the cores they were meant to load.
    """

    mode: str
    phase: Phase
    requests: int
    failures: int
    mean_ms: float | None
    median_ms: float | None
    max_ms: float | None
    score: float | None
    tpot_ms: float | None
    ttft_ms: float | None
    acceptance: float | None
    drafted_per_round: float | None
    load_percent: float | None
    draft_length: float | None


class LowestScore(Value):
    """The mode with the lowest score, which is not by itself evidence of a difference.

    Attributes
    ----------
    same_phases
        Whether all modes that have a score ran in the same phases; if not, scores cannot be compared.
    """

    mode: str
    score: float
    compared_modes: int
    same_phases: bool


class FailureReason(Value):
    """How often a mode's requests failed for one reason."""

    mode: str
    error: str
    count: int


class ProbeFinding(Value):
    """What the probe before the run found of the knob that the run used."""

    knob: str
    verdict: Verdict
    reason: str


class Summary(Value):
    """All that is said of a run.

    Attributes
    ----------
    torn
        Whether the journal's last line was cut short and is left out.
    placebo
        Whether the run went on although the server ignores the draft length.
    counted_by_events
        Successful requests whose tokens the server did not count, so that content events were counted instead.
    switches
        ``None`` where the server was never loaded or started anew.
    probe
        ``None`` where none is on record.
    """

    version: int = SUMMARY_VERSION
    requests: int
    torn: bool
    placebo: bool
    counted_by_events: int
    modes: tuple[ModeSummary, ...]
    phases: tuple[PhaseSummary, ...]
    adaptive: tuple[AdaptiveTrial, ...]
    lowest_score: LowestScore | None
    failures: tuple[FailureReason, ...]
    losslessness: Losslessness | None
    manipulation: Manipulation
    switches: Switches | None
    probe: ProbeFinding | None = None


def summarize(
    requests: Iterable[RequestRecord | ClassicRow],
    *,
    temperature: float | None = None,
    torn: bool = False,
    probe: ProbeFinding | None = None,
) -> Summary:
    """Summarise the measured requests of one run.

    Parameters
    ----------
    temperature
        What the run asked for; texts are compared only where it is 0. ``None`` if it is not known.
    """
    run = tuple(requests)
    observations = measured(run)
    modes = tuple(_mode(mode, seen) for mode, seen in by_mode(observations).items())
    return Summary(
        requests=len(observations),
        torn=torn,
        placebo=is_placebo(run),
        counted_by_events=sum(seen.tokens_from is CountSource.EVENTS for seen in successes(observations)),
        modes=modes,
        phases=tuple(
            _phase(mode, phase, seen)
            for mode, of_mode in by_mode(observations).items()
            for phase in MEASURED_PHASES
            if (seen := in_phase(of_mode, phase))
        ),
        adaptive=adaptive_trials(observations),
        lowest_score=_lowest_score(modes, observations),
        failures=_failures(observations),
        losslessness=losslessness(observations, temperature),
        manipulation=manipulation(observations),
        switches=switches(run),
        probe=probe,
    )


def summarize_run(journal: Journal, manifest: Manifest | None) -> Summary:
    """Summarise a run's journal, in the light of its manifest."""
    return summarize(
        journal.records, temperature=_temperature(manifest), torn=journal.torn, probe=_probe_finding(manifest)
    )


def write_summary(summary: Summary, path: Path) -> None:
    """Write ``summary.json``."""
    write_whole(path, summary.model_dump_json(indent=2).encode() + b"\n")


def _temperature(manifest: Manifest | None) -> float | None:
    temperature = manifest.settings.get("temperature") if manifest else None
    return float(temperature) if isinstance(temperature, int | float) else None


def _probe_finding(manifest: Manifest | None) -> ProbeFinding | None:
    report = manifest.probe if manifest else None
    found = next((knob for knob in report.knobs if knob.knob == manifest.knob), None) if manifest and report else None
    return ProbeFinding(knob=found.knob, verdict=found.verdict, reason=found.reason) if found else None


def _mode(mode: str, seen: Observations) -> ModeSummary:
    good = successes(seen)
    spread = latency(good)
    return ModeSummary(
        mode=mode,
        steps=len(seen),
        successes=len(good),
        failures=len(seen) - len(good),
        success_percent=100 * len(good) / len(seen),
        mean_ms=spread and spread.mean,
        median_ms=spread and spread.median,
        p95_ms=spread and spread.p95,
        min_ms=spread and spread.minimum,
        max_ms=spread and spread.maximum,
        sd_ms=spread and spread.sd,
        tokens_per_second=tokens_per_second(good),
        score=spread and spread.score,
        tpot_ms=tpot_ms(good),
        acceptance=acceptance(good),
    )


def _phase(mode: str, phase: Phase, seen: Observations) -> PhaseSummary:
    good = successes(seen)
    spread = latency(good)
    return PhaseSummary(
        mode=mode,
        phase=phase,
        requests=len(seen),
        failures=len(seen) - len(good),
        mean_ms=spread and spread.mean,
        median_ms=spread and spread.median,
        max_ms=spread and spread.maximum,
        score=spread and spread.score,
        tpot_ms=tpot_ms(good),
        ttft_ms=mean([one.ttft_ms for one in good if one.ttft_ms is not None]),
        acceptance=acceptance(good),
        drafted_per_round=drafted_per_round(good),
        load_percent=mean([one.load_percent for one in good if one.load_percent is not None]),
        draft_length=mean([one.draft_length for one in good if one.draft_length is not None]),
    )


def _lowest_score(modes: tuple[ModeSummary, ...], observations: Observations) -> LowestScore | None:
    scores = {mode.mode: mode.score for mode in modes if mode.score is not None}
    if not scores:
        return None
    lowest = min(scores, key=scores.__getitem__)
    phases = {frozenset(one.phase for one in seen) for seen in by_mode(successes(observations)).values()}
    return LowestScore(mode=lowest, score=scores[lowest], compared_modes=len(scores), same_phases=len(phases) == 1)


def _failures(observations: Observations) -> tuple[FailureReason, ...]:
    return tuple(
        FailureReason(mode=mode, error=error, count=count)
        for mode, seen in by_mode(observations).items()
        for error, count in Counter(one.error or "no reason recorded" for one in seen if not one.success).most_common()
    )
