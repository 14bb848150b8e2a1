"""Objectives and percentiles as tables."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from halospec.analysis.attainment_differences import PairedDifference
from halospec.analysis.modes import NO_SPECULATION
from halospec.analysis.naming import named
from halospec.analysis.percentiles import PERCENTILES, TimePercentiles
from halospec.analysis.request_times import RequestTime
from halospec.analysis.slo import AUTO_FACTOR, PhaseAttainment, Slo, SloSummary
from halospec.analysis.table_style import MISSING, decimals, mode_name, ms, new_table
from halospec.inference.sign_flips import FEWEST_PAIRS
from halospec.inference.types import Quantile, Share

_LEAST_P = 0.001
_LEVEL = 0.05


def slo_tables(summary: SloSummary) -> list[RenderableType]:
    """Return how the objectives were kept, all together and, where there are several, one by one."""
    if not summary.phases:
        return []
    parts: list[RenderableType] = [_attainment_table(summary), _attainment_caption(summary)]
    if len(summary.slo.limits) > 1:
        parts += [
            Text(),
            _objectives_table(summary),
            Text("Share of those that failed or whose time is known.", style="dim"),
        ]
    return parts


def percentile_tables(found: Sequence[TimePercentiles]) -> list[RenderableType]:
    """Return a table for each time of which a percentile can be given, or a sentence that none can."""
    if not found:
        return []
    by_time = [(time, [row for row in found if row.time is time]) for time in RequestTime]
    supported = [(time, rows) for time, rows in by_time if any(_is_known(row) for row in rows)]
    if not supported:
        needed = ", ".join(f"p{one.percentile:g} takes {one.needed}" for one in found[0].percentiles)
        return [Text(f"Too few requests for percentiles: {needed} of one mode in one phase.")]
    parts: list[RenderableType] = []
    for time, rows in supported:
        parts += [_percentile_table(time, rows), Text()]
    return [
        *parts[:-1],
        Text(
            "Successful requests; nearest rank, with the 95 % interval between order statistics, which takes requests"
            " for independent. n < N: it takes N requests. One request's TPOT is (end - first token) / (tokens - 1);"
            " modes are compared on the ratio of sums, not on this.",
            style="dim",
        ),
    ]


def _attainment_table(summary: SloSummary) -> Table:
    columns = (
        "n",
        "fail",
        "un-\nknown",
        "attained\n%",
        "goodput\nper s",
        "over\ns",
        "over\n%",
        *(("differ-\nence", "p\n(Holm)") if _is_compared(summary) else ()),
    )
    table = new_table(f"Objectives kept: {_stated(summary.slo)}", ["mode", "phase"], columns)
    for row, name in _rows(summary.phases):
        table.add_row(
            name,
            row.phase.value,
            str(row.requests),
            str(row.failures),
            str(row.unknown),
            _share(row.attainment),
            decimals(row.goodput_per_s, 3),
            decimals(row.over_s, 1),
            MISSING if row.over_share is None else f"{100 * row.over_share:.0f}",
            *(_compared(row.against_reference) if _is_compared(summary) else ()),
        )
    return table


def _is_compared(summary: SloSummary) -> bool:
    return any(row.against_reference is not None for row in summary.phases)


def _compared(paired: PairedDifference | None) -> tuple[str, str]:
    return (MISSING, MISSING) if paired is None else (f"{100 * paired.mean:+.0f}", _p(paired.p_adjusted))


def _attainment_caption(summary: SloSummary) -> Text:
    reference = named(summary.reference)
    difference = (
        f" difference: attainment minus {reference}'s in percentage points, mean over blocks; p: sign-flip test over"
        f" blocks, after Holm for all rows; {_blocks_for_p(summary)}."
    )
    return Text(
        f"{_origin(summary.slo)}attained: requests that met every objective, of those judged, with Wilson's 95 %"
        " interval; it takes requests for independent, and those of a block are alike, so it is rather too narrow."
        " A failed request meets no objective; one of which a time is unknown is not judged. goodput: requests that met"
        " every objective, per second of this row's request time (one request at a time, no pauses). over: request time"
        f" spent in requests that missed.{difference if _is_compared(summary) else ''}",
        style="dim",
    )


def _blocks_for_p(summary: SloSummary) -> str:
    """Say with how few blocks no difference can be found, however large it is."""
    compared = sum(row.against_reference is not None for row in summary.phases)
    # The smallest p of n pairs is 2 / 2^n, and Holm multiplies the smallest of all by their number.
    needed = max(FEWEST_PAIRS, math.ceil(math.log2(2 * max(1, compared) / _LEVEL)))
    return f"fewer than {needed} blocks bring no p below {_LEVEL:g} here, whatever the difference"


def _objectives_table(summary: SloSummary) -> Table:
    columns = [f"{time.label}\n<= {limit_ms:g} ms, %" for time, limit_ms in _rounded(summary.slo)]
    table = new_table("Each objective by itself", ["mode", "phase"], columns)
    for row, name in _rows(summary.phases):
        table.add_row(name, row.phase.value, *(_share(one.attainment) for one in row.by_objective))
    return table


def _percentile_table(time: RequestTime, rows: Sequence[TimePercentiles]) -> Table:
    columns = ("n", *(f"p{percentile:g}\nms" for percentile in PERCENTILES))
    table = new_table(f"Percentiles of {time.label}", ["mode", "phase"], columns)
    previous = None
    for row in rows:
        name = mode_name(row.mode) if row.mode != previous else Text("")
        table.add_row(name, row.phase.value, str(row.requests), *(_quantile(one) for one in row.percentiles))
        previous = row.mode
    return table


def _rows(phases: Sequence[PhaseAttainment]) -> list[tuple[PhaseAttainment, Text]]:
    """Return the rows with the mode's name on its first one only."""
    names = [
        mode_name(row.mode) if place == 0 or phases[place - 1].mode != row.mode else Text("")
        for place, row in enumerate(phases)
    ]
    return list(zip(phases, names, strict=True))


def _stated(slo: Slo) -> str:
    return ", ".join(f"{time.label} <= {limit_ms:g} ms" for time, limit_ms in _rounded(slo))


def _rounded(slo: Slo) -> list[tuple[RequestTime, float]]:
    return [(time, round(limit_ms, 2 if limit_ms < 100 else 1)) for time, limit_ms in slo.limits]


def _origin(slo: Slo) -> str:
    if not slo.warmups:
        return ""
    return f"auto: {AUTO_FACTOR:g} times the median of {slo.warmups} warm-ups of {NO_SPECULATION}, for every mode. "


def _is_known(row: TimePercentiles) -> bool:
    return any(one.value is not None for one in row.percentiles)


def _share(share: Share | None) -> str:
    if share is None:
        return MISSING
    return f"{100 * share.value:.0f} [{100 * share.low:.0f}, {100 * share.high:.0f}]"


def _p(value: float | None) -> str:
    if value is None:
        return MISSING
    return f"<{_LEAST_P:g}" if value < _LEAST_P else f"{value:.3f}"


def _quantile(found: Quantile) -> str:
    if found.value is None:
        return f"n < {found.needed}"
    return f"{ms(found.value)} [{ms(found.low)}, {ms(found.high)}]"
