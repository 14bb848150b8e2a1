"""How a load is written on the command line, in plans and in reports.

``cpu:75%@workers=2@profile=bursts,on=2s,off=4s``: behind the kind and the amount every setting begins with ``@``; an
``@`` that is part of a value, such as a path, is written twice. All that follows ``process:`` is a command line.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from halospec.contention.loads import CacheLoad, CpuLoad, DiskLoad, Load, MemoryLoad, ProcessLoad
from halospec.contention.profiles.profile import WINDOW
from halospec.contention.profiles.spelling import profile_spelled, spelling_of, whole
from halospec.contention.quantities import GIGABYTES_PER_S, MEGABYTES, MEGABYTES_PER_S, PERCENT, Misspelt, Quantity
from halospec.contention.settings import Form, Setting, did_you_mean, shown

_PROCESS = "process"
_RANGE_OF_CORES = re.compile(r"\s*(\d{1,4})(?:-(\d{1,4}))?\s*", re.ASCII)


@dataclass(frozen=True)
class _Amount:
    """What is written for a load's amount, and the field that it goes to."""

    field: str
    quantity: Quantity

    def read(self, text: str) -> dict[str, Any]:
        return {self.field: self.quantity.read(text)}

    def written(self, load: Any) -> str:
        return self.quantity.written(getattr(load, self.field))


class _CpuAmount(_Amount):
    def read(self, text: str) -> dict[str, Any]:
        if text.strip().isdecimal():
            return {"workers": whole(text)}
        try:
            return super().read(text)
        except Misspelt:
            raise Misspelt("it should be a percentage, such as 75%, or a number of workers") from None


def _cores(text: str) -> tuple[int, ...]:
    found = [_RANGE_OF_CORES.fullmatch(part) for part in text.split(",")]
    ranges = [(int(one[1]), int(one[2] or one[1])) for one in found if one]
    if len(ranges) < len(found) or any(last < first for first, last in ranges):
        raise Misspelt("it should be numbers of cores, such as 0,1 or 0-3")
    return tuple(core for first, last in ranges for core in range(first, last + 1))


def _written_cores(cores: tuple[int, ...]) -> str:
    return ",".join(map(str, cores))


def _size(name: str) -> Setting:
    return Setting(name, f"{name}_mb", MEGABYTES.read, MEGABYTES.written)


_WORKERS = Setting("workers", "workers", whole)
_PROFILE = Setting("profile", "profile", profile_spelled)
_FORMS = (
    (
        Form(
            "cpu",
            CpuLoad,
            (
                _WORKERS,
                Setting("cores", "cores", _cores, _written_cores),
                Setting("niceness", "niceness", whole),
                _PROFILE,
            ),
            "cpu:75%",
        ),
        _CpuAmount("percent", PERCENT),
    ),
    (
        Form("memory", MemoryLoad, (_WORKERS, _size("buffer"), _PROFILE), "memory:4GB/s"),
        _Amount("gigabytes_per_s", GIGABYTES_PER_S),
    ),
    (
        Form("cache", CacheLoad, (_WORKERS, _size("size"), _PROFILE), "cache:8GB/s"),
        _Amount("gigabytes_per_s", GIGABYTES_PER_S),
    ),
    (
        Form("disk", DiskLoad, (_size("size"), Setting("directory", "directory", Path), _PROFILE), "disk:50MB/s"),
        _Amount("megabytes_per_s", MEGABYTES_PER_S),
    ),
)
EXAMPLES = (*(form.example for form, _ in _FORMS), f"{_PROCESS}:COMMAND")
"""One spelling of each kind."""


def load_spelled(text: str) -> Load:
    """Return the load that is written so.

    Raises
    ------
    ValueError
        If it is none, with one sentence on what there is.
    """
    _require_printable(text)
    kind, _, rest = text.partition(":")
    name = kind.strip().lower()
    if name == _PROCESS:
        return Load(ProcessLoad(_command(rest)))
    for form, amount in _FORMS:
        if form.name == name:
            return _load(form, amount, rest)
    kinds = [*(form.name for form, _ in _FORMS), _PROCESS]
    raise ValueError(
        f"There is no load {shown(kind)!r}{did_you_mean(kind, kinds)}; write one such as {', '.join(EXAMPLES)}."
    )


def spelled(load: Load) -> str:
    """Return how a load is written: what is left out is as it would be anyway, on any machine.

    Raises
    ------
    ValueError
        If it cannot be written, because a path or a command in it cannot be printed.
    """
    if isinstance(load.what, ProcessLoad):
        text = f"{_PROCESS}:{shlex.join(load.what.command)}"
    else:
        form, amount = next((form, amount) for form, amount in _FORMS if form.makes is type(load.what))
        course = [] if load.profile == WINDOW else [f"{_PROFILE.name}={spelling_of(load.profile)}"]
        settings = [setting.replace("@", "@@") for setting in (*form.written(load.what), *course)]
        text = "@".join((f"{form.name}:{amount.written(load.what)}", *settings))
    _require_printable(text)
    return text


def _load(form: Form, amount: _Amount, rest: str) -> Load:
    # No NUL is in a text that can be printed.
    amount_text, *settings = (part.replace("\0", "@") for part in rest.replace("@@", "\0").split("@"))
    if not amount_text.strip():
        raise ValueError(f"{form.name} needs an amount, as in {form.example}.")
    try:
        known = amount.read(amount_text)
    except Misspelt as error:
        raise ValueError(f"{form.name} cannot have the amount {shown(amount_text)!r}: {error}.") from error
    values = form.values_of(settings, **known)
    profile = values.pop(_PROFILE.field, WINDOW)
    if values.get("cores"):
        values.setdefault("workers", len(values["cores"]))
    return Load(form.of(values), profile)


def _command(text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise ValueError(
            f"The command {shown(text)!r} cannot be taken apart: "
            "close its quotation mark, or double the backslash at its end."
        ) from error


def _require_printable(text: str) -> None:
    if not text.isprintable():
        raise ValueError(f"A load is written without line breaks and control characters, unlike {shown(text)!r}.")
