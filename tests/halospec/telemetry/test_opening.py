"""Opening sources, and what the manifest says of them. The samplers are stand-ins."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from halospec.records.telemetry import IdlePower, SampledColumn, TelemetryAccount, UnreadSource
from halospec.telemetry.opening import continued, open_sources
from halospec.telemetry.protocol import Column, Missing, Reading, Surroundings
from halospec.telemetry.sources import Source

HERE = Surroundings("http://127.0.0.1:1/v1", 7)


@dataclass
class StandInSampler:
    """A sampler that is only opened and closed."""

    source: str
    columns: tuple[Column, ...]
    closed: list[str] = field(default_factory=list)

    def read(self) -> Reading:
        return {}

    def close(self) -> None:
        self.closed.append(self.source)


def test_what_can_be_read_is_opened_and_what_cannot_is_told():
    package = StandInSampler("energy", (Column("package-0_j", "joules of the package", is_energy=True),))
    card = StandInSampler("gpu0", (Column("power_w", "watts", is_power=True), Column("temperature_c", "degrees")))
    asked: list[Surroundings] = []
    openers = {
        Source.ENERGY: lambda around: asked.append(around) or (package, Missing("energy.dram", "no counter")),
        Source.GPU: lambda _around: (card,),
        Source.HOST: lambda _around: pytest.fail("it was not wanted"),
    }
    with open_sources((Source.GPU, Source.ENERGY), HERE, openers=openers) as found:
        account = found.account(5.0, IdlePower(watts=3.0, seconds=4.0))
        assert asked == [HERE]
        assert not package.closed
    assert (package.closed, card.closed) == (["energy"], ["gpu0"])
    assert account == TelemetryAccount(
        hz=5.0,
        columns=(
            SampledColumn(name="gpu0.power_w", meaning="watts"),
            SampledColumn(name="gpu0.temperature_c", meaning="degrees"),
            SampledColumn(name="energy.package-0_j", meaning="joules of the package"),
        ),
        missing=(UnreadSource(source="energy.dram", reason="no counter"),),
        energy_counters=("energy.package-0_j",),
        power_gauges=("gpu0.power_w",),
        idle=IdlePower(watts=3.0, seconds=4.0),
    )


def test_a_source_that_cannot_even_be_looked_for_ends_nothing():
    def fail(_around: Surroundings):
        raise RuntimeError("the driver is broken")

    found = open_sources((Source.GPU, Source.HOST), HERE, openers={Source.GPU: fail, Source.HOST: lambda _: ()})
    (missing,) = found.missing
    assert (missing.source, missing.reason) == ("gpu", "looking for it failed: the driver is broken")


def account(*columns: str, missing: tuple[str, ...] = (), idle: float | None = None) -> TelemetryAccount:
    return TelemetryAccount(
        hz=10.0,
        columns=tuple(SampledColumn(name=name, meaning="") for name in columns),
        missing=tuple(UnreadSource(source=source, reason="not here") for source in missing),
        energy_counters=tuple(name for name in columns if name.endswith("_j")),
        idle=None if idle is None else IdlePower(watts=idle, seconds=4.0),
    )


def test_a_run_that_goes_on_has_the_columns_of_both_parts():
    both = continued(account("host.a", "energy.b_j", idle=5.0), account("host.a", "server.c", idle=9.0))
    assert [column.name for column in both.columns] == ["host.a", "energy.b_j", "server.c"]
    assert both.energy_counters == ("energy.b_j",)
    assert both.idle.watts == 5.0


@pytest.mark.parametrize(
    ("before", "now", "watts"),
    [
        (account("energy.a_j", idle=5.0), account("energy.a_j", idle=5.0), 5.0),
        (account("host.b"), account("energy.a_j", idle=7.0), 7.0),
        (account("energy.a_j"), account("energy.a_j", idle=7.0), 7.0),
        # A counter that may be read only now: what was watched before the run is without it.
        (account("energy.a_j", idle=5.0), account("energy.a_j", "gpu0.b_j", idle=5.0), None),
        # One that can be read no more is still a part of the sum.
        (account("energy.a_j"), account("gpu0.b_j", idle=7.0), None),
    ],
)
def test_idle_power_is_known_where_all_that_is_summed_was_watched(before, now, watts):
    idle = continued(before, now).idle
    assert (None if idle is None else idle.watts) == watts


def test_what_was_missing_is_told_until_it_can_be_read():
    before = account(missing=("server", "energy", "gpu", "host.temperature", "host.pressure"))
    now = account("server.rss_bytes", "gpu0.power_w", "host.temperature_c", missing=("energy",))
    assert [line.source for line in continued(before, now).missing] == ["energy", "host.pressure"]


def test_a_part_without_telemetry_changes_nothing():
    there = account("host.a")
    assert continued(there, None) == continued(None, there) == there
    assert continued(None, None) is None
