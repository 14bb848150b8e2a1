"""Decisions as tables."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from halospec.analysis.naming import named
from halospec.analysis.printable import printable
from halospec.analysis.table_style import MISSING, decimals, mode_name, new_table, percent
from halospec.explanation.decisions import Told
from halospec.explanation.overview import Overview
from halospec.records.decisions import ChosenSetting, DecisionRecord

_CANDIDATES_SHOWN = 5
_THREADS = "on 2+1: with 2 threads for the target and 1 for the draft; where it is not said, with the server's own."
_SETTINGS_SHOWN = 6
_LEAST_SHARE_SHOWN = 0.005
_ALARMS_SHOWN = 4


def step_tables(found: Sequence[Told]) -> list[RenderableType]:
    """Return a table for each request: a row a decision."""
    parts: list[RenderableType] = []
    for (block, mode, step), group in groupby(
        found, key=lambda told: (told.decision.block, told.decision.mode, told.decision.step)
    ):
        here = list(group)
        ended = "" if here[0].success else "; the request failed"
        title = f"{named(mode)}, block {block}, step {step} ({here[0].phase.value}{ended})"
        parts += [_step_table(title, here), Text()]
    parts.append(
        Text(
            "ms per token: what was predicted of the setting chosen, and what came while it held. est. %: estimated"
            " probability that each drafted position is kept, given those before it. weighed: settings and predicted"
            f" ms per token, the {_CANDIDATES_SHOWN} best of them, the best first; all stand in decisions.jsonl."
            f" {_THREADS}",
            style="dim",
        )
    )
    return parts


def overview_tables(found: Sequence[Overview]) -> list[RenderableType]:
    """Return what was chosen, and the alarms, a row for each mode and phase."""
    table = new_table("What was chosen", ["mode", "phase"], ["decisions"])
    table.add_column("setting, share", overflow="fold")
    table.add_column("alarms", overflow="fold")
    previous = None
    for row in found:
        largest = [one for one in row.settings[:_SETTINGS_SHOWN] if one.share >= _LEAST_SHARE_SHOWN]
        shares = [f"{spoken(one.setting)}: {100 * one.share:.0f} %" for one in largest]
        alarms = [f"{one.decisions} × {one.alarm}" for one in row.alarms[:_ALARMS_SHOWN]]
        table.add_row(
            mode_name(row.mode) if row.mode != previous else Text(""),
            row.phase.value,
            str(row.decisions),
            Text(", ".join(_cut(shares, len(row.settings) - len(largest)))),
            Text(printable(", ".join(_cut(alarms, len(row.alarms) - _ALARMS_SHOWN))) or MISSING),
        )
        previous = row.mode
    said = "share: of the rounds for which a decision held; where the server logs none, of the decisions."
    return [table, Text(f"{said} {_THREADS} Give --step to see why something was chosen.", style="dim")]


def spoken(setting: ChosenSetting) -> str:
    """Return a setting in short: ``k=4``, or with threads of target and draft ``k=4 on 2+1``."""
    if setting.threads is None and setting.draft_threads is None:
        return f"k={setting.draft_length}"
    threads, draft = ("own" if one is None else one for one in (setting.threads, setting.draft_threads))
    return f"k={setting.draft_length} on {threads}+{draft}"


def _step_table(title: str, found: Sequence[Told]) -> Table:
    table = new_table(title, ["round", "chosen"], ["ms per\ntoken", "rounds", "kept\n%"])
    for name in ("why", "est. %", "weighed"):
        table.add_column(name, overflow="fold")
    for told in found:
        decision = told.decision
        table.add_row(
            "all" if decision.round is None else str(decision.round),
            spoken(decision.chosen),
            f"{decimals(told.predicted_ms_per_token, 2)}\n{decimals(told.ms_per_token, 2)}",
            MISSING if told.rounds is None else str(told.rounds),
            percent(told.acceptance),
            Text(printable("; ".join((decision.reason, *(f"alarm: {alarm}" for alarm in decision.alarms))))),
            " ".join(f"{100 * share:.0f}" for share in decision.acceptance) or MISSING,
            _weighed(decision),
        )
    return table


def _weighed(decision: DecisionRecord) -> str:
    best = sorted(decision.candidates, key=lambda one: one.ms_per_token)[:_CANDIDATES_SHOWN]
    return "\n".join(f"{spoken(one)}: {one.ms_per_token:.2f}" for one in best) or MISSING


def _cut(shown: Sequence[str], left: int) -> Sequence[str]:
    return [*shown, f"{left} more"] if left > 0 else shown
