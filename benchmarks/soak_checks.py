"""What has to be true of a server after a soak: pure functions from what was seen to verdicts."""

from __future__ import annotations

import re
import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from pydantic import AliasChoices, BaseModel, Field

MAX_RSS_GROWTH = 0.05
RUNNING = ("llamacpp:requests_processing", "vllm:num_requests_running")
WAITING = ("llamacpp:requests_deferred", "vllm:num_requests_waiting")
ERROR_IN_STREAM = "an error in the stream"
_NOT_OURS = "the server's process is not ours to look into"
_SHOWN = 3
"""Faults that a verdict spells out; the rest are counted."""


class SlotState(BaseModel):
    """One entry of ``GET /slots``: what a slot's caches hold, by the server's own books and by llama.cpp's."""

    slot: int = Field(validation_alias=AliasChoices("slot", "id"))
    running: bool = Field(validation_alias=AliasChoices("running", "is_processing"))
    target_tokens: int
    target_cells: int
    draft_tokens: int
    draft_cells: int


@dataclass(frozen=True)
class Sample:
    """What the server's process held at a moment.

    Attributes
    ----------
    private_bytes
        Resident memory but for what is shared, such as the mapped model files.
    """

    at_s: float
    rss_bytes: int
    private_bytes: int
    threads: int
    descriptors: int


@dataclass(frozen=True)
class Check:
    """One verdict; ``passed`` is None where nothing could be seen."""

    name: str
    passed: bool | None
    found: str


def check_memory(samples: Sequence[Sample], warm_up_s: float) -> list[Check]:
    """Compare memory at the end of the warm-up with memory at the end.

    Only resident memory as a whole has a limit. The private part is reported beside it because mapped model files can
    be so large a share of the whole that a leak is small beside them.
    """
    if not samples:
        return [Check("memory", None, _NOT_OURS)]
    times_s = [sample.at_s for sample in samples]
    whole = _growth(times_s, [sample.rss_bytes for sample in samples], warm_up_s)
    private = _growth(times_s, [sample.private_bytes for sample in samples], warm_up_s)
    if whole is None or private is None:
        return [Check("memory", False, f"{len(samples)} samples are too few to tell")]
    return [
        Check("resident memory", whole.share < MAX_RSS_GROWTH, str(whole)),
        Check("private part of it", None, str(private)),
    ]


@dataclass(frozen=True)
class Growth:
    """How memory went on after the warm-up."""

    before_mib: float
    after_mib: float
    slope_mib_per_min: float

    @property
    def share(self) -> float:
        """What was added, relative to what was there."""
        return self.after_mib / self.before_mib - 1

    def __str__(self) -> str:
        return (
            f"{self.before_mib:.1f} → {self.after_mib:.1f} MiB ({self.share:+.2%}), "
            f"slope {self.slope_mib_per_min:+.3f} MiB/min"
        )


def _growth(times_s: Sequence[float], values_bytes: Sequence[int], warm_up_s: float) -> Growth | None:
    """Compare the last quarter of the warm-up with as long a time at the end, by medians; None if that cannot be."""
    points = [(at_s, value / 2**20) for at_s, value in zip(times_s, values_bytes, strict=True)]
    window_s = warm_up_s / 4
    before = [value for at_s, value in points if warm_up_s - window_s <= at_s <= warm_up_s]
    later = [(at_s / 60, value) for at_s, value in points if at_s > warm_up_s]
    after = [value for at_min, value in later if at_min >= (times_s[-1] - window_s) / 60]
    if not before or len(later) < 2:
        return None
    slope = statistics.linear_regression(*zip(*later, strict=True)).slope
    return Growth(statistics.median(before), statistics.median(after), slope)


def check_back_at_idle(before: Sample | None, after: Sample | None) -> list[Check]:
    """See that an idle server has no more threads and open descriptors than when it was idle before."""
    if before is None or after is None:
        return [Check("threads, descriptors", None, _NOT_OURS)]
    return [
        Check(name, then <= first, f"{first} when idle before, {then} when idle after")
        for name, first, then in (
            ("threads", before.threads, after.threads),
            ("descriptors", before.descriptors, after.descriptors),
        )
    ]


def check_slots(slots: Collection[SlotState]) -> Check:
    """See that no slot runs, and that the caches hold what the server's books say."""
    faults = [f"slot {state.slot} still runs" for state in slots if state.running]
    for state in slots:
        for what, tokens, cells in (
            ("target", state.target_tokens, state.target_cells),
            ("draft", state.draft_tokens, state.draft_cells),
        ):
            if tokens != cells:
                faults.append(f"slot {state.slot}, {what}: {cells} cells for {tokens} tokens")
    target, draft = (sum(getattr(state, name) for state in slots) for name in ("target_cells", "draft_cells"))
    return _verdict(
        "KV cells", faults, f"{len(slots)} slots idle; target {target} cells, draft {draft}, as in the books"
    )


def read_requests(metrics: str) -> tuple[float, float]:
    """Return the requests that run and that wait, by the text of ``GET /metrics``.

    Raises
    ------
    ValueError
        If it does not say.
    """
    found = []
    for names in (RUNNING, WAITING):
        values = [
            float(match[1])
            for name in names
            for match in re.finditer(rf"^{re.escape(name)}(?:\{{.*\}})? (\S+)$", metrics, re.MULTILINE)
        ]
        if not values:
            raise ValueError(f"none of {', '.join(names)} is in the metrics")
        found.append(max(values))
    return found[0], found[1]


def check_nothing_in_hand(metrics: str) -> Check:
    """See that no request runs or waits, by the text of ``GET /metrics``."""
    try:
        running, waiting = read_requests(metrics)
    except ValueError as error:
        return Check("requests in hand", False, str(error))
    return Check("requests in hand", running == waiting == 0, f"{running:g} running, {waiting:g} waiting")


def check_answers(sent: int, faults: Sequence[str]) -> Check:
    """See that every request was answered as it should be."""
    return _verdict("answers", faults, f"{sent} requests, each answered as it should be or left by its client")


def check_refusals(statuses: Mapping[int, int]) -> Check:
    """See that the queue's limit was met: a soak that never met it has not tried it."""
    return Check("queue", statuses.get(429, 0) > 0, f"{statuses.get(429, 0)} requests were refused with 429")


def check_canaries(name: str, expected: Mapping[str, str], seen: Sequence[tuple[str, str, str]]) -> Check:
    """See that greedy texts came out the same.

    Parameters
    ----------
    expected
        The text by prompt.
    seen
        Prompt, text, and under which settings it was written.
    """
    faults = [
        f"{how}: {text!r} instead of {expected[prompt]!r}" for prompt, text, how in seen if text != expected[prompt]
    ]
    if not seen:
        return Check(name, False, "none was answered")
    return _verdict(name, faults, f"{len(seen)} texts, all as at the start")


def check_exit(code: int | None, took_s: float, grace_s: float) -> Check:
    """See that the server ended by itself, in order and in time."""
    if code is None:
        return Check("SIGTERM", False, f"the server was still there after {took_s:.1f} s and was killed")
    return Check("SIGTERM", code == 0 and took_s <= grace_s, f"exit code {code} after {took_s:.1f} s")


def check_last_reply(fault: str | None) -> Check:
    """See that the reply that was being written at SIGTERM was finished, or ended with an error that says so."""
    in_order = fault is None or fault.startswith(ERROR_IN_STREAM)
    return Check("reply under way", in_order, "finished" if fault is None else fault)


def _verdict(name: str, faults: Sequence[str], otherwise: str) -> Check:
    if not faults:
        return Check(name, True, otherwise)
    more = f" … and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
    return Check(name, False, "; ".join(faults[:_SHOWN]) + more)
