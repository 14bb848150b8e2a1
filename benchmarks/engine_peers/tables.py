"""Results as Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from itertools import groupby

from engine_peers.agreement import Comparison, compare_texts
from engine_peers.goals import (
    OURS,
    Figure,
    Goal,
    first_token_ms,
    goals,
    ms_per_token,
    outside_decode,
    resident_mib,
    slowness,
    tokens_per_s,
)
from engine_peers.plan import Cell
from engine_peers.ratios import CONFIDENCE, Measured, Median, last_attempts
from engine_peers.records import SYSTEMS, Measurement, Results, Session, SystemName

_NAMES: dict[SystemName, str] = {
    "bare": "bare loop",
    "engine": "HaloSpec's engine alone",
    "halospec": "HaloSpec",
    "llama-server": "llama-server",
    "llama-cpp-python": "llama-cpp-python",
}


def report(results: Results) -> str:
    """Return everything that was measured, as one document."""
    counting = last_attempts(results.measurements)
    measured = Measured(counting)
    parts = [
        _heading(results.session, counting),
        *_speeds(measured),
        *_latencies(measured),
        _memory(measured),
        _outside_decode(measured),
        _agreement(counting),
        _goals(goals(measured)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _heading(session: Session, measurements: Sequence[Measurement]) -> str:
    host = session.host
    repetitions = len({m.repetition for m in measurements})
    versions = ", ".join(f"{_NAMES[name]} {version}" for name, version in session.versions.items())
    lines = [
        f"{host.cpu}, {host.usable_cores} cores ({host.system}); {session.threads} threads. Greedy, {session.tokens} "
        f"tokens a reply; {session.target} drafted by {session.draft}. {versions}.",
        "",
        f"`{session.command}`",
        "",
        f"Medians of {repetitions} repetition(s), all systems in turn in each (seed {session.seed}); ratios are of one "
        f"repetition's figures, in brackets the interval that holds their median with {CONFIDENCE:.0%} confidence.",
    ]
    if measurements:
        foreign = sorted(m.foreign_load for m in measurements)
        lines[-1] += (
            f" Of the machine's CPU time others took {statistics.median(foreign):.0%} while a cell was measured, "
            f"{foreign[-1]:.0%} at worst; {sum(m.attempt > 1 for m in measurements)} of {len(measurements)} were "
            "measured again because others had taken too much."
        )
    if any(m.system == "llama-cpp-python" and m.draft_length > 0 for m in measurements):
        lines[-1] += (
            " llama-cpp-python's server cannot use a draft model: at k > 0 it drafts by prompt lookup. It serves one "
            "request at a time."
        )
    return "\n".join(lines)


def _speeds(measured: Measured) -> Iterator[str]:
    """One table of times and one of rates for each number of clients."""
    systems = _systems(measured)
    for clients in _clients(measured):
        what = "one client" if clients == 1 else f"{clients} clients"
        lengths = _lengths(measured, clients)
        if clients == 1:
            ours = [s for s in ("engine", OURS) if {"bare", s} <= set(systems)]
            yield _table(
                f"Time per token after the first (ms), {what}",
                ["k", *(_NAMES[s] for s in systems), *(f"{_NAMES[s]} ÷ bare loop" for s in ours)],
                (
                    [
                        str(k),
                        *(_plain(measured.median(Cell(s, k, clients), ms_per_token), 1) for s in systems),
                        *(_ratio(slowness(measured, s, k, clients)) for s in ours),
                    ]
                    for k in lengths
                ),
            )
        others = [s for s in systems if s not in (OURS, "engine")] if OURS in systems else []
        yield _table(
            f"Tokens per second, prompts and first tokens included, {what}",
            ["k", *(_NAMES[s] for s in systems), *(f"{_NAMES[OURS]} ÷ {_NAMES[s]}" for s in others)],
            (
                [
                    str(k),
                    *(_plain(measured.median(Cell(s, k, clients), tokens_per_s), 1) for s in systems),
                    *(
                        _ratio(measured.ratio(Cell(OURS, k, clients), Cell(s, k, clients), tokens_per_s))
                        for s in others
                    ),
                ]
                for k in lengths
            ),
        )


def _latencies(measured: Measured) -> Iterator[str]:
    systems = _systems(measured)
    for clients in _clients(measured):
        what = "one client" if clients == 1 else f"{clients} clients, their mean"
        yield _table(
            f"Time to the first token (ms) · tokens accepted of those drafted, {what}",
            ["k", *(_NAMES[s] for s in systems)],
            (
                [
                    str(k),
                    *(
                        f"{_plain(measured.median(Cell(s, k, clients), first_token_ms), 0)} · "
                        f"{_acceptance(measured.of(Cell(s, k, clients)))}"
                        for s in systems
                    ),
                ]
                for k in _lengths(measured, clients)
            ),
        )


def _memory(measured: Measured) -> str:
    systems = _systems(measured)
    rows = []
    for k in sorted({m.draft_length for m in measured.measurements}):
        cells = []
        for system in systems:
            found = [m for m in _of(measured, system) if m.draft_length == k]
            if not found:
                cells.append("–")
                continue
            resident = max(map(resident_mib, found))
            private = max(m.memory.private_bytes for m in found) / 2**20
            peaks = [m.memory.peak_bytes / 2**20 for m in found if m.memory.peak_bytes is not None]
            cells.append(f"{resident:.0f} · {private:.0f} · " + (f"{max(peaks):.0f}" if peaks else "–"))
        rows.append([str(k), *cells])
    return _table(
        "Memory (MiB): resident, mapped model files included · without them · most ever resident",
        ["k", *(_NAMES[s] for s in systems)],
        rows,
    )


def _outside_decode(measured: Measured) -> str:
    seen = [s for s in _systems(measured) if any(m.outside_decode is not None for m in _of(measured, s))]
    if not seen:
        return ""

    def share(system: SystemName, k: int, clients: int) -> str:
        found = measured.median(Cell(system, k, clients), outside_decode)
        return "–" if found is None else f"{found.value:.1%}"

    rows = [
        [str(clients), str(k), *(share(system, k, clients) for system in seen)]
        for clients in _clients(measured)
        for k in _lengths(measured, clients)
    ]
    return _table(
        "Share of a round outside llama_decode", ["texts at once", "k", *(_NAMES[system] for system in seen)], rows
    )


def _agreement(measurements: Sequence[Measurement]) -> str:
    systems = [s for s in SYSTEMS if any(m.system == s and m.draft_length == 0 for m in measurements)]
    if not systems:
        return ""
    compared = sorted(compare_texts(measurements, systems[0]), key=lambda c: (SYSTEMS.index(c.system), c.clients))
    if not compared:
        return ""
    rows = []
    for (system, clients), group in groupby(compared, key=lambda c: (c.system, c.clients)):
        texts = list(group)
        differing = [text for text in texts if text.first_difference is not None]
        rows.append(
            [_NAMES[system], str(clients), f"{len(texts) - len(differing)} of {len(texts)}", _parted(differing)]
        )
    return _table(
        f"Greedy texts equal to the {_NAMES[systems[0]]}'s at k = 0",
        ["system", "clients", "equal", "the others' first difference"],
        rows,
    )


def _parted(differing: Sequence[Comparison]) -> str:
    places = sorted({(c.first_difference or 0, c.prompt_id, c.draft_length) for c in differing})
    shown = [f"{prompt_id} at k = {k}: character {at}" for at, prompt_id, k in places[:3]]
    return "; ".join(shown) + (f"; {len(places) - 3} more" if len(places) > 3 else "") if shown else "–"


def _goals(judged: Sequence[Goal]) -> str:
    def found(goal: Goal) -> str:
        if not goal.figures:
            return "not measured"
        if not goal.missed:
            return "met"
        return f"missed at {len(goal.missed)} of {len(goal.figures)}"

    def figures(goal: Goal) -> str:
        return "; ".join(_figure(figure) for figure in (goal.missed or goal.figures)) or "–"

    rows = ([goal.text, found(goal), figures(goal)] for goal in judged)
    return _table("Goals", ["goal", "", "figures, or those that missed it"], rows)


def _figure(figure: Figure) -> str:
    return f"{figure.place}: " + (f"{figure.value.value:.1%}" if figure.is_share else _ratio(figure.value))


def _table(title: str, head: Sequence[str], rows: Iterator[list[str]] | Sequence[list[str]]) -> str:
    lines = [f"**{title}**", "", _row(head), _row(["---"] * len(head)), *(_row(row) for row in rows)]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _plain(median: Median | None, digits: int) -> str:
    return "–" if median is None else f"{median.value:.{digits}f}"


def _ratio(median: Median | None) -> str:
    if median is None:
        return "–"
    interval = "" if median.low is None or median.high is None else f" [{median.low:.2f}, {median.high:.2f}]"
    return f"{median.value:.2f}{interval}"


def _acceptance(measurements: Sequence[Measurement]) -> str:
    replies = [reply for m in measurements for reply in m.replies]
    drafted = sum(reply.drafted or 0 for reply in replies)
    return f"{sum(reply.accepted or 0 for reply in replies) / drafted:.0%}" if drafted else "–"


def _of(measured: Measured, system: SystemName) -> list[Measurement]:
    return [m for m in measured.measurements if m.system == system]


def _systems(measured: Measured) -> list[SystemName]:
    return [system for system in SYSTEMS if _of(measured, system)]


def _clients(measured: Measured) -> list[int]:
    return sorted({m.clients for m in measured.measurements})


def _lengths(measured: Measured, clients: int) -> list[int]:
    return sorted({m.draft_length for m in measured.measurements if m.clients == clients})
