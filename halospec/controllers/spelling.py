"""How a rule and its numbers are written: ``cost_model@joint=true@max_length=8``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from types import NoneType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from pydantic import JsonValue, TypeAdapter, ValidationError

from halospec.controllers.per_round import RoundRule, Threads
from halospec.controllers.rules import RULES, Rule, client_rules, server_rules

MAX_SPELLING = 256
"""Characters of the longest spelling that is read; a plan's file holds no longer mode names either."""

_SEVERAL = "+"
_NOTHING = "none"


class UnknownMode(ValueError):
    """A spelling that stands for no rule, or gives it numbers that it cannot have; the message says what there is."""


@dataclass(frozen=True)
class Spelled:
    """A spelling taken apart; ``str`` puts it together again.

    Attributes
    ----------
    values
        What is written for each setting, in the order written, not checked yet.
    """

    name: str
    values: Mapping[str, str]

    def __str__(self) -> str:
        return "@".join((self.name, *(f"{setting}={value}" for setting, value in self.values.items())))


def parse(spelling: str) -> Spelled:
    """Take a spelling apart.

    Raises
    ------
    UnknownMode
        If it is too long or holds what cannot be printed, a setting has no value, or one comes twice.
    """
    if len(spelling) > MAX_SPELLING or not spelling.isprintable():
        raise UnknownMode(
            f"A mode or a rule is spelled with at most {MAX_SPELLING} printable characters, unlike {spelling[:40]!r}."
        )
    name, *written = spelling.split("@")
    values: dict[str, str] = {}
    for one in written:
        setting, _, value = one.partition("=")
        if not setting or not value or " " in one or not one.isascii():
            raise UnknownMode(
                f"In {spelling!r}, {one!r} is no setting; write each as @NAME=VALUE, as in adaptive@smoothing=0.2."
            )
        if setting in values:
            raise UnknownMode(f"In {spelling!r} {setting!r} is given twice; give it once.")
        values[setting] = value
    return Spelled(name, values)


def client_rule(spelling: str) -> tuple[Rule, Any]:
    """Return the rule of requests that a spelling stands for, and its settings.

    Raises
    ------
    UnknownMode
        If there is none, it works inside a server alone, or it cannot have these settings.
    """
    spelled = parse(spelling)
    rule = RULES.get(spelled.name)
    if rule is None or rule.in_client is None:
        raise UnknownMode(f"There is no rule {spelled.name!r} for requests; choose one of {', '.join(client_rules())}.")
    return rule, settings_of(rule, spelled.values)


def round_rule(spelling: str, threads: Threads) -> RoundRule:
    """Return the rule of rounds that a spelling stands for, new and ready for texts.

    Parameters
    ----------
    threads
        What the server offers.

    Raises
    ------
    UnknownMode
        If there is none, it works in the client alone, or it cannot have these settings.
    """
    spelled = parse(spelling)
    rule = RULES.get(spelled.name)
    if rule is None or rule.in_server is None:
        raise UnknownMode(f"There is no length policy {spelled.name!r}; choose one of {', '.join(server_rules())}.")
    return rule.in_server(settings_of(rule, spelled.values), threads)


def settings_of(rule: Rule, values: Mapping[str, str]) -> Any:
    """Return a rule's settings with these values, and its own for the rest.

    Several numbers for one setting are written with ``+`` between them: ``candidate_steps=1+3+5``. A setting that may
    be left open is written ``none`` where it is.

    Raises
    ------
    UnknownMode
        If the rule has no such setting, or cannot have such a value.
    """
    kinds = _spellable(rule.settings)
    for setting in values:
        if setting not in kinds:
            raise UnknownMode(f"{rule.name} has no setting {setting!r}; {_what_there_is(rule)}.")
    given = {setting: _read(value, kinds[setting]) for setting, value in values.items()}
    try:
        settings = _adapter(rule.settings).validate_python(given)
    except ValidationError as error:
        raise UnknownMode(_what_is_wrong(rule, values, error)) from error
    for setting, value in values.items():
        taken = getattr(settings, setting)
        if isinstance(taken, float) and not math.isfinite(taken):
            raise UnknownMode(f"{rule.name} cannot have {setting}={value}: it should be finite{_usual(rule, setting)}.")
    return settings


def settings_as_json(rule: Rule, settings: Any) -> dict[str, JsonValue]:
    """Return a rule's settings as what JSON can hold."""
    written: dict[str, JsonValue] = _adapter(rule.settings).dump_python(settings, mode="json")
    return written


@cache
def _adapter(settings: type) -> TypeAdapter[Any]:
    return TypeAdapter(settings)


@cache
def _spellable(settings: type) -> dict[str, Any]:
    """Return the types of all settings that one value can be written for, and so not of settings within settings."""
    hints = get_type_hints(settings, include_extras=True)
    return {field.name: hints[field.name] for field in fields(settings) if not is_dataclass(hints[field.name])}


def _read(value: str, kind: Any) -> str | list[str] | None:
    """Return what is written in the form that a setting of this type is checked in."""
    bare = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    if get_origin(bare) is tuple:
        return value.split(_SEVERAL)
    return None if value == _NOTHING and NoneType in get_args(bare) else value


def _what_there_is(rule: Rule) -> str:
    shown = (f"{setting}={_default(rule, setting)}" for setting in _spellable(rule.settings))
    return f"its settings, as they are where nothing is said, are {', '.join(shown)}"


def _usual(rule: Rule, setting: str) -> str:
    return f"; where nothing is said it is {_default(rule, setting)}"


def _default(rule: Rule, setting: str) -> str:
    value = getattr(rule.settings(), setting)
    if isinstance(value, tuple):
        return _SEVERAL.join(map(str, value))
    if value is None:
        return _NOTHING
    return str(value).lower() if isinstance(value, bool) else f"{value:g}"


def _what_is_wrong(rule: Rule, values: Mapping[str, str], error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    said = first["msg"].removeprefix("Value error, ").removesuffix(".")
    if not first["loc"]:
        return f"{rule.name} cannot have these settings: {said}."
    setting = str(first["loc"][0])
    said = said.replace("Input should", "it should", 1)
    return f"{rule.name} cannot have {setting}={values[setting]}: {said}{_usual(rule, setting)}."
