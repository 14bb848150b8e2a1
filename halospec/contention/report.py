"""What the load of one trial was, as a line of ``load.jsonl``."""

from __future__ import annotations

from halospec.contention.protocol import Injected, Injector
from halospec.contention.spelling import spelled
from halospec.records.loads import InjectedLoad, LoadReport

__all__ = ["InjectedLoad", "LoadReport", "report"]


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
    return LoadReport(
        block=block,
        mode=mode,
        loads=tuple(map(_reported, injector.injected)),
        trial_id=trial_id,
        trial_attempt=trial_attempt,
        steps=steps,
    )


def _reported(injected: Injected) -> InjectedLoad:
    what, samples = injected.load.what, injected.activity.samples
    lasted_ns = sum(one.ended_ns - one.started_ns for one in samples)
    return InjectedLoad(
        name=spelled(injected.load),
        kind=what.kind,
        unit=what.unit,
        workers=what.workers,
        offered=what.amount,
        achieved=sum(one.amount * (one.ended_ns - one.started_ns) for one in samples) / lasted_ns if samples else None,
        target=(
            sum((one.target or 0.0) * (one.ended_ns - one.started_ns) for one in samples) / lasted_ns
            if samples and what.amount is not None
            else None
        ),
        started_ns=samples[0].started_ns if samples else None,
        ended_ns=samples[-1].ended_ns if samples else None,
        samples=tuple(
            (
                one.started_ns,
                one.ended_ns,
                round(one.amount, 3),
                None if one.target is None else round(one.target, 3),
                one.at_work,
            )
            for one in samples
        ),
        ended_early=injected.ended_early,
    )
