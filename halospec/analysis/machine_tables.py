"""What the machine did during a run, as tables: energy, memory of the server, loads achieved."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from halospec.analysis.energy import PEAK_NS, Energy, EnergyUse
from halospec.analysis.load_achieved import LoadDuring, LoadsAchieved, LoadTotal
from halospec.analysis.memory_use import MemoryUse, PeakMemory
from halospec.analysis.printable import printable
from halospec.analysis.table_style import MISSING, decimals, mode_name, new_table, percent
from halospec.records.schema import Phase

MEBIBYTE = 2**20

_LOAD_WIDTH = 30
_LOAD_WIDTH_BESIDE_MODES = 26
_LOAD_LIMIT = 160
_LOAD_LIMIT_IN_SENTENCES = 60
_UNIT_LIMIT = 20
_REASON_LIMIT = 200


def energy_tables(found: Energy) -> list[RenderableType]:
    """Return one row for each mode and phase, and what the numbers hold."""
    columns = (
        "n",
        "not\nknown",
        "J",
        "net\nJ",
        "net J\n/request",
        "net J\n/token",
        "tokens\n/net J",
        "mean\nW",
        "peak\nW",
    )
    hot = any(use.peak_temperature_c is not None for use in found.uses)
    table = new_table(
        "Energy", ["mode", "phase"], (*(columns if found.counted else ("n",)), *(("peak\n°C",) if hot else ()))
    )
    previous = None
    for use in found.uses:
        table.add_row(
            mode_name(use.mode) if use.mode != previous else Text(""),
            use.phase.value,
            *(_energy_cells(use) if found.counted else (str(use.requests),)),
            *((decimals(use.peak_temperature_c, 0),) if hot else ()),
        )
        previous = use.mode
    if not found.counted:
        table.title = Text("Temperature", style="bold")
    table.caption = Text(" ".join(_said_of_energy(found)), style="dim")
    return [table]


def memory_tables(found: MemoryUse, *, details: bool) -> list[RenderableType]:
    """Return one row for each mode; with ``details`` also one for each trial."""
    tables: list[RenderableType] = [_memory_table("Peak memory of the server, MiB", ["mode"], found.modes)]
    if details:
        tables += [Text(), _memory_table("Peak memory of the server by trial, MiB", ["mode", "block"], found.trials)]
    return tables


def load_tables(found: LoadsAchieved, *, details: bool) -> list[RenderableType]:
    """Return one row for each load; with ``details`` also one for each mode and phase in which it ran."""
    table = new_table(
        "Load on the machine, achieved against target", ["load"], ("trials", "on\ns", "full", "target", "achieved")
    )
    table.add_column("unit", no_wrap=True)
    for total in found.totals:
        table.add_row(
            _load_name(total.load, _LOAD_WIDTH),
            str(total.trials),
            f"{total.seconds:.1f}",
            decimals(total.offered, 1),
            decimals(total.target, 1),
            decimals(total.achieved, 1),
            printable(total.unit, limit=_UNIT_LIMIT),
        )
    said = ["Means over the time that the load was on; target: what its course in time asked for."]
    said += [sentence for total in found.totals for sentence in _early_ends(total)]
    table.caption = Text(" ".join(said), style="dim")
    return [table, Text(), _during_table(found.during)] if details and found.during else [table]


def _early_ends(total: LoadTotal) -> Iterator[str]:
    """Yield a sentence for the reason that most trials gave, and one for how many gave others."""
    reasons = Counter(total.ended_early).most_common()
    if not reasons:
        return
    (reason, trials), *others = reasons
    name = printable(total.load, limit=_LOAD_LIMIT_IN_SENTENCES)
    yield f"{name} in {trials} of {_trials(total.trials)}: {printable(reason, limit=_REASON_LIMIT).rstrip('.')}."
    if others:
        yield f"It ended early in {sum(count for _, count in others)} more, for which load.jsonl holds the reasons."


def _trials(count: int) -> str:
    return "1 trial" if count == 1 else f"{count} trials"


def _energy_cells(use: EnergyUse) -> tuple[str, ...]:
    return (
        str(use.requests),
        str(use.overlapping + use.not_covered),
        _measured(use.joules),
        _measured(use.net_joules),
        _measured(use.net_joules_per_request),
        decimals(use.net_joules_per_token, 3),
        decimals(use.tokens_per_net_joule, 3),
        decimals(use.mean_power_w, 1),
        decimals(use.peak_power_w, 1),
    )


def _said_of_energy(found: Energy) -> Iterator[str]:
    if found.counted:
        yield f"Sum of {', '.join(printable(name, limit=40) for name in found.counted)} over successful requests."
        if found.idle_w is None or found.idle_seconds is None:
            yield "The idle power is not known, so there is no net energy."
        else:
            yield f"Net: less {found.idle_w:.1f} W of idle power (watched for {found.idle_seconds:.1f} s)."
        if any(use.phase is Phase.LOAD for use in found.uses):
            yield "In phase load it holds what the load draws."
        yield f"Peak W: highest mean over {PEAK_NS / 1e9:g} s."
    overlapping = sum(use.overlapping for use in found.uses)
    if found.counted and overlapping:
        yield f"{_requests(overlapping)} shared time with another, so whose the energy was is not known."
    not_covered = sum(use.not_covered for use in found.uses)
    if found.counted and not_covered:
        yield f"{_requests(not_covered)} not covered by readings."
    if found.counted and found.within_one_reading:
        yield f"{_requests(found.within_one_reading)} shorter than the time between two readings: interpolated."
    hottest = dict.fromkeys(use.hottest for use in found.uses if use.hottest is not None)
    if hottest:
        yield f"Peak °C: the hottest of {', '.join(printable(name, limit=40) for name in hottest)}."


def _requests(count: int) -> str:
    return "1 request" if count == 1 else f"{count} requests"


def _memory_table(title: str, texts: Sequence[str], peaks: Sequence[PeakMemory]) -> Table:
    phases = [phase for phase in Phase if any(peak.phase is phase for peak in peaks)]
    kinds = [
        (label, field)
        for label, field in (("RSS", "rss_bytes"), ("VRAM", "vram_bytes"))
        if any(getattr(peak, field) is not None for peak in peaks)
    ]
    table = new_table(title, texts, [f"{label}\n{phase.value}" for label, _ in kinds for phase in phases])
    # So that its title stays on one line where there are few columns.
    table.min_width = len(title)
    by_row: dict[tuple[str, int | None], dict[Phase, PeakMemory]] = {}
    for peak in peaks:
        by_row.setdefault((peak.mode, peak.block), {})[peak.phase] = peak
    previous = None
    for (mode, block), by_phase in by_row.items():
        table.add_row(
            mode_name(mode) if mode != previous else Text(""),
            *([] if block is None else [str(block)]),
            *(_mebibytes(getattr(by_phase.get(phase), field, None)) for _, field in kinds for phase in phases),
        )
        previous = mode
    unread = sum(peak.unread for peak in peaks)
    caption = "Of readings during measured requests; RSS holds the files that the server has mapped."
    if unread:
        caption += f" During {_requests(unread)} it was not read."
    table.caption = Text(caption, style="dim")
    return table


def _during_table(found: Sequence[LoadDuring]) -> Table:
    table = new_table(
        "Load during requests, achieved against target", ["load", "mode", "phase"], ("n", "on\n%", "target", "achieved")
    )
    previous: tuple[str, str] | None = None
    for row in found:
        table.add_row(
            _load_name(row.load, _LOAD_WIDTH_BESIDE_MODES) if previous is None or row.load != previous[0] else Text(""),
            mode_name(row.mode) if (row.load, row.mode) != previous else Text(""),
            row.phase.value,
            str(row.requests),
            percent(row.on_share),
            decimals(row.target, 1),
            decimals(row.achieved, 1),
        )
        previous = row.load, row.mode
    table.caption = Text("On: share of the requests' time in which the load was on; means over that time.", style="dim")
    return table


def _load_name(name: str, width: int) -> Text:
    return Text("\n".join(textwrap.wrap(printable(name, limit=_LOAD_LIMIT), width)))


def _measured(joules: float | None) -> str:
    return MISSING if joules is None else f"{joules:.1f}" if abs(joules) < 1000 else f"{joules:.0f}"


def _mebibytes(size: int | None) -> str:
    return MISSING if size is None else f"{size / MEBIBYTE:.0f}"
