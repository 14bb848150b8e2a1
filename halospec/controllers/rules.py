"""Every rule that chooses draft lengths, by name: what its settings are, and how it is set to work on either side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from halospec.controllers.adaptive import AdaptiveController, AdaptiveSettings
from halospec.controllers.adaptive_normalised import AdaptiveNormalisedController, AdaptiveNormalisedSettings
from halospec.controllers.aimd import AimdController, AimdSettings
from halospec.controllers.calibration import calibrate
from halospec.controllers.cost_model import CostModelController, CostModelRule, CostModelSettings
from halospec.controllers.d_ucb import DUcbController, DUcbSettings
from halospec.controllers.ema_accept import EmaAcceptController, EmaAcceptSettings
from halospec.controllers.exp3 import Exp3Controller, Exp3Settings
from halospec.controllers.fixed import FixedController, FixedSettings
from halospec.controllers.heuristic import HeuristicController, HeuristicSettings
from halospec.controllers.per_round import RoundRule, Threads
from halospec.controllers.protocol import Controller, Outcome
from halospec.controllers.sharing import EachAnew, Shared
from halospec.controllers.stops.ada_edl import AdaEdlRule, AdaEdlSettings
from halospec.controllers.stops.confidence import ConfidenceRule, ConfidenceSettings
from halospec.controllers.stops.specdec_pp import SpecDecPpRule, SpecDecPpSettings
from halospec.controllers.stops.svip import SvipRule, SvipSettings
from halospec.controllers.thompson import ThompsonController, ThompsonSettings
from halospec.controllers.uniform import UniformController, UniformSettings


class _Bounded(Protocol):
    @property
    def min_length(self) -> int: ...

    @property
    def max_length(self) -> int: ...


def _every_length(settings: _Bounded) -> Iterable[int]:
    return range(settings.min_length, settings.max_length + 1)


def _start_length(settings: Any) -> int:
    start: int = settings.start_length
    return start


def _four_or_nearest(settings: _Bounded) -> int:
    return min(max(4, settings.min_length), settings.max_length)


@dataclass(frozen=True)
class Rule:
    """A rule, before it has its numbers.

    Attributes
    ----------
    settings
        The frozen dataclass of its numbers; each has a default.
    in_client
        Makes a controller of requests, from the settings and the outcomes of a trial's warm-up. None: the rule works
        inside a server alone.
    in_server
        Makes a rule of rounds, from the settings and the threads that the server offers. None: it works in the client
        alone.
    lengths
        Every draft length that it may choose with these settings.
    warmup_length
        The draft length of a trial's warm-up, in the client.
    """

    name: str
    settings: type
    in_client: Callable[[Any, Sequence[Outcome]], Controller] | None = None
    in_server: Callable[[Any, Threads], RoundRule] | None = None
    lengths: Callable[[Any], Iterable[int]] = _every_length
    warmup_length: Callable[[Any], int] = _start_length


def _without_warmup(controller: Callable[[Any], Controller]) -> Callable[[Any, Sequence[Outcome]], Controller]:
    """Return what makes a controller that takes nothing from a warm-up."""
    return lambda settings, _warmup: controller(settings)


def _for_each_text(controller: Callable[[Any], Controller]) -> Callable[[Any, Threads], RoundRule]:
    return lambda settings, _threads: EachAnew(partial(controller, settings))


def _for_all_texts(controller: Callable[[Any], Controller]) -> Callable[[Any, Threads], RoundRule]:
    return lambda settings, _threads: Shared(controller(settings))


def _adaptive(settings: AdaptiveSettings, warmup: Sequence[Outcome]) -> Controller:
    latencies_ms = [outcome.latency_ms for outcome in warmup if outcome.success]
    return AdaptiveController(settings, calibrate(latencies_ms, settings.calibration))


def _bandit(name: str, settings: type, controller: Callable[[Any], Controller]) -> Rule:
    return Rule(name, settings, _without_warmup(controller), _for_all_texts(controller), warmup_length=_four_or_nearest)


def _stop(name: str, settings: type, rule: Callable[[Any], RoundRule]) -> Rule:
    return Rule(name, settings, in_server=lambda settings, _threads: rule(settings))


_IN_ORDER = (
    Rule("adaptive", AdaptiveSettings, in_client=_adaptive),
    Rule("adaptive_normalised", AdaptiveNormalisedSettings, in_client=AdaptiveNormalisedController),
    Rule(
        "heuristic",
        HeuristicSettings,
        in_client=_without_warmup(HeuristicController),
        in_server=_for_each_text(HeuristicController),
    ),
    Rule(
        "ema_accept",
        EmaAcceptSettings,
        in_client=_without_warmup(EmaAcceptController),
        in_server=_for_all_texts(EmaAcceptController),
        lengths=lambda settings: settings.candidate_steps,
    ),
    Rule(
        "aimd",
        AimdSettings,
        in_client=_without_warmup(AimdController),
        in_server=_for_each_text(AimdController),
    ),
    _bandit("d_ucb", DUcbSettings, DUcbController),
    _bandit("exp3", Exp3Settings, Exp3Controller),
    _bandit("thompson", ThompsonSettings, ThompsonController),
    _stop("confidence", ConfidenceSettings, ConfidenceRule),
    _stop("svip", SvipSettings, SvipRule),
    _stop("ada_edl", AdaEdlSettings, AdaEdlRule),
    _stop("specdec_pp", SpecDecPpSettings, SpecDecPpRule),
    Rule("cost_model", CostModelSettings, in_client=CostModelController, in_server=CostModelRule),
    Rule("uniform", UniformSettings, in_server=_for_all_texts(UniformController)),
    Rule(
        "fixed",
        FixedSettings,
        in_server=_for_all_texts(lambda settings: FixedController(settings.draft_length)),
        lengths=lambda settings: (settings.draft_length,),
    ),
)

RULES: Mapping[str, Rule] = {rule.name: rule for rule in _IN_ORDER}
"""Every rule, in the order in which they are listed."""


def client_rules() -> tuple[str, ...]:
    """Return the names of the rules that can choose the draft length of each request."""
    return tuple(name for name, rule in RULES.items() if rule.in_client is not None)


def server_rules() -> tuple[str, ...]:
    """Return the names of the rules that can choose the draft length of each round: a server's length policies."""
    return tuple(name for name, rule in RULES.items() if rule.in_server is not None)
