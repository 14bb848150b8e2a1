"""A run's telemetry: opened before its first request, recorded until its last, and told of in its manifest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from halospec.analysis.accumulated import MOST_GAP_NS
from halospec.clock import Clock
from halospec.config import RunSettings
from halospec.contention.protocol import Injector
from halospec.experiment.keeping import Keeping
from halospec.experiment.plan import Plan
from halospec.experiment.runner import Observer
from halospec.records.manifest import read_manifest, write_manifest
from halospec.records.schema import RequestRecord
from halospec.records.store import RunFiles
from halospec.records.telemetry import IdlePower, TelemetryAccount
from halospec.target import Target
from halospec.telemetry.idle import WATCHED_S, counts_energy, idle_power
from halospec.telemetry.journal import TickJournal
from halospec.telemetry.load_sampler import LoadSampler
from halospec.telemetry.opening import OpenSources, open_sources, unread
from halospec.telemetry.protocol import Missing, Surroundings
from halospec.telemetry.recorder import Recorder


@dataclass(frozen=True)
class RunTelemetry:
    """What is read off the machine during a run.

    Attributes
    ----------
    sources
        ``None``: telemetry is off.
    loads
        Among the sources' samplers; ``None`` where the plan has no load.
    """

    hz: float
    clock: Clock
    sources: OpenSources | None = None
    loads: LoadSampler | None = None

    async def account(self, told: Callable[[str], None], *, idle: IdlePower | None = None) -> TelemetryAccount | None:
        """Return what the manifest says of it; ``None`` if telemetry is off.

        Parameters
        ----------
        idle
            What the machine draws at rest, where that is known; it is watched for some seconds otherwise, if anything
            here counts energy.
        """
        if self.sources is None:
            return None
        if all(sampler is self.loads for sampler in self.sources.samplers):
            told(_nothing_to_read(self.sources.missing))
        counts = counts_energy(self.sources.samplers)
        if counts and 1e9 / self.hz >= MOST_GAP_NS:
            told(
                f"At {self.hz:g} readings a second the energy of requests cannot be known; --telemetry-hz 2 is enough."
            )
        if idle is None and counts:
            told(f"Watching for {WATCHED_S:g} s what the machine draws at rest.")
            idle = await idle_power(self.sources.samplers, self.clock)
        return self.sources.account(self.hz, idle)

    def watched(self, injector: Injector) -> Injector:
        """Read this trial's load from now on; return it."""
        return injector if self.loads is None else self.loads.watch(injector)

    def recorder(self, files: RunFiles) -> Recorder | None:
        """Return what records a run; ``None`` if nothing can be read.

        Raises
        ------
        StoreError
            If the journal cannot be opened.
        """
        if self.sources is None or not self.sources.samplers:
            return None
        return Recorder(self.sources.samplers, TickJournal(files.telemetry_journal), self.clock, hz=self.hz)


@contextmanager
def telemetry_of(settings: RunSettings, plan: Plan, target: Target) -> Iterator[RunTelemetry]:
    """Open what a run is to read, and close it in the end."""
    if not settings.telemetry:
        yield RunTelemetry(settings.telemetry_hz, target.clock)
        return
    around = Surroundings(target.server.base_url, settings.server_pid)
    loads = LoadSampler(plan.loads) if plan.loads else None
    with open_sources(settings.telemetry, around) as found:
        sources = OpenSources((*found.samplers, loads), found.missing) if loads else found
        yield RunTelemetry(settings.telemetry_hz, target.clock, sources, loads)


class WatchedKeeping(Keeping):
    """Keeps what a runner reports, and records telemetry meanwhile.

    Raises
    ------
    StoreError
        If a journal cannot be opened or written, that of telemetry included: then when the next request has ended.
    """

    def __init__(self, files: RunFiles, observer: Observer, telemetry: RunTelemetry) -> None:
        super().__init__(files, observer)
        self._files = files
        try:
            self._recorder = telemetry.recorder(files)
        except BaseException:
            self._journals.close()
            raise

    def request_ended(self, record: RequestRecord) -> None:
        """Keep the record, and make sure that telemetry could be kept so far."""
        super().request_ended(record)
        if self._recorder is not None:
            self._recorder.require_kept()

    def __enter__(self) -> Self:
        if self._recorder is not None:
            self._recorder.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._recorder is not None:
                self._recorder.__exit__(kind, error, trace)
                _tell_of(self._recorder.dropped, self._files)
        finally:
            super().__exit__(kind, error, trace)


def _nothing_to_read(missing: Sequence[Missing]) -> str:
    reasons = "; ".join(f"{one.source}: {one.reason}{f' ({one.remedy})' if one.remedy else ''}" for one in missing)
    return f"Nothing that --telemetry names can be read here ({reasons})."


def _tell_of(dropped: tuple[Missing, ...], files: RunFiles) -> None:
    """Add what could no longer be read to the manifest as it stands by now."""
    manifest = read_manifest(files.manifest) if dropped else None
    if manifest is None or manifest.telemetry is None:
        return
    missing = (*manifest.telemetry.missing, *unread(dropped))
    telemetry = manifest.telemetry.model_copy(update={"missing": missing})
    write_manifest(manifest.model_copy(update={"telemetry": telemetry}), files.manifest)
