"""A summary as tables and sentences for a terminal or a file."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from halospec.analysis.acceptance_tables import acceptance_tables
from halospec.analysis.comparison_tables import conclusion, difference_tables
from halospec.analysis.described import FailureReason, LowestScore, ModeSummary, PhaseSummary
from halospec.analysis.dynamics_tables import dynamics_tables, regret_tables
from halospec.analysis.losslessness import Losslessness
from halospec.analysis.machine_tables import energy_tables, load_tables, memory_tables
from halospec.analysis.manipulation import Manipulation, Verdict
from halospec.analysis.printable import printable
from halospec.analysis.slo_tables import percentile_tables, slo_tables
from halospec.analysis.summary import Summary
from halospec.analysis.switches import Switches
from halospec.analysis.table_style import MISSING as MISSING
from halospec.analysis.table_style import decimals, mode_name, ms, new_table, percent, seconds
from halospec.analysis.thread_use import thread_tables
from halospec.records.classic_csv import ClassicRun
from halospec.records.manifest import Status
from halospec.records.placebo import MEANING, STAMP, stamped
from halospec.records.probe import Verdict as ProbeVerdict
from halospec.records.switches import SwitchReason

WIDTH = 100
"""Columns that the tables need; give this to a console that does not write to a terminal."""

REASONS_SHOWN = 10
TRIALS_SHOWN = 6
"""More trials of adaptive modes are shown among the details only."""


def summary_tables(summary: Summary, *, title: str = "", details: bool = False) -> list[RenderableType]:
    """Return what to print of a summary, in order. Texts from servers are never taken for markup.

    The one way to print a run: of a placebo run, each table bears the stamp and a sentence says what it means.

    Parameters
    ----------
    details
        Whether percentiles, acceptance by position, threads, regret, the dynamics under load, loads during requests,
        memory by trial and every trial of an adaptive mode are wanted too.
    """
    parts = _parts(summary, title, details=details)
    if not summary.placebo:
        return parts
    return [Text(f"{STAMP}. {MEANING}", style="bold"), *map(_stamped, parts)]


def _parts(summary: Summary, title: str, *, details: bool) -> list[RenderableType]:
    parts: list[RenderableType] = [Text(printable(title), style="bold")] if title else []
    parts += _probe_note(summary)
    if not summary.modes:
        return [*parts, Text("No measured requests."), *_status_note(summary), *_torn_note(summary)]
    parts += [_mode_table(summary.modes), Text(), _phase_table(summary.phases), Text()]
    if summary.adaptive and (details or len(summary.adaptive) <= TRIALS_SHOWN):
        parts += [_adaptive_table(summary), Text()]
    if summary.slo is not None:
        parts += [*slo_tables(summary.slo), Text()]
    parts += _machine(summary, details=details)
    if details:
        parts += _details(summary)
    if summary.failures:
        parts += [_failure_table(summary.failures), *_more_failures(summary.failures), Text()]
    parts += difference_tables(summary.comparisons, summary.design, details=details)
    parts += [*_remarks(summary), *_status_note(summary), *_torn_note(summary)]
    # Last, as that is what stays in sight on a terminal.
    said = conclusion(summary.design, summary.verdicts)
    return [*parts, Text(), *said] if said else parts


def _machine(summary: Summary, *, details: bool) -> Iterator[RenderableType]:
    for tables in (
        load_tables(summary.loads, details=details) if summary.loads else [],
        memory_tables(summary.memory, details=details) if summary.memory else [],
        energy_tables(summary.energy) if summary.energy else [],
    ):
        if tables:
            yield from (*tables, Text())


def _details(summary: Summary) -> Iterator[RenderableType]:
    for tables in (
        percentile_tables(summary.percentiles),
        acceptance_tables(summary.acceptance_by_position) if summary.acceptance_by_position else [],
        thread_tables(summary.threads) if summary.threads else [],
        regret_tables(summary.regret) if summary.regret is not None else [],
        dynamics_tables(summary.dynamics) if summary.dynamics is not None else [],
    ):
        if tables:
            yield from (*tables, Text())


def _remarks(summary: Summary) -> Iterator[Text]:
    """Yield what a reader of the tables has to know, a sentence or two each."""
    if summary.slo_problem is not None:
        yield Text(f"Service levels were not judged: {printable(summary.slo_problem)}")
    if summary.lowest_score is not None and summary.lowest_score.compared_modes > 1:
        yield _lowest_score_sentence(summary.lowest_score)
    yield _manipulation_sentence(summary.manipulation)
    if summary.losslessness is not None:
        yield _losslessness_sentence(summary.losslessness)
    if summary.with_nonce:
        yield _nonce_sentence(summary)
    yield from _cache_note(summary)
    if summary.counted_by_events:
        yield _counted_by_events_sentence(summary)
    if summary.switches is not None:
        yield _switches_sentence(summary.switches)
    if summary.void:
        records = (
            "1 void record, of a trial that was begun anew, is"
            if summary.void == 1
            else (f"{summary.void} void records, of trials that were begun anew, are")
        )
        yield Text(f"{records} left out.")


def summary_text(summary: Summary, *, title: str = "", width: int = WIDTH) -> str:
    """Return the same as plain text, for a file or a pipe."""
    file = io.StringIO()
    console = Console(file=file, width=width, color_system=None, highlight=False)
    for part in summary_tables(summary, title=title):
        console.print(part)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"


def several_runs_note(runs: Sequence[ClassicRun]) -> str | None:
    """Say that a CSV holds more than one run; ``None`` if it holds one."""
    if len(runs) < 2:
        return None
    restarts = ", ".join(str(run.first_line) for run in runs[1:])
    lines = "line" if len(runs) == 2 else "lines"
    return (
        f"This file holds {len(runs)} runs: global_step starts again in {lines} {restarts}. "
        "Each run is summarised on its own; requests of different runs are not pooled."
    )


def _mode_table(modes: tuple[ModeSummary, ...]) -> Table:
    columns = (
        "steps",
        "ok\n%",
        "fail",
        "mean\nms",
        "median\nms",
        "p95\nms",
        "min\nms",
        "max\nms",
        "sd\nms",
        "tokens\nper s",
        "score",
    )
    table = new_table("Per mode, all phases", ["mode"], columns)
    for mode in modes:
        latencies = (mode.mean_ms, mode.median_ms, mode.p95_ms, mode.min_ms, mode.max_ms, mode.sd_ms)
        table.add_row(
            mode_name(mode.mode),
            str(mode.steps),
            f"{mode.success_percent:.0f}",
            str(mode.failures),
            *(ms(value) for value in latencies),
            decimals(mode.tokens_per_second, 1),
            ms(mode.score),
        )
    table.caption = (
        "Successful requests only; p95 by nearest rank; sd of the population; score = mean + 0.5 p95 + 0.2 sd."
    )
    return table


def _phase_table(phases: tuple[PhaseSummary, ...]) -> Table:
    columns = (
        "n",
        "fail",
        "mean\nms",
        "median\nms",
        "max\nms",
        "TPOT\nms",
        "TTFT\nms",
        "accept\n%",
        "draft\n/round",
        "score",
        "load\n%",
        "mean\nk",
    )
    table = new_table("Per mode and phase", ["mode", "phase"], columns)
    previous = None
    for row in phases:
        table.add_row(
            mode_name(row.mode) if row.mode != previous else Text(""),
            row.phase.value,
            str(row.requests),
            str(row.failures),
            ms(row.mean_ms),
            ms(row.median_ms),
            ms(row.max_ms),
            decimals(row.tpot_ms, 2),
            ms(row.ttft_ms),
            percent(row.acceptance),
            decimals(row.drafted_per_round, 2),
            ms(row.score),
            decimals(row.load_percent, 0),
            decimals(row.draft_length, 1),
        )
        previous = row.mode
    table.caption = "TPOT = sum(end - first token) / sum(tokens - 1); acceptance = sum(accepted) / sum(drafted)."
    return table


def _adaptive_table(summary: Summary) -> Table:
    run = summary.adaptive[0].convergence_run
    columns = ("block", "steps", "draft\nchanges", f"convergence\nstep({run})", "lowest\nk", "highest\nk", "last\nk")
    table = new_table("Adaptive behaviour", ["mode"], columns)
    for trial in summary.adaptive:
        table.add_row(
            mode_name(trial.mode),
            str(trial.block),
            str(trial.steps),
            str(trial.draft_changes),
            MISSING if trial.convergence_step is None else str(trial.convergence_step),
            str(trial.lowest_draft_length),
            str(trial.highest_draft_length),
            str(trial.last_draft_length),
        )
    table.caption = f"Convergence step({run}): the step that ends the first {run} equal k in a row."
    return table


def _failure_table(failures: tuple[FailureReason, ...]) -> Table:
    table = new_table("Failures", ["mode"], ("count",))
    table.add_column("reason", overflow="fold")
    for failure in failures[:REASONS_SHOWN]:
        table.add_row(mode_name(failure.mode), str(failure.count), Text(printable(failure.error, limit=300)))
    return table


def _more_failures(failures: tuple[FailureReason, ...]) -> Iterator[Text]:
    if len(failures) > REASONS_SHOWN:
        yield Text(f"{len(failures) - REASONS_SHOWN} more reasons stand in summary.json.")


def _lowest_score_sentence(lowest: LowestScore) -> Text:
    sentence = (
        f"Lowest score: {printable(lowest.mode)} ({ms(lowest.score)}) of {lowest.compared_modes} modes. "
        "A lowest score is not by itself evidence of a difference."
    )
    if not lowest.same_phases:
        sentence += " The modes did not all run in the same phases, so their scores cannot be compared."
    return Text(sentence)


def _manipulation_sentence(manipulation: Manipulation) -> Text:
    heads = {
        Verdict.OBEYED: "The server obeyed the draft length",
        Verdict.IGNORED: "The server ignored the draft length",
        Verdict.VIOLATED: "The server did not keep to the draft length",
        Verdict.CANNOT_TELL: "Whether the server obeyed the draft length cannot be told from this run",
    }
    tails = {
        Verdict.IGNORED: " Differences between modes are then not effects of k.",
        Verdict.VIOLATED: " Differences between modes may then not be effects of k.",
    }
    verdict = manipulation.verdict
    style = "bold" if verdict in tails else ""
    return Text(f"{heads[verdict]}: {manipulation.reason}.{tails.get(verdict, '')}", style=style)


def _probe_note(summary: Summary) -> Iterator[Text]:
    found = summary.probe
    if found is not None and found.verdict is ProbeVerdict.CANNOT_TELL:
        yield Text(
            f"Before this run the probe could not tell whether k has an effect (knob {printable(found.knob)}: "
            f"{printable(found.reason, limit=400)}). Differences between modes may not be effects of k.",
            style="bold",
        )


def _losslessness_sentence(lossless: Losslessness) -> Text:
    counts = ", ".join(
        f"{printable(mode.mode)} {mode.agreeing}/{mode.compared}" for mode in lossless.modes if mode.compared
    )
    return Text(
        f"Texts equal to {lossless.reference_mode}'s for the same prompt, at temperature 0: {counts}. "
        "A tie in the logits can flip a token without any fault in the verification."
    )


def _nonce_sentence(summary: Summary) -> Text:
    requests = "All" if summary.with_nonce == summary.requests else f"{summary.with_nonce} of {summary.requests}"
    return Text(
        f"{requests} requests began with words of their own, because the server cannot be told to keep its prompt cache"
        " out of it: their texts differ, and are compared with none."
    )


def _cache_note(summary: Summary) -> Iterator[Text]:
    favoured = ", ".join(
        f"{printable(mode.mode)} {mode.from_cache}/{mode.successes}" for mode in summary.modes if mode.from_cache
    )
    if favoured:
        yield Text(f"Part of the prompt came from the server's cache in these requests: {favoured}.")


def _counted_by_events_sentence(summary: Summary) -> Text:
    successes = sum(mode.successes for mode in summary.modes)
    requests = "all" if summary.counted_by_events == successes else f"{summary.counted_by_events} of {successes}"
    return Text(
        f"The server counts no tokens: content events were counted ({requests} successful requests). "
        "Where an event holds several tokens, TPOT and tokens per second are off by as much."
    )


def _switches_sentence(made: Switches) -> Text:
    verb = {"reload": "loaded", "restart": "started"}.get(made.knob or "", "loaded or started")
    purposes = {
        SwitchReason.FIRST: "to begin with",
        SwitchReason.CHANGED: "for another draft length",
        SwitchReason.DIED: "because it was gone",
    }
    if len(made.by_reason) == 1 and made.by_reason[0].count == made.count:
        why = f" {purposes[made.by_reason[0].reason]}"
    else:
        why = ", ".join(f"{part.count} {purposes[part.reason]}" for part in made.by_reason)
        why = f" ({why})" if why else ""
    times = "once" if made.count == 1 else f"{made.count} times"
    durations = f"median {seconds(made.median_ms)}, {seconds(made.total_ms)} in all"
    return Text(f"The server was {verb} anew {times}{why}, {durations}; that time is in no latency.")


def _status_note(summary: Summary) -> Iterator[Text]:
    ended = {
        Status.RUNNING: "The run has not ended, or was cut off",
        Status.INTERRUPTED: "The run was interrupted",
        Status.FAILED: "The run had to stop early",
    }
    if summary.status in ended:
        yield Text(f"{ended[summary.status]}: this is what was measured until then.")


def _torn_note(summary: Summary) -> Iterator[Text]:
    if summary.torn:
        yield Text("The last line of the journal was cut short (the run was stopped while writing it) and is left out.")


def _stamped(part: RenderableType) -> RenderableType:
    if isinstance(part, Table):
        part.title = Text(stamped(str(part.title)), style="bold")
    return part
