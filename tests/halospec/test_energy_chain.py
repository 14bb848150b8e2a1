"""From the processor's energy counters to a summary's table, with everything between: opened, watched at rest, recorded
beside a run, told of in its manifest, made into a Parquet file, summed by mode.

Only two things stand in: a tree of files for /sys/class/powercap, whose registers hold what a processor would have used
at each moment, and a clock that the test turns on. All else is what a run uses.
"""

from __future__ import annotations

import functools
import threading
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from rich.console import Console

from halospec.execution import conclude, show_summary
from halospec.experiment import watching
from halospec.experiment.watching import RunTelemetry, WatchedKeeping
from halospec.records.manifest import write_manifest
from halospec.records.schema import Phase, RequestRecord
from halospec.records.store import RunFiles
from halospec.telemetry.energy import open_energy
from halospec.telemetry.idle import idle_power
from halospec.telemetry.opening import open_sources
from halospec.telemetry.protocol import Surroundings
from halospec.telemetry.sources import Source
from made_runs import made_manifest
from powercap_stand_in import StandInPowercap
from stand_in_runs import Ledger
from sysfs_stand_in import real_cpuinfo

pytestmark = pytest.mark.anyio

S = 10**9
HZ = 1000.0
PATIENCE_S = 30.0
WATCHED_S = 1.0
PACKAGE_SPAN_UJ = 1_000_000_000
PACKAGE_BEGINS_UJ = 975_000_000
"""Some 10 J are used at rest, and the register wraps in the first request."""


@pytest.fixture
def anyio_backend():
    return "asyncio"


class TurnedClock:
    """A run's clock that stands still until it is turned on, and shows in each register what was used by then.

    Attributes
    ----------
    each_call_ns
        How far it goes on by itself whenever it is asked.
    """

    def __init__(self, sysfs: Path) -> None:
        powercap = StandInPowercap(sysfs)
        self._package = powercap.zone("intel-rapl:0", "package-0", 0, span_uj=PACKAGE_SPAN_UJ)
        self._cores = powercap.zone("intel-rapl:0:0", "core", 0)
        self._memory = powercap.zone("intel-rapl:0:1", "dram", 0)
        self._platform = powercap.zone("intel-rapl:1", "psys", 0)
        self._lock = threading.Condition()
        self._now_ns = 0
        self._package_uj = PACKAGE_BEGINS_UJ
        self._memory_uj = 0
        self._asked = 0
        self.package_w, self.memory_w = 8, 2
        self.each_call_ns = 0

    def __call__(self) -> int:
        with self._lock:
            self._go_on(self.each_call_ns)
            self._package.write_text(f"{self._package_uj % PACKAGE_SPAN_UJ}\n")
            self._memory.write_text(f"{self._memory_uj}\n")
            # They are parts of the package, and the package of them: neither is to be counted again.
            self._cores.write_text(f"{self._package_uj // 2}\n")
            self._platform.write_text(f"{self._package_uj * 3}\n")
            self._asked += 1
            self._lock.notify_all()
            return self._now_ns

    def _go_on(self, by_ns: int) -> None:
        self._now_ns += by_ns
        self._package_uj += self.package_w * by_ns // 1000
        self._memory_uj += self.memory_w * by_ns // 1000

    def turn(self, seconds: float) -> int:
        """Go on, wait until a recorder has read at that moment, and return it.

        A recorder asks for the time as each reading begins and again after it; it has read several times once it has
        asked twelve times.
        """
        with self._lock:
            self._go_on(round(seconds * S))
            self._asked = 0
            assert self._lock.wait_for(lambda: self._asked >= 12, PATIENCE_S)
            return self._now_ns

    def now(self) -> int:
        """Return the moment without anything being written."""
        with self._lock:
            return self._now_ns


@pytest.fixture
def clock(tmp_path):
    return TurnedClock(tmp_path / "sys")


async def test_joules_of_requests_are_what_the_counters_grew_by_less_what_the_machine_draws_at_rest(
    tmp_path, clock, make_record, monkeypatch
):
    opener = functools.partial(open_energy, system="linux", sysfs=tmp_path / "sys", cpuinfo=real_cpuinfo(tmp_path))
    monkeypatch.setattr(watching, "idle_power", functools.partial(idle_power, seconds=WATCHED_S))
    files = RunFiles(tmp_path / "run")
    records: list[RequestRecord] = []

    with open_sources((Source.ENERGY,), Surroundings(), openers={Source.ENERGY: opener}) as sources:
        telemetry = RunTelemetry(HZ, clock, sources)
        clock.each_call_ns = S // 10
        told: list[str] = []
        account = await telemetry.account(told.append)
        clock.each_call_ns = 0
        assert told == ["Watching for 4 s what the machine draws at rest."]
        assert account.energy_counters == ("energy.package-0_j", "energy.dram-0_j")
        assert account.missing == ()
        assert account.idle.watts == pytest.approx(10.0)

        with WatchedKeeping(files, Ledger(), telemetry) as keeping:
            clock.turn(0.0)

            def request(mode: str, package_w: int, memory_w: int, *turns: float, **fields: object) -> None:
                began_ns = clock.turn(0.5)
                clock.package_w, clock.memory_w = package_w, memory_w
                for seconds in turns:
                    clock.turn(seconds)
                clock.package_w, clock.memory_w = 8, 2
                keeping.request_ended(
                    made := make_record(
                        mode=mode,
                        step=len(records) + 1,
                        global_step=len(records) + 1,
                        started_ns=began_ns,
                        first_token_ns=began_ns + 1,
                        ended_ns=clock.now(),
                        **fields,
                    )
                )
                records.append(made)
                clock.turn(0.5)

            # 30 W for 2 s: 60 J, of them 40 above rest; the register wraps on the way.
            request("fixed_0", 28, 2, 0.5, 0.5, 0.5, 0.5, completion_tokens=30)
            # 50 W for 1 s and 70 W for 1 s: 120 J, of them 100 above rest.
            request("fixed_2", 38, 12, 0.5, 0.5, completion_tokens=30)
            request("fixed_2", 60, 10, 0.5, 0.5, completion_tokens=50)
            # Nobody knows what a machine used while nothing was read for 2 s, nor is a failure's or a warm-up's energy
            # that of tokens.
            request("fixed_2", 90, 10, 2.0, completion_tokens=30)
            request("fixed_2", 90, 10, 0.5, success=False, error="refused", completion_tokens=None)
            request("fixed_2", 90, 10, 0.5, phase=Phase.WARMUP, completion_tokens=30)

    write_manifest(made_manifest(records, telemetry=account), files.manifest)
    conclusion = conclude(files.directory)

    table = pq.read_table(files.telemetry)
    # Half a second of rest before and after each of six, and what they took.
    used_j = 6 * 10.0 + 60 + 50 + 70 + 200 + 50 + 50
    summed = [table[name].to_pylist() for name in ("energy.package-0_j", "energy.dram-0_j")]
    assert sum(column[-1] - column[0] for column in summed) == pytest.approx(used_j)
    assert {"energy.core-0_j", "energy.psys_j"} < set(table.column_names)

    energy = conclusion.summary.energy
    assert energy.counted == account.energy_counters
    assert energy.idle_w == pytest.approx(10.0)
    plain, drafting = energy.uses
    assert (plain.mode, plain.requests, plain.not_covered, plain.overlapping) == ("fixed_0", 1, 0, 0)
    assert (plain.seconds, plain.joules, plain.net_joules) == pytest.approx((2.0, 60.0, 40.0))
    assert (plain.tokens_per_joule, plain.tokens_per_net_joule) == pytest.approx((30 / 60, 30 / 40))
    assert (plain.mean_power_w, plain.peak_power_w) == pytest.approx((30.0, 30.0))
    assert (drafting.mode, drafting.requests, drafting.not_covered) == ("fixed_2", 3, 1)
    assert (drafting.seconds, drafting.joules, drafting.net_joules) == pytest.approx((2.0, 120.0, 100.0))
    assert (drafting.tokens_per_joule, drafting.tokens_per_net_joule) == pytest.approx((80 / 120, 80 / 100))
    assert (drafting.mean_power_w, drafting.peak_power_w) == pytest.approx((60.0, 70.0))

    console = Console(width=140)
    with console.capture() as shown:
        show_summary(conclusion, console)
    rows = [line.split() for line in shown.get().splitlines()]
    assert ["fixed_0", "steady", "1", "0", "60.0", "40.0", "40.0", "1.333", "0.750", "30.0", "30.0"] in rows
    assert ["fixed_2", "steady", "3", "1", "120.0", "100.0", "50.0", "1.250", "0.800", "60.0", "70.0"] in rows
    assert any(path.stem == "energy_by_mode" for path in conclusion.charts.paths)
