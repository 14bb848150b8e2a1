"""What the engine was meant to reach, beside what was measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from engine_peers.plan import Cell
from engine_peers.ratios import Measured, Median
from engine_peers.records import Measurement, SystemName

OURS: SystemName = "halospec"


@dataclass(frozen=True)
class Figure:
    """One number that a goal is judged by."""

    place: str
    value: Median
    met: bool
    is_share: bool = False


@dataclass(frozen=True)
class Goal:
    """A goal, and every figure that was measured for it: none where nothing was."""

    text: str
    figures: Sequence[Figure]

    @property
    def missed(self) -> Sequence[Figure]:
        """The figures that fall short."""
        return [figure for figure in self.figures if not figure.met]


def ms_per_token(measurement: Measurement) -> float:
    """TPOT."""
    return measurement.ms_per_token


def tokens_per_s(measurement: Measurement) -> float:
    """All clients' tokens over the wall time."""
    return measurement.tokens_per_s


def first_token_ms(measurement: Measurement) -> float:
    """TTFT."""
    return measurement.first_token_ms


def resident_mib(measurement: Measurement) -> float:
    """Memory that the process occupied after the cell."""
    return measurement.memory.resident_bytes / 2**20


def outside_decode(measurement: Measurement) -> float:
    """Share of the rounds' time outside ``llama_decode``, of a system where it is seen."""
    if measurement.outside_decode is None:
        raise ValueError(f"what {measurement.system} does outside llama_decode is not seen")
    return measurement.outside_decode


def slowness(measured: Measured, system: SystemName, k: int, clients: int) -> Median | None:
    """Return a system's time over the bare loop's: per token after the first, or of all where clients share it.

    One of several clients already reads while others' prompts are decoded, in the bare loop none does: there only the
    whole time compares.
    """
    ours, bare = Cell(system, k, clients), Cell("bare", k, clients)
    if clients == 1:
        return measured.ratio(ours, bare, ms_per_token)
    return measured.ratio(bare, ours, tokens_per_s)


def goals(measured: Measured) -> list[Goal]:
    """Judge every goal."""
    return [
        Goal(
            "within 5 % of the bare loop, the engine alone",
            _figures(measured, partial(_slowness_of, "engine"), lambda ratio: ratio <= 1.05),
        ),
        Goal(
            "within 5 % of the bare loop, served over HTTP",
            _figures(measured, partial(_slowness_of, OURS), lambda ratio: ratio <= 1.05),
        ),
        Goal(
            "at least 0.97 × llama-server's tokens/s at k = 0",
            _figures(measured, partial(_gain, "llama-server"), lambda ratio: ratio >= 0.97, most=0),
        ),
        Goal(
            "at least 1.1 × llama-server's tokens/s at k ≥ 2",
            _figures(measured, partial(_gain, "llama-server"), lambda ratio: ratio >= 1.1, least=2),
        ),
        Goal(
            "above llama-cpp-python's tokens/s",
            _figures(measured, partial(_gain, "llama-cpp-python"), lambda ratio: ratio > 1),
        ),
        Goal("less than 3 % of a round outside llama_decode at k = 4", list(_outside(measured))),
        Goal("memory within 1.1 of llama-server's", list(_memory(measured))),
        Goal("several clients at k = 0 together at least 1.5 × one client's tokens/s", list(_batching(measured))),
    ]


Ratio = Callable[[Measured, int, int], Median | None]
"""Of the engine to another system, at a draft length and with so many clients."""


def _slowness_of(system: SystemName, measured: Measured, k: int, clients: int) -> Median | None:
    return slowness(measured, system, k, clients)


def _gain(over: SystemName, measured: Measured, k: int, clients: int) -> Median | None:
    return measured.ratio(Cell(OURS, k, clients), Cell(over, k, clients), tokens_per_s)


def _figures(
    measured: Measured, ratio: Ratio, reached: Callable[[float], bool], *, least: int = 0, most: int | None = None
) -> list[Figure]:
    """Judge a ratio at every draft length between ``least`` and ``most`` that was measured."""
    figures = []
    for clients, k in sorted({(m.clients, m.draft_length) for m in measured.measurements}):
        found = ratio(measured, k, clients) if k >= least and (most is None or k <= most) else None
        if found is not None:
            figures.append(Figure(f"k = {k}, {_clients(clients)}", found, reached(found.value)))
    return figures


def _outside(measured: Measured) -> Iterator[Figure]:
    for clients in sorted({m.clients for m in measured.measurements}):
        share = measured.median(Cell("engine", 4, clients), outside_decode)
        if share is not None:
            yield Figure(f"{clients} at once", share, share.value < 0.03, is_share=True)


def _memory(measured: Measured) -> Iterator[Figure]:
    speculating = [m for m in measured.measurements if m.system == "llama-server" and m.draft_length > 0]
    if not speculating:
        return
    k = max(m.draft_length for m in speculating)
    for clients in sorted({m.clients for m in speculating}):
        found = measured.ratio(Cell(OURS, k, clients), Cell("llama-server", k, clients), resident_mib)
        if found is not None:
            yield Figure(f"resident, k = {k}, {_clients(clients)}", found, found.value <= 1.1)


def _batching(measured: Measured) -> Iterator[Figure]:
    for clients in sorted({m.clients for m in measured.measurements if m.system == OURS and m.clients > 1}):
        found = measured.ratio(Cell(OURS, 0, clients), Cell(OURS, 0, 1), tokens_per_s)
        if found is not None:
            yield Figure(_clients(clients), found, found.value >= 1.5)


def _clients(n: int) -> str:
    return "1 client" if n == 1 else f"{n} clients"
