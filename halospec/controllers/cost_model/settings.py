"""The numbers of the cost model."""

from __future__ import annotations

from dataclasses import dataclass

from halospec.controllers.protocol import MAX_DRAFT_LENGTH


@dataclass(frozen=True)
class CostModelSettings:
    """What the rule may choose, what it must keep to, and how fast it learns and forgets.

    Attributes
    ----------
    start_length
        Length of the first draft; where it lies outside the lengths allowed, the nearest of them.
    joint
        Also choose the threads of both models (inside the bundled server only).
    itl_slo_ms, tpot_slo_ms
        Lengths whose rounds (what passes between two bursts of tokens), or whose time per token, are predicted to be
        longer than this in more than one of twenty cases are only chosen where all are. ``None``: no limit.
    hysteresis, thread_hysteresis
        By how much another length, or another setting of the threads, must be better before the rule moves.
    dither
        Share of rounds that try a length near the chosen one of which little is known.
    settled_dither
        That share once all of them are well known.
    fresh_dither
        That share after a change of costs that is not recognised, for ``fresh_rounds`` rounds.
    well_known
        Rounds, recent ones, from which on the cost of a length counts as well known.
    reach, fresh_reach
        By how much worse than the best a length may be predicted to be and still be tried.
    probe_share
        Inside a server: the share of the time that tries of other lengths may cost, by prediction, and that of tries of
        fewer threads.
    thread_probe_share
        The share that tries of more threads may cost. A machine that becomes busy shows at once in rounds with many
        threads; one that is left alone again does not show in rounds with few.
    request_probe_share
        In the client: the share of the time that requests with a draft may cost while not drafting is best.
    cost_memory, acceptance_memory, text_memory
        What a round still counts for when the next one is over: of costs, of acceptance over all texts, and of
        acceptance in the text at hand.
    text_spread
        Standard deviation, in log odds, by which texts are taken to differ in acceptance.
    shape_rounds
        How many passes the guess of what a width costs, relative to others, counts for.
    cost_alarm, acceptance_alarm
        Decision intervals of the two CUSUM charts, in standard deviations.
    slack
        Of both charts: deviations up to this many standard deviations are no sign of change.
    regime_step
        Log ratio from which on a change of costs is another state of the machine; a smaller one is drift.
    regimes
        How many states of the machine are remembered.
    seed
        Of what is drawn.
    """

    start_length: int = 4
    min_length: int = 0
    max_length: int = 8
    joint: bool = False
    itl_slo_ms: float | None = None
    tpot_slo_ms: float | None = None
    hysteresis: float = 0.005
    thread_hysteresis: float = 0.03
    dither: float = 0.05
    settled_dither: float = 0.01
    fresh_dither: float = 0.12
    fresh_rounds: int = 24
    well_known: float = 6.0
    reach: float = 0.05
    fresh_reach: float = 0.2
    probe_share: float = 0.005
    thread_probe_share: float = 0.02
    request_probe_share: float = 0.02
    cost_memory: float = 0.995
    acceptance_memory: float = 0.995
    text_memory: float = 0.98
    text_spread: float = 0.6
    shape_rounds: float = 2.0
    cost_alarm: float = 7.0
    regime_step: float = 0.25
    acceptance_alarm: float = 5.0
    slack: float = 1.0
    regimes: int = 4
    seed: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.min_length <= self.max_length <= MAX_DRAFT_LENGTH:
            raise ValueError(
                f"min_length and max_length must be from 0 to {MAX_DRAFT_LENGTH}, the first not above the second"
            )
        if not self.min_length <= self.start_length <= self.max_length:
            object.__setattr__(self, "start_length", min(max(self.start_length, self.min_length), self.max_length))
        for name in (
            "hysteresis",
            "thread_hysteresis",
            "dither",
            "settled_dither",
            "fresh_dither",
            "probe_share",
            "thread_probe_share",
            "request_probe_share",
        ):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ValueError(f"{name} must be at least 0 and below 1")
        for name in ("cost_memory", "acceptance_memory", "text_memory"):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must be above 0 and at most 1")
        for name in ("reach", "fresh_reach", "fresh_rounds", "regime_step", "slack"):
            if not getattr(self, name) >= 0.0:
                raise ValueError(f"{name} must be at least 0")
        for name in ("well_known", "shape_rounds", "cost_alarm", "acceptance_alarm"):
            if not getattr(self, name) > 0.0:
                raise ValueError(f"{name} must be above 0")
        for name in ("itl_slo_ms", "tpot_slo_ms"):
            value = getattr(self, name)
            if value is not None and not value > 0.0:
                raise ValueError(f"{name} must be above 0")
        if not 0.01 <= self.text_spread <= 100.0:
            raise ValueError("text_spread must be from 0.01 to 100")
        if not 1 <= self.regimes <= 64:
            raise ValueError("regimes must be from 1 to 64")
