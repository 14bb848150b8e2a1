"""What the load of one trial was: a line of ``load.jsonl``."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from halospec.contention.protocol import Injector


class LoadReport(BaseModel):
    """The load of one trial, as offered and as measured.

    Attributes
    ----------
    workers
        Cores that were meant to be loaded; 0 without load.
    offered_percent
        CPU share that each worker asked for.
    achieved_percent
        What the workers got, in percent of their cores, weighted by time; ``None`` if no load ran.
    started_ns, ended_ns
        From the first sample to the last; ``None`` if no load ran.
    samples
        ``[started_ns, ended_ns, cpu_percent]``, the last rounded to 0.1.
    trial_attempt
        As in the trial's records.
    steps
        Measured steps of a trial that came to its end; ``None`` for one that was cut short.
    """

    model_config = ConfigDict(frozen=True)

    block: int = Field(ge=1)
    mode: str
    workers: int = Field(ge=0)
    offered_percent: float = Field(ge=0.0)
    achieved_percent: float | None = Field(default=None, ge=0.0)
    started_ns: int | None = None
    ended_ns: int | None = None
    samples: tuple[tuple[int, int, float], ...] = ()
    trial_id: str | None = None
    trial_attempt: int = Field(default=1, ge=1)
    steps: int | None = None


def report(
    injector: Injector,
    *,
    block: int,
    mode: str,
    trial_id: str | None = None,
    trial_attempt: int = 1,
    steps: int | None = None,
) -> LoadReport:
    """Return what an injector offered and achieved in the trial of ``mode`` in ``block``."""
    activity = injector.activity
    samples = activity.samples
    started_ns = samples[0].started_ns if samples else None
    ended_ns = samples[-1].ended_ns if samples else None
    achieved = None if started_ns is None or ended_ns is None else activity.percent(started_ns, ended_ns)
    return LoadReport(
        block=block,
        mode=mode,
        workers=injector.workers,
        offered_percent=injector.offered_percent,
        achieved_percent=achieved,
        started_ns=started_ns,
        ended_ns=ended_ns,
        samples=tuple((s.started_ns, s.ended_ns, round(s.cpu_percent, 1)) for s in samples),
        trial_id=trial_id,
        trial_attempt=trial_attempt,
        steps=steps,
    )
