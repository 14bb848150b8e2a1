"""The summary of a run: what ``summary.json`` holds and ``halospec summarize`` prints."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from halospec.analysis.acceptance_by_position import AcceptanceByPosition, acceptance_by_position
from halospec.analysis.adaptive import AdaptiveTrial, adaptive_trials
from halospec.analysis.comparisons import Comparisons, comparisons
from halospec.analysis.described import (
    FailureReason,
    LowestScore,
    ModeSummary,
    PhaseSummary,
    failure_reasons,
    lowest_score,
    mode_summary,
    phase_summary,
)
from halospec.analysis.design import DesignReport, Support, declared_design, design_of
from halospec.analysis.dynamics import Dynamics, dynamics
from halospec.analysis.energy import Energy, energy
from halospec.analysis.load_achieved import LoadsAchieved, loads_achieved
from halospec.analysis.loading import RunData
from halospec.analysis.losslessness import Losslessness, losslessness
from halospec.analysis.manipulation import Manipulation, manipulation
from halospec.analysis.memory_use import MemoryUse, memory_use
from halospec.analysis.modes import reference_among
from halospec.analysis.percentiles import TimePercentiles, percentiles
from halospec.analysis.precision import PILOT_BLOCKS
from halospec.analysis.regret import RegretSummary, regret
from halospec.analysis.requests import Requests
from halospec.analysis.slo import SloSummary, parse_slo, resolve, score
from halospec.analysis.switches import Switches, switches
from halospec.analysis.thread_use import ThreadUse, thread_use
from halospec.analysis.value import Value
from halospec.analysis.verdicts import verdicts
from halospec.inference.types import CONFIDENCE
from halospec.records.manifest import Manifest, Status
from halospec.records.probe import Verdict
from halospec.records.store import write_whole

SUMMARY_VERSION = 2


class ProbeFinding(Value):
    """What the probe before the run found of the knob that the run used."""

    knob: str
    verdict: Verdict
    reason: str


@dataclass(frozen=True)
class Judging:
    """By what a run is judged.

    Attributes
    ----------
    reference
        The mode that others are compared with; None: plain decoding where it ran.
    slo
        Service levels, as the command line states them.
    seed
        Of what is drawn at random in computing intervals.
    pilot_blocks
        Blocks whose spread decided how long the run went on; None where their number was fixed.
    """

    reference: str | None = None
    slo: tuple[str, ...] = ()
    confidence: float = CONFIDENCE
    seed: int = 1
    pilot_blocks: int | None = None


_BY_DEFAULT = Judging()


class Summary(Value):
    """All that is said of a run.

    Attributes
    ----------
    design
        How it was made, and what that supports.
    verdicts
        What it shows, in sentences.
    comparisons
        Differences between modes with their uncertainty; ``None`` where fewer than two modes answered, or the design
        supports no comparison.
    slo, slo_problem
        Attainment and goodput where service levels were stated, or why they could not be judged.
    regret, dynamics, acceptance_by_position
        ``None`` where the run has no fixed mode or supports no comparison, no load phase, no round log.
    threads
        ``None`` where the server does not say with how many its rounds ran.
    energy, memory, loads
        ``None`` where neither energy nor a temperature was read, the server's memory was not, no load ever ran.
    status
        How the run ended; ``None`` where no manifest says it.
    torn
        Whether the journal's last line was cut short and is left out.
    void
        Records that are left out because their trial was begun anew.
    placebo
        Whether the run went on although the server ignores the draft length.
    counted_by_events
        Successful requests whose tokens the server did not count, so that content events were counted instead.
    with_nonce
        Requests with words of their own before the prompt; their texts are compared with none.
    switches
        ``None`` where the server was never loaded or started anew.
    probe
        ``None`` where none is on record.
    """

    version: int = SUMMARY_VERSION
    requests: int
    status: Status | None = None
    torn: bool
    void: int = 0
    placebo: bool
    counted_by_events: int
    with_nonce: int = 0
    modes: tuple[ModeSummary, ...]
    phases: tuple[PhaseSummary, ...]
    adaptive: tuple[AdaptiveTrial, ...]
    lowest_score: LowestScore | None
    failures: tuple[FailureReason, ...]
    losslessness: Losslessness | None
    manipulation: Manipulation
    switches: Switches | None
    probe: ProbeFinding | None = None
    design: DesignReport
    verdicts: tuple[str, ...]
    comparisons: Comparisons | None
    slo: SloSummary | None
    slo_problem: str | None = None
    regret: RegretSummary | None
    dynamics: Dynamics | None
    percentiles: tuple[TimePercentiles, ...]
    acceptance_by_position: tuple[AcceptanceByPosition, ...] | None
    threads: tuple[ThreadUse, ...] | None = None
    energy: Energy | None = None
    memory: MemoryUse | None = None
    loads: LoadsAchieved | None = None


def summarize(
    run: RunData, judging: Judging = _BY_DEFAULT, *, temperature: float | None = None, runs_in_file: int = 1
) -> Summary:
    """Summarise the measured requests of one run.

    Parameters
    ----------
    temperature
        What the run asked for; texts are compared only where it is 0. ``None`` if it is not known.
    runs_in_file
        How many runs the file holds that this one comes from.

    Raises
    ------
    ValueError
        If the reference is none of the modes that answered.
    """
    requests = run.requests.measured
    modes = tuple(mode_summary(mode, of_mode) for mode, of_mode in requests.by_mode())
    design = design_of(run.requests, declared=declared_design(run.manifest), runs_in_file=runs_in_file)
    compared = _compared(requests, judging)
    is_comparable = design.support is not Support.DESCRIPTION
    slo, slo_problem = _slo(run.requests, judging, compared=is_comparable)
    return Summary(
        requests=len(requests),
        status=run.manifest.status if run.manifest else None,
        torn=run.torn,
        void=run.void,
        placebo=requests.placebo,
        counted_by_events=int(np.count_nonzero(requests.by_events & requests.success)),
        with_nonce=int(np.count_nonzero(requests.nonce)),
        modes=modes,
        phases=tuple(phase_summary(mode, phase, here) for mode, phase, here in requests.by_mode_and_phase()),
        adaptive=adaptive_trials(requests),
        lowest_score=lowest_score(modes, requests),
        failures=failure_reasons(requests),
        losslessness=losslessness(requests, temperature),
        manipulation=manipulation(requests),
        switches=switches(run.switches),
        probe=_probe_finding(run.manifest),
        design=design,
        verdicts=verdicts(compared, design),
        comparisons=compared if is_comparable else None,
        slo=slo,
        slo_problem=slo_problem,
        regret=regret(requests, confidence=judging.confidence, seed=judging.seed) if is_comparable else None,
        dynamics=dynamics(requests),
        percentiles=percentiles(requests),
        acceptance_by_position=acceptance_by_position(run.requests, run.rounds),
        threads=thread_use(run.requests, run.rounds),
        energy=energy(run.requests, run.telemetry),
        memory=memory_use(run.requests, run.telemetry),
        loads=loads_achieved(run.requests, run.loads),
    )


def summarize_run(run: RunData, judging: Judging | None = None, *, runs_in_file: int = 1) -> Summary:
    """Summarise a run in the light of its manifest; judged as that says unless told otherwise.

    Raises
    ------
    ValueError
        If it is told to compare with a mode that did not answer.
    """
    judged_by = judging_of(run) if judging is None else judging
    return summarize(run, judged_by, temperature=_temperature(run.manifest), runs_in_file=runs_in_file)


def comparisons_of(run: RunData) -> Comparisons | None:
    """Return the comparisons that the run's summary holds."""
    design = design_of(run.requests, declared=declared_design(run.manifest))
    return None if design.support is Support.DESCRIPTION else _compared(run.requests.measured, judging_of(run))


def judging_of(run: RunData) -> Judging:
    """Return by what a run was to be judged when it was begun, as far as its manifest says and its records allow."""
    settings = run.manifest.settings if run.manifest else {}
    reference = settings.get("reference")
    answered = run.requests.measured.successes.modes_here
    return Judging(
        reference=reference if reference in answered else None,
        slo=tuple(settings.get("slo") or ()),
        seed=run.manifest.seed if run.manifest else 1,
        pilot_blocks=(settings.get("blocks") or PILOT_BLOCKS) if settings.get("precision") else None,
    )


def _compared(requests: Requests, judging: Judging) -> Comparisons | None:
    return comparisons(
        requests,
        reference=judging.reference,
        confidence=judging.confidence,
        seed=judging.seed,
        pilot_blocks=judging.pilot_blocks,
    )


def _slo(requests: Requests, judging: Judging, *, compared: bool) -> tuple[SloSummary | None, str | None]:
    reference = reference_among(requests.measured.modes_here, judging.reference)
    if not judging.slo or reference is None:
        return None, None
    try:
        slo = resolve(parse_slo(judging.slo), requests)
    except ValueError as problem:
        # A run's other numbers are not to be lost because one of its service levels could not be derived.
        return None, str(problem)
    return score(requests, slo, reference=reference, seed=judging.seed, compared=compared), None


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
