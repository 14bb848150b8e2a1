"""Mode names and what chooses k behind them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol

from pydantic import Field, JsonValue, TypeAdapter, ValidationError

from halospec.controllers.fixed import FixedController
from halospec.controllers.protocol import MAX_DRAFT_LENGTH, Outcome
from halospec.controllers.rules import RULES, client_rules, server_rules
from halospec.controllers.spelling import Spelled, UnknownMode, parse, settings_as_json, settings_of

__all__ = ["AUTO", "MAX_THREADS", "Chooser", "LeftToServer", "Mode", "UnknownMode", "mode_named"]

AUTO = "auto:"
"""Before a rule's name: the rule sits inside the bundled server and chooses for every round."""

MAX_THREADS = 512

_FIXED = re.compile(r"fixed_(\d{1,2})", re.ASCII)
_REQUEST_FIELDS = ("threads", "draft_threads")
_THREADS = TypeAdapter(Annotated[int, Field(ge=1, le=MAX_THREADS)])


class Chooser(Protocol):
    """What a trial asks for the draft length of each request: a controller, or one that leaves it to the server."""

    def choose(self) -> int | None:
        """Return the draft length of the next request; ``None`` where the server is to choose."""
        ...

    def update(self, outcome: Outcome) -> None:
        """Take in a request that has ended, successful or not."""
        ...


@dataclass(frozen=True)
class LeftToServer:
    """Chooses nothing: a rule inside the server does, and learns from its own rounds."""

    def choose(self) -> None:
        """Leave the draft length to the server."""

    def update(self, outcome: Outcome) -> None:
        """Learn nothing."""


@dataclass(frozen=True)
class Mode:
    """What chooses k in a trial.

    Attributes
    ----------
    warmup_length
        k of the warm-up requests; ``None`` where a rule inside the server chooses, in them too.
    lengths
        Every k that it may ask for, or use inside the server. More than one: it chooses anew for each request or round.
    start
        Makes what chooses in a trial, from its warm-up's outcomes.
    settings
        The rule's numbers: what a trial's identity says of it beside its name.
    fields
        What each of its requests says beside k, in fields of the bundled server.
    """

    name: str
    warmup_length: int | None
    lengths: frozenset[int]
    start: Callable[[Sequence[Outcome]], Chooser]
    settings: Mapping[str, JsonValue]
    fields: Mapping[str, JsonValue] = field(default_factory=dict)

    @property
    def in_server(self) -> bool:
        """Whether a rule inside the server chooses, and no k is sent."""
        return self.warmup_length is None


def mode_named(name: str) -> Mode:
    """Return the mode of that name.

    Raises
    ------
    UnknownMode
        If there is none, or it cannot have the settings that the name gives.
    """
    written = parse(name)
    fields = _request_fields(written)
    spelled = Spelled(written.name, {key: value for key, value in written.values.items() if key not in fields})
    if spelled.name.startswith(AUTO):
        return _in_server(name, Spelled(spelled.name.removeprefix(AUTO), spelled.values), fields)
    fixed = _FIXED.fullmatch(spelled.name)
    if fixed and int(fixed[1]) <= MAX_DRAFT_LENGTH and spelled.name == f"fixed_{int(fixed[1])}":
        return _fixed(name, int(fixed[1]), spelled, fields)
    return _in_client(name, spelled, fields)


def _fixed(name: str, draft_length: int, spelled: Spelled, fields: Mapping[str, JsonValue]) -> Mode:
    if spelled.values:
        raise UnknownMode(
            f"{spelled.name} has no setting {next(iter(spelled.values))!r}; only {' and '.join(_REQUEST_FIELDS)} can"
            " follow it."
        )
    return Mode(
        name,
        draft_length,
        frozenset({draft_length}),
        lambda _warmup: FixedController(draft_length),
        {"draft_length": draft_length},
        fields,
    )


def _in_client(name: str, spelled: Spelled, fields: Mapping[str, JsonValue]) -> Mode:
    rule = RULES.get(spelled.name)
    if rule is None:
        raise _no_mode(spelled.name)
    start = rule.in_client
    if start is None:
        raise UnknownMode(f"{rule.name} works inside the bundled server alone; write {AUTO}{spelled}.")
    settings = settings_of(rule, spelled.values)
    if _chooses_threads(settings):
        raise UnknownMode(f"{rule.name} can choose threads inside the bundled server alone; write {AUTO}{spelled}.")
    return Mode(
        name,
        rule.warmup_length(settings),
        frozenset(rule.lengths(settings)),
        lambda warmup: start(settings, warmup),
        settings_as_json(rule, settings),
        fields,
    )


def _in_server(name: str, spelled: Spelled, fields: Mapping[str, JsonValue]) -> Mode:
    rule = RULES.get(spelled.name)
    if rule is None:
        raise _no_mode(f"{AUTO}{spelled.name}")
    if rule.in_server is None:
        raise UnknownMode(f"{rule.name} works in the client alone; write {spelled}.")
    settings = settings_of(rule, spelled.values)
    if fields and _chooses_threads(settings):
        raise UnknownMode(f"In {name!r} the rule chooses the threads; leave out joint or {' and '.join(fields)}.")
    return Mode(
        name,
        None,
        frozenset(rule.lengths(settings)),
        lambda _warmup: LeftToServer(),
        settings_as_json(rule, settings),
        {"draft_length": "auto", "length_policy": str(spelled), **fields},
    )


def _chooses_threads(settings: Any) -> bool:
    return bool(getattr(settings, "joint", False))


def _request_fields(written: Spelled) -> dict[str, JsonValue]:
    fields: dict[str, JsonValue] = {}
    for key in _REQUEST_FIELDS:
        if key in written.values:
            try:
                fields[key] = _THREADS.validate_python(written.values[key])
            except ValidationError as error:
                raise UnknownMode(
                    f"{key} must be a whole number from 1 to {MAX_THREADS}, and in {str(written)!r} it is not."
                ) from error
    return fields


def _no_mode(name: str) -> UnknownMode:
    return UnknownMode(
        f"There is no mode {name!r}; the modes are fixed_0 to fixed_{MAX_DRAFT_LENGTH}, {', '.join(client_rules())}"
        f" and, with the rule inside the bundled server, {', '.join(AUTO + rule for rule in server_rules())}; settings"
        " follow a name, as in adaptive@smoothing=0.2."
    )
