"""Is a CPU load what it says? Its share of the cores, second by second, on a machine that has nothing else to do.

    .venv/bin/python benchmarks/cpu_share.py [--targets 25,50,75,90] [--seconds 30] [--out plots/contention]

Each target runs for as long, with some seconds of rest in front. What the burners got is read from their own processes;
what the whole machine was busy with meanwhile, less what it was busy with at rest, is read apart from that and stands
beside it. Seconds of a burst profile show how sharply a load comes and goes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import anyio
import numpy as np
import psutil
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from halospec.clock import Clock, start_clock
from halospec.contention.activity import Activity
from halospec.contention.spelling import load_spelled
from halospec.contention.together import injector_for

BAND = 5.0
"""Points that a share may lie from its target."""

_REST_S = 3.0


@dataclass(frozen=True)
class Held:
    """How one load did.

    Attributes
    ----------
    seconds
        What the burners got in each second, in percent of their cores.
    machine_percent
        By how much the whole machine was busier than at rest.
    """

    load: str
    target: float
    mean: float
    seconds: tuple[float, ...]
    machine_percent: float

    @property
    def is_held(self) -> bool:
        """Whether every second lies within the band."""
        return all(abs(second - self.target) <= BAND for second in self.seconds)


def main() -> None:
    """Measure every target, print the table and draw the chart."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--targets", default="25,50,75,90", help="percent of every core")
    options.add_argument("--seconds", type=int, default=30)
    options.add_argument("--out", type=Path, default=Path("plots/contention"))
    given = options.parse_args()
    loads = [f"cpu:{target}%" for target in given.targets.split(",")]
    held = anyio.run(_hold_all, loads, given.seconds)
    print(table(held))
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "cpu_share.json").write_text(json.dumps([asdict(one) for one in held], indent=1) + "\n")
    draw(held, given.out / "cpu_share.png")


async def _hold_all(loads: Sequence[str], seconds: int) -> list[Held]:
    clock = start_clock()
    return [await _hold(load, seconds, clock) for load in loads]


async def _hold(spelling: str, seconds: int, clock: Clock) -> Held:
    load = load_spelled(spelling)
    at_rest = await _machine_percent(_REST_S)
    async with injector_for((load,), clock) as injector:
        await injector.start()
        busy = await _machine_percent(seconds)
        await injector.stop()
        (injected,) = injector.injected
    target = load.what.amount or 0.0
    got = by_second(injected.activity)
    first, last = injected.activity.samples[0], injected.activity.samples[-1]
    mean = injected.activity.amount(first.started_ns, last.ended_ns) or 0.0
    return Held(spelling, target, round(mean, 2), tuple(round(one, 1) for one in got), round(busy - at_rest, 1))


async def _machine_percent(seconds: float) -> float:
    psutil.cpu_percent(None)
    await anyio.sleep(seconds)
    return psutil.cpu_percent(None)


def by_second(activity: Activity) -> list[float]:
    """Return what a load did in each whole second from its first sample on."""
    first, last = activity.samples[0].started_ns, activity.samples[-1].ended_ns
    starts = range(first, last - 1_000_000_000 + 1, 1_000_000_000)
    return [activity.amount(start, start + 1_000_000_000) or 0.0 for start in starts]


def table(held: Sequence[Held]) -> str:
    """Lay out what was held, in Markdown."""
    lines = [
        "| load | mean | lowest second | highest second | machine, less rest | within ± 5 |",
        "|---|" + "---:|" * 5,
    ]
    for one in held:
        cells = [f"{value:.1f} %" for value in (one.mean, min(one.seconds), max(one.seconds), one.machine_percent)]
        lines.append(f"| `{one.load}` | {' | '.join(cells)} | {'yes' if one.is_held else 'no'} |")
    return "\n".join(lines)


def draw(held: Sequence[Held], path: Path) -> None:
    """Draw each load's seconds with its target and the band around it."""
    figure = Figure(figsize=(6.5, 3.1), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for one in held:
        seconds = np.arange(1, len(one.seconds) + 1)
        axes.axhspan(one.target - BAND, one.target + BAND, color="#EDEDED", linewidth=0, zorder=0)
        axes.axhline(one.target, color="#666666", linewidth=0.6, zorder=1)
        axes.plot(seconds, one.seconds, marker="o", markersize=2.6, linewidth=0.8, label=one.load, zorder=2)
    axes.set_xlabel("second of the load")
    axes.set_ylabel("CPU of the burners (% of their cores)")
    axes.set_ylim(0, 100)
    axes.legend(loc="lower right", ncols=len(held), frameon=False, fontsize=7)
    axes.set_title("Share of the CPU held by a load (band: target ± 5 points)", loc="left", fontsize=8)
    figure.savefig(path, dpi=200, metadata={"Software": None})


if __name__ == "__main__":
    main()
