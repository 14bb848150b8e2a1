"""How a profile is written: ``bursts,on=2s,off=4s``."""

from __future__ import annotations

import re
from pathlib import Path

from halospec.contention.profiles.bursts import Bursts
from halospec.contention.profiles.on_off import RandomOnOff
from halospec.contention.profiles.profile import Profile, Window
from halospec.contention.profiles.ramp import Ramp
from halospec.contention.profiles.replay import Replay, Step
from halospec.contention.profiles.replay_file import replay_from_file
from halospec.contention.profiles.square import Square
from halospec.contention.quantities import PERCENT, SECONDS, Misspelt
from halospec.contention.settings import Form, Setting, did_you_mean, shown

_WHOLE = re.compile(r"\s*[+-]?\d{1,20}\s*", re.ASCII)


def whole(text: str) -> int:
    """Read a whole number; ``Misspelt`` if it is none."""
    if not _WHOLE.fullmatch(text):
        raise Misspelt("it should be a whole number")
    return int(text)


def _steps(text: str) -> tuple[Step, ...]:
    return tuple(_step(one) for one in text.split("/"))


def _step(text: str) -> Step:
    at, colon, percent = text.partition(":")
    if not colon:
        raise Misspelt("it should be times and percentages, such as 0s:0%/2.5s:80%")
    return Step(SECONDS.read(at), PERCENT.read(percent))


def _written_steps(steps: tuple[Step, ...]) -> str:
    return "/".join(f"{SECONDS.written(step.at_s)}:{PERCENT.written(step.percent)}" for step in steps)


def _seconds(name: str, field: str) -> Setting:
    return Setting(name, field, SECONDS.read, SECONDS.written)


def _percent(name: str, field: str) -> Setting:
    return Setting(name, field, PERCENT.read, PERCENT.written)


_ON_AND_OFF = (_seconds("on", "on_s"), _seconds("off", "off_s"))
_REPLAY = Form(
    "replay",
    Replay,
    (
        Setting("at", "steps", _steps, _written_steps),
        Setting("file", "steps", lambda text: replay_from_file(Path(text)).steps, _written_steps),
    ),
    "replay,file=PATH",
)
_FORMS = (
    Form("window", Window, (), "window"),
    Form("bursts", Bursts, _ON_AND_OFF, "bursts,on=2s,off=4s"),
    Form(
        "ramp",
        Ramp,
        (_seconds("over", "over_s"), _percent("from", "from_percent"), _percent("to", "to_percent")),
        "ramp,over=20s,from=0%,to=100%",
    ),
    Form(
        "square",
        Square,
        (
            _seconds("period", "period_s"),
            _percent("high", "high_percent"),
            _percent("low", "low_percent"),
            _percent("duty", "duty_percent"),
        ),
        "square,period=10s,high=100%,low=20%,duty=50%",
    ),
    Form("random", RandomOnOff, (*_ON_AND_OFF, Setting("seed", "seed", whole)), "random,on=3s,off=3s,seed=7"),
    _REPLAY,
)
PROFILE_EXAMPLES = tuple(form.example for form in _FORMS)
"""One spelling of each profile."""


def profile_spelled(text: str) -> Profile:
    """Return the profile that is written so; ``replay,file=PATH`` reads the file now.

    Raises
    ------
    ValueError
        If there is none, or a file cannot be read; in a sentence.
    """
    name, comma, rest = text.partition(",")
    name = name.strip().lower()
    for form in _FORMS:
        if form.name == name:
            # A path may hold commas, and replay has this one setting.
            settings = [rest] if form is _REPLAY else rest.split(",")
            made: Profile = form.made(settings if comma else ())
            return made
    names = [form.name for form in _FORMS]
    raise ValueError(
        f"There is no profile {shown(name)!r}{did_you_mean(name, names)}; write one of {'; '.join(PROFILE_EXAMPLES)}."
    )


def spelling_of(profile: Profile) -> str:
    """Return how a profile is written, every number in full.

    Raises
    ------
    ValueError
        If it is none of those that can be written.
    """
    for form in _FORMS:
        if type(profile) is form.makes:
            return ",".join((form.name, *form.written(profile)))
    raise ValueError(f"The profile {shown(repr(profile))} cannot be written.")
