"""How often rules chose what, and when they found that something had changed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from halospec.analysis.modes import in_order
from halospec.analysis.value import Value
from halospec.explanation.decisions import Told
from halospec.records.decisions import ChosenSetting
from halospec.records.schema import MEASURED_PHASES, Phase

_NUMBER = re.compile(r"[-+]?\d[\d.]*(?:\s?%)?", re.ASCII)


class SettingCount(Value):
    """A setting, and how long it was in force.

    Attributes
    ----------
    decisions
        How often it was chosen.
    share
        Of all rounds for which decisions held, or of the decisions where no rounds are logged.
    """

    setting: ChosenSetting
    decisions: int
    share: float


class AlarmCount(Value):
    """Something that was found to have changed, in words without their numbers, and in how many decisions."""

    alarm: str
    decisions: int


class Overview(Value):
    """One mode in one phase; what was longest in force comes first."""

    mode: str
    phase: Phase
    decisions: int
    settings: tuple[SettingCount, ...]
    alarms: tuple[AlarmCount, ...]


def overview(found: Sequence[Told]) -> tuple[Overview, ...]:
    """Count what was chosen, by mode and phase."""
    modes = in_order(told.decision.mode for told in found)
    places = {(mode, phase): list[Told]() for mode in modes for phase in MEASURED_PHASES}
    for told in found:
        places[told.decision.mode, told.phase].append(told)
    return tuple(_of(mode, phase, here) for (mode, phase), here in places.items() if here)


def _of(mode: str, phase: Phase, here: Sequence[Told]) -> Overview:
    by_rounds = all(told.rounds is not None for told in here) and any(told.rounds for told in here)
    chosen = Counter(told.decision.chosen for told in here)
    in_force: Counter[ChosenSetting] = Counter()
    for told in here:
        in_force[told.decision.chosen] += (told.rounds or 0) if by_rounds else 1
    return Overview(
        mode=mode,
        phase=phase,
        decisions=len(here),
        settings=tuple(
            SettingCount(setting=setting, decisions=chosen[setting], share=count / in_force.total())
            for setting, count in in_force.most_common()
        ),
        alarms=tuple(AlarmCount(alarm=alarm, decisions=count) for alarm, count in Counter(_alarms(here)).most_common()),
    )


def _alarms(here: Iterable[Told]) -> Iterable[str]:
    return (_NUMBER.sub("…", alarm) for told in here for alarm in told.decision.alarms)
