"""A stand-in for the simulator: policies whose time per token is simply stated, so that every sum is known by hand."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from halospec.recordings.types import RecordedRounds, Recording
from halospec.simulate.types import CHOSEN_PER_ROUND, Scenario, Segment, Simulated

QUIET_THEN_LOADED = Scenario(
    "on-off", "load comes", 10, (Segment(60, "quiet"), Segment(40, "cpu:2")),
)  # fmt: skip
STEADY = Scenario("steady", "nothing happens", 10, (Segment(100, "quiet"),))

MS: Mapping[str, tuple[float, float]] = {
    "fixed_0": (10.0, 20.0),
    "fixed_1": (8.0, 30.0),
    "fixed_2": (9.0, 25.0),
    "perfect": (8.0, 20.0),
    "slow": (12.0, 40.0),
    "auto:joint": (8.0, 10.0),
}
"""ms per token: quiet, and under load."""


def stated_times(recording: Recording, scenario: Scenario, spelling: str, seed: int) -> Simulated:
    """One token a round; the seed makes everything slower by as many percent, for all policies alike."""
    return _simulated(scenario, spelling, seed, noise=0.0)


def noisy_times(recording: Recording, scenario: Scenario, spelling: str, seed: int) -> Simulated:
    """As `stated_times`, but each policy also has luck of its own, some percent."""
    return _simulated(scenario, spelling, seed, noise=0.02)


def _simulated(scenario: Scenario, spelling: str, seed: int, noise: float) -> Simulated:
    lengths = [segment.tokens for segment in scenario.segments]
    load = np.repeat([segment.load != "quiet" for segment in scenario.segments], lengths)
    quiet_ms, loaded_ms = MS[spelling]
    luck = np.random.default_rng([seed, *spelling.encode()]).normal(0, noise)
    duration_ms = np.where(load, loaded_ms, quiet_ms) * (1 + seed / 100) * np.exp(luck)
    count = scenario.tokens
    requests = -(-count // scenario.tokens_per_request)
    request = np.arange(count) // scenario.tokens_per_request
    k = int(spelling[-1]) if spelling.startswith("fixed") else 0
    return Simulated(
        spelling=spelling,
        seed=seed,
        text=np.zeros(requests, np.int32),
        tokens=np.bincount(request).astype(np.int32),
        draft_length=np.full(requests, CHOSEN_PER_ROUND, np.int16),
        decode_ms=np.bincount(request, weights=duration_ms),
        round_request=request.astype(np.int32),
        round_segment=np.repeat(np.arange(len(scenario.segments)), [s.tokens for s in scenario.segments]).astype(
            np.int32
        ),
        round_token=np.arange(count, dtype=np.int32),
        k=np.full(count, k, np.int16),
        accepted=np.zeros(count, np.int16),
        duration_ms=duration_ms,
        threads=np.where(load & (spelling == "auto:joint"), 1, 2).astype(np.int16),
        draft_threads=np.full(count, 2, np.int16),
    )


def recording_unread() -> Recording:
    """Return a recording that holds nothing: the stand-in reads none."""
    nothing: tuple[np.ndarray, ...] = tuple(np.zeros(0, np.int16) for _ in range(9))
    rounds = RecordedRounds(("quiet", "cpu:2"), *nothing)  # type: ignore[arg-type]
    return Recording("made-up", (), rounds, 2, 2, {"machine": "none"})
