"""A search as a table, sentences and the lines to copy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from halospec.analysis.printable import printable
from halospec.analysis.tables import MISSING
from halospec.tuning.advice import Advice
from halospec.tuning.evidence import Basis
from halospec.tuning.result import LengthResult, TuneResult
from halospec.tuning.wording import sentences, shown_difference, shown_objectives

_DIFFERENCES = {Basis.TPOT: "TPOT against k = 0, %", Basis.LATENCY: "latency against k = 0, %"}


def tuning_tables(result: TuneResult, *, title: str = "") -> list[RenderableType]:
    """Return what to print of a search, in order. Texts from servers are never taken for markup."""
    parts: list[RenderableType] = [Text(printable(title), style="bold")] if title else []
    first, *others = sentences(result)
    return [*parts, _table(result), Text(), Text(first, style="bold"), *map(Text, others)]


def advice_lines(advice: Sequence[Advice]) -> Iterator[str]:
    """Yield what to copy, and where it belongs, line by line: none may be wrapped or cut, however wide the terminal."""
    for one in advice:
        yield f"{printable(one.title)}:"
        yield from (f"  {printable(line)}" for line in one.lines)
        if one.note:
            yield f"  ({printable(one.note)})"


def _table(result: TuneResult) -> Table:
    table = Table(title=_title(result), title_justify="left", box=SIMPLE_HEAD, caption_justify="left", pad_edge=False)
    for name in ("k", "requests", "fail", "TPOT\nms", "TTFT\nms", "latency\nms", "accept\n%"):
        table.add_column(name, justify="right")
    table.add_column(_DIFFERENCES[result.basis], justify="left")
    if result.slo is not None:
        table.add_column("meets\nSLO, %", justify="right")
    table.add_column("dropped\nin round", justify="right")
    for length in result.lengths:
        table.add_row(*_row(length, with_slo=result.slo is not None))
    table.caption = (
        "Times: of the last round that a k took part in, so only those of the same round can be compared."
        " Differences: on the same prompts; with intervals (95 %, simultaneous) those of the last round,"
        f" over {result.units} {'prompts' if _one_block_a_round(result) else 'passes'}."
    )
    return table


def _title(result: TuneResult) -> str:
    prompts = ", ".join(f"{done.prompts}" for done in result.rounds)
    objectives = "" if result.slo is None else f"; objectives: {shown_objectives(result.slo)} ms"
    rounds = "1 round" if len(result.rounds) == 1 else f"{len(result.rounds)} rounds"
    return f"{result.requests} requests in {rounds} of {prompts} prompts{objectives}"


def _row(length: LengthResult, *, with_slo: bool) -> Iterator[str]:
    yield str(length.draft_length)
    yield str(length.requests)
    yield str(length.failures)
    yield _decimals(length.tpot_ms, 2)
    yield _decimals(length.ttft_ms, 1)
    yield _decimals(length.latency_ms, 1)
    yield _decimals(None if length.acceptance is None else 100 * length.acceptance, 1)
    yield MISSING if length.against_plain is None else shown_difference(length.against_plain)
    if with_slo:
        yield _decimals(None if length.attainment is None else 100 * length.attainment.value, 0)
    yield "" if length.dropped_in is None else str(length.dropped_in)


def _one_block_a_round(result: TuneResult) -> bool:
    return all(done.first_block == done.last_block for done in result.rounds)


def _decimals(value: float | None, digits: int) -> str:
    return MISSING if value is None else f"{value:.{digits}f}"
