"""Mode names and the controllers behind them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

from pydantic import JsonValue

from halospec.controllers.adaptive import AdaptiveController, AdaptiveSettings
from halospec.controllers.calibration import calibrate
from halospec.controllers.fixed import FixedController
from halospec.controllers.protocol import MAX_DRAFT_LENGTH, Controller, Outcome

_FIXED = re.compile(r"fixed_(\d{1,2})", re.ASCII)


class UnknownMode(ValueError):
    """A mode name that stands for no rule; the message lists those that do."""


@dataclass(frozen=True)
class Mode:
    """What chooses k in a trial.

    Attributes
    ----------
    warmup_length
        k of the warm-up requests.
    lengths
        Every k that it may ask for. More than one: it chooses anew for each request.
    start
        Makes the trial's controller from its warm-up's outcomes.
    settings
        The rule's numbers: what a trial's identity says of it beside its name.
    """

    name: str
    warmup_length: int
    lengths: frozenset[int]
    start: Callable[[Sequence[Outcome]], Controller]
    settings: Mapping[str, JsonValue]


def mode_named(name: str) -> Mode:
    """Return the mode of that name.

    Raises
    ------
    UnknownMode
        If there is none.
    """
    fixed = _FIXED.fullmatch(name)
    if fixed and int(fixed[1]) <= MAX_DRAFT_LENGTH and name == f"fixed_{int(fixed[1])}":
        return _fixed(int(fixed[1]))
    if name == "adaptive":
        return _adaptive(AdaptiveSettings())
    raise UnknownMode(f"There is no mode {name!r}; the modes are fixed_0 to fixed_{MAX_DRAFT_LENGTH} and adaptive.")


def _fixed(draft_length: int) -> Mode:
    return Mode(
        f"fixed_{draft_length}",
        draft_length,
        frozenset({draft_length}),
        lambda _warmup: FixedController(draft_length),
        {"draft_length": draft_length},
    )


def _adaptive(settings: AdaptiveSettings) -> Mode:
    def start(warmup: Sequence[Outcome]) -> Controller:
        latencies_ms = [outcome.latency_ms for outcome in warmup if outcome.success]
        return AdaptiveController(settings, calibrate(latencies_ms, settings.calibration))

    lengths = frozenset(range(settings.min_length, settings.max_length + 1))
    return Mode("adaptive", settings.start_length, lengths, start, asdict(settings))
