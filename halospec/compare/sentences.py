"""A comparison of runs in sentences, and its numbers as text. Names of modes and runs stand in them as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from halospec.analysis.printable import printable
from halospec.compare.gate import GateReport, JudgedCondition, JudgedRow, Outcome
from halospec.compare.metrics import ComparedMetric
from halospec.compare.values import Comparison, Finding, Level, Method, Row, RunComparison

MISSING = "-"
_ROWS_SHOWN = 12
_OUTCOMES = {
    Outcome.FAILED: "fails",
    Outcome.PASSED: "passes",
    Outcome.CANNOT_TELL: "cannot be told",
}


def level_text(metric: ComparedMetric, value: float) -> str:
    """Return a metric's value without its unit."""
    if metric in (ComparedMetric.ACCEPTANCE, ComparedMetric.ATTAINMENT):
        return f"{value:.3f}"
    if value >= 1e7:
        return f"{value:.1e}"
    return f"{value:.2f}" if value < 100 else f"{value:.1f}" if value < 1000 else f"{value:.0f}"


def level_interval(metric: ComparedMetric, level: Level) -> str:
    """Return a level's interval; a dash where there is none."""
    if level.low is None or level.high is None:
        return MISSING
    return f"[{level_text(metric, level.low)}, {level_text(metric, level.high)}]"


def percent_text(percent: float) -> str:
    """Return a change in percent with its sign and without the unit."""
    if percent > 99_999:
        return ">99999"
    if percent == 0:
        return "0.0"
    size = abs(percent)
    return f"{percent:+.2f}" if size < 0.1 else f"{percent:+.1f}" if size < 100 else f"{percent:+.0f}"


def percent_interval(low: float | None, high: float | None) -> str:
    """Return the interval of a change; a dash where there is none."""
    if low is None:
        return MISSING
    return f"[{percent_text(low)}, {'∞' if high is None else percent_text(high)}]"


def outcome_text(outcome: Outcome) -> str:
    """Return a row's outcome in words."""
    return _OUTCOMES[outcome]


def pairing_sentence(comparison: Comparison, baseline: str) -> str:
    """Say whether requests were compared one by one, and why."""
    who = f"{comparison.candidate} and {baseline}"
    if not comparison.pairing.is_paired:
        return f"{who} are not paired: {comparison.pairing.reason}."
    unmatched = comparison.unmatched_cells
    left_out = (
        f" {unmatched} cells have none in the other run: they count in each run's own values, and in no change."
        if unmatched
        else ""
    )
    return f"{who} are paired: {comparison.pairing.reason}.{left_out}"


def modes_left_out(comparison: Comparison, baseline: str) -> Iterator[str]:
    """Name the modes that only one of two runs has."""
    for name, modes in (
        (baseline, comparison.only_in_baseline),
        (comparison.candidate, comparison.only_in_candidate),
    ):
        if modes:
            yield f"Only in {name}, so not compared: {', '.join(modes)}."
    if not comparison.rows:
        yield f"{comparison.candidate} and {baseline} share no mode in any phase; there is nothing to compare."


def conclusion(comparison: Comparison, metric: ComparedMetric, baseline: str) -> str:
    """Say what the intervals of a metric show."""
    rows = comparison.of_metric(metric)
    parts = []
    for finding in (Finding.WORSE, Finding.BETTER):
        found = [row for row in rows if row.finding is finding]
        if found:
            parts.append(f"{finding.value} in {_changes(found)}")
    nothing = [row for row in rows if row.finding is Finding.NOTHING]
    if nothing:
        many = f"any of {len(rows)}" if len(nothing) == len(rows) else f"{len(nothing)} of {len(rows)}"
        parts.append(f"no detectable change in {many}{_detectable(nothing)}")
    unknown = sum(row.finding is Finding.UNKNOWN for row in rows)
    if unknown:
        parts.append(f"no interval, so no statement, in {unknown} of {len(rows)}")
    said = "; ".join(parts) if parts else "neither run has it in a mode and phase that both have"
    return f"{comparison.candidate} against {baseline}, {metric.meaning}: {said}."


def method_note(whole: RunComparison, comparison: Comparison, metric: ComparedMetric) -> str:
    """Say what the changes of a metric are and for what their intervals hold."""
    methods = {row.change.method for row in comparison.of_metric(metric) if row.change and row.change.method}
    better = "higher" if metric.higher_is_better else "lower"
    if not methods:
        return f"{better.capitalize()} is better."
    confidence = f"{100 * whole.confidence:g} %"
    candidates = len(whole.comparisons)
    others = f", Bonferroni over {candidates} candidates" if candidates > 1 else ""
    how = {
        Method.T_ON_BLOCKS: f"t on the log ratios of paired blocks, max-t over modes and phases{others}",
        Method.BOOTSTRAP: f"bootstrap clustered by block and prompt, max-t over modes and phases{others}",
        Method.WELCH: "Welch's t on the blocks' logarithms, Bonferroni over modes, phases and candidates",
        Method.SHARES: "from both shares' own intervals, Bonferroni over modes, phases and candidates",
    }
    said = "; ".join(how[method] for method in Method if method in methods)
    return (
        f"{better.capitalize()} is better. Intervals of change hold together at {confidence}: {said}. Those of the"
        " candidate's own values hold together by Bonferroni."
    )


def gate_sentences(report: GateReport) -> Iterator[str]:
    """Say for each condition which rows failed, which passed and which cannot be told."""
    by_what = "estimates" if report.on_estimates else "intervals"
    for judged in report.conditions:
        said = [
            f"{outcome_text(outcome)} in {_places(rows, report)}"
            for outcome in Outcome
            if (rows := judged.of_outcome(outcome))
        ]
        yield f"{judged.condition.text}, by {by_what}: {'; '.join(said)}."
    unclear = sum(len(judged.of_outcome(Outcome.CANNOT_TELL)) for judged in report.conditions)
    if unclear:
        yield (
            "Where it cannot be told, the interval holds the bound, or there is none: the gate lets such a row pass;"
            " more blocks would narrow the interval."
        )
    failed = sum(bool(judged.of_outcome(Outcome.FAILED)) for judged in report.conditions)
    if report.silent:
        yield f"Gate failed: every request failed in {', '.join(printable(place) for place in report.silent)}."
    elif failed:
        yield f"Gate failed: {failed} of {len(report.conditions)} conditions."
    elif unclear:
        judged_rows = sum(len(judged.rows) for judged in report.conditions)
        yield f"Gate passed, though {unclear} of {judged_rows} rows cannot be told."
    else:
        yield "Gate passed."


def judged_interval(judged: JudgedCondition, row: JudgedRow) -> str:
    """Return the interval that was held against a condition's bound."""
    if judged.condition.is_change:
        return percent_interval(row.low, row.high)
    if row.low is None or row.high is None:
        return MISSING
    metric = judged.condition.metric
    return f"[{level_text(metric, row.low)}, {level_text(metric, row.high)}]"


def judged_value(judged: JudgedCondition, row: JudgedRow) -> str:
    """Return the estimate beside it."""
    if row.value is None:
        return MISSING
    return (
        f"{percent_text(row.value)} %" if judged.condition.is_change else level_text(judged.condition.metric, row.value)
    )


def _changes(rows: Sequence[Row]) -> str:
    shown = []
    for row in rows[:_ROWS_SHOWN]:
        change = row.change
        if change is not None:
            interval = percent_interval(change.low_percent, change.high_percent)
            shown.append(f"{row.mode}, {row.phase.value} ({percent_text(change.percent)} % {interval})")
    return _and_more(shown, len(rows))


def _places(rows: Sequence[JudgedRow], report: GateReport) -> str:
    candidates = {row.candidate for judged in report.conditions for row in judged.rows}
    shown = [
        f"{row.mode}, {row.phase.value}" + (f", {row.candidate}" if len(candidates) > 1 else "")
        for row in rows[:_ROWS_SHOWN]
    ]
    return _and_more([f"({place})" for place in shown], len(rows))


def _and_more(shown: list[str], count: int) -> str:
    more = [f"{count - len(shown)} more"] if count > len(shown) else []
    return ", ".join(shown + more)


def _detectable(rows: Sequence[Row]) -> str:
    smallest = [
        row.change.smallest_detectable_percent
        for row in rows
        if row.change is not None and row.change.smallest_detectable_percent is not None
    ]
    if not smallest:
        return ""
    low, high = (f"{one:.1f}" if one < 10 else f"{one:.0f}" for one in (min(smallest), max(smallest)))
    return f" (smallest detectable increase: {low if low == high else f'{low} to {high}'} %)"
