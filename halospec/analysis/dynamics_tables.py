"""What a mode did as load came and went, and what it cost beyond the best draft length, as tables."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from halospec.analysis.dynamics import FEWEST_UNDER_LOAD, TOLERANCE, WINDOW, Dynamics, ModeDynamics
from halospec.analysis.naming import named
from halospec.analysis.regret import BestFixed, Regret, RegretSummary
from halospec.analysis.table_style import MISSING, decimals, mode_name, new_table

NEVER = "never"


def dynamics_tables(found: Dynamics) -> list[RenderableType]:
    """Return one row a mode: medians over its trials."""
    columns = (
        "trials",
        "over-\nshoot %",
        "recov-\nered",
        "recovery\ns",
        "recovery\nrequests",
        "draft\nchanges",
    )
    table = new_table("As load came and went", ["mode"], columns)
    for mode in found.modes:
        table.add_row(
            mode_name(mode.mode),
            str(mode.trials),
            f"n < {FEWEST_UNDER_LOAD}" if mode.overshoot is None else f"{100 * mode.overshoot:.0f}",
            f"{mode.recovered}/{mode.recovery_trials}" if mode.recovery_trials else MISSING,
            _duration(mode, mode.recovery_s),
            _duration(mode, mode.recovery_requests),
            decimals(mode.draft_changes, 1),
        )
    return [
        table,
        Text(
            "Medians over trials, without a test: prompts and noise move these figures too, so read a controller's"
            " beside those of the fixed modes. All from a request's time per token, as the median of it and the"
            f" {WINDOW - 1} before{_evened(found)}. overshoot: the highest under load over the median of the"
            f" load phase's second half, minus 1; takes {FEWEST_UNDER_LOAD} requests. recovered: trials in which it"
            f" came within {100 * TOLERANCE:g} % of the steady median and stayed there, of those with {WINDOW} requests"
            " before and after the load. recovery: from the end of the last request under load until then;"
            f" {NEVER}: not within the trial, in half of these or more. draft changes: steps with another k than the"
            " one before.",
            style="dim",
        ),
    ]


def _evened(found: Dynamics) -> str:
    return ", divided by how much slower its prompt was than others in other blocks" if found.prompts_evened else ""


def regret_tables(found: RegretSummary) -> list[RenderableType]:
    """Return two rows a mode: against the best fixed k, and against the best one of each phase."""
    table = new_table("Regret per token", ["mode", "against"], ("ms", "%"))
    for mode in found.modes:
        for name, against, regret in (
            (mode_name(mode.mode), "best fixed", mode.against_best_fixed),
            (Text(""), "oracle", mode.against_oracle),
        ):
            table.add_row(name, against, *_interval(regret))
    per_phase = ", ".join(f"{_called(best)} in {best.phase.value}" for best in found.best_in_phase if best.phase)
    return [
        table,
        Text(
            f"Time per output token minus the reference's, on {found.common_places} of {found.places} places (block,"
            " prompt, phase): those at which every mode answered."
            f" best fixed: {_called(found.best_fixed)}, the lowest over all phases together. oracle: {per_phase}."
            " Below 0: faster than every constant k, which a mode that changes k can be."
            f" Intervals: {100 * found.confidence:g} % for each row by itself, allowing for not knowing which k"
            " is the best; over blocks, from two on, for the prompts that were asked. Those in ms are percentages of"
            " the reference as measured; no verdict rests on any of these.",
            style="dim",
        ),
    ]


def _called(best: BestFixed) -> str:
    return f"{named(best.mode)} ({best.tpot_ms:.2f} ms)"


def _interval(regret: Regret | None) -> tuple[str, str]:
    if regret is None:
        return MISSING, MISSING
    in_ms, in_percent = f"{regret.per_token_ms:+.2f}", f"{regret.percent:+.1f}"
    if regret.low_ms is None or regret.high_ms is None or regret.low_percent is None or regret.high_percent is None:
        return in_ms, in_percent
    return (
        f"{in_ms} [{regret.low_ms:+.2f}, {regret.high_ms:+.2f}]",
        f"{in_percent} [{regret.low_percent:+.1f}, {regret.high_percent:+.1f}]",
    )


def _duration(mode: ModeDynamics, duration: float | None) -> str:
    if not mode.recovery_trials:
        return MISSING
    return NEVER if duration is None else f"{duration:.1f}"
