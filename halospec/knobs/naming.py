"""From a knob's spelling on the command line to the knob, and which knobs are worth trying on a server."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from halospec.clock import Clock
from halospec.endpoints.api import ServerApi
from halospec.knobs.draft_args import LENGTH, DraftArgs
from halospec.knobs.lemonade_models import bare_name
from halospec.knobs.model_alias import PREFIX, ModelAlias, listed_lengths, name_on_router
from halospec.knobs.no_knob import NoKnob
from halospec.knobs.reload import Reload
from halospec.knobs.request_field import ANY_FIELD, KNOWN_FIELDS, NESTED, RequestField
from halospec.knobs.residency import LemonadeResidency, Residency, RouterResidency
from halospec.knobs.restart import Restart
from halospec.knobs.types import Knob
from halospec.records.probe import Untried

ALIAS = "alias"
MODEL = "{model}"
SPELLINGS = (*KNOWN_FIELDS, f"{NESTED}a.b", f"{ANY_FIELD}NAME", ALIAS, f"{PREFIX}TEMPLATE", "reload", "restart", "none")

_A_LENGTH_AT_THE_END = re.compile(r"-k\d{1,2}$")


@dataclass(frozen=True)
class Surroundings:
    """What knobs are made of.

    Attributes
    ----------
    model, models
        The one to measure, and all that the server lists.
    request_fields
        Spellings of the request fields that may carry k on a server of this kind, likeliest first.
    is_router, can_reload
        Whether it is llama-server's router; whether it is Lemonade, which loads models on demand.
    draft_args
        What ``{draft_args}`` stands for; None: the default.
    restart
        The server that was started by a command of the user's; None without one.
    """

    model: str
    models: tuple[str, ...]
    api: ServerApi
    clock: Clock
    request_fields: tuple[str, ...] = ()
    is_router: bool = False
    can_reload: bool = False
    draft_args: DraftArgs | None = None
    restart: Restart | None = None


@dataclass(frozen=True)
class Candidates:
    """The knobs that a probe should try, likeliest first, and those that it should not without being told."""

    knobs: tuple[Knob, ...]
    untried: tuple[Untried, ...] = ()


def require_spelling(spelling: str) -> None:
    """Make sure that there is a knob of this spelling, on whatever server.

    Raises
    ------
    ValueError
        If there is none (the message lists those that there are), or it names a field that a request needs itself.
    """
    if spelling in (NoKnob.name, Restart.name, Reload.name, ALIAS) or spelling.startswith(PREFIX):
        return
    if not RequestField.is_spelled(spelling):
        raise ValueError(f"There is no knob {spelling!r}; there are {', '.join(SPELLINGS)}.")
    RequestField(spelling)


def knob_named(spelling: str, around: Surroundings) -> Knob:
    """Return the knob that is spelled so.

    Raises
    ------
    ValueError
        If there is no such knob, or not for this server, in one sentence.
    """
    require_spelling(spelling)
    if spelling == NoKnob.name:
        return NoKnob()
    if spelling == Restart.name:
        return _restart(around)
    if spelling == Reload.name:
        return _reload(around)
    if spelling == ALIAS or spelling.startswith(PREFIX):
        return _alias(_template(spelling, around), around)
    return RequestField(spelling)


def candidate_knobs(around: Surroundings) -> Candidates:
    """Return the knobs that may work on a server, without those that would change it for its other users.

    A command of the user's comes first, then model aliases where the server is known to load models by name, then
    the request fields.
    """
    fields: tuple[Knob, ...] = tuple(map(RequestField, around.request_fields))
    template = _default_template(around)
    aliases: tuple[Knob, ...] = ()
    if len(listed_lengths(template, around.models)) > 1:
        aliases = (_alias(template, around),)
    loads_by_name = around.is_router or around.can_reload
    knobs = (*aliases, *fields) if loads_by_name else (*fields, *aliases)
    if around.restart is not None:
        knobs = (around.restart, *knobs)
    return Candidates(knobs or (NoKnob(),), tuple(_untried(around, has_aliases=bool(aliases))))


def _untried(around: Surroundings, *, has_aliases: bool) -> list[Untried]:
    untried = []
    if (around.is_router or around.can_reload) and not has_aliases:
        untried.append(
            Untried(
                knob=ALIAS,
                reason=(
                    f"there are no models {_default_template(around)}; `halospec aliases create` makes them, and k can"
                    " then change with every request."
                ),
            )
        )
    if around.can_reload:
        untried.append(
            Untried(
                knob=Reload.name,
                reason="it loads the model anew for each k, for all who use the server; try it with --knob reload.",
            )
        )
    return untried


def _restart(around: Surroundings) -> Restart:
    if around.restart is None:
        raise ValueError(
            "The knob restart needs the command line that starts the server; give it with --server-command"
            ' "llama-server -m T.gguf -md D.gguf --port {port} {draft_args}".'
        )
    return around.restart


def _reload(around: Surroundings) -> Reload:
    if not around.can_reload:
        raise ValueError(
            "The knob reload needs a server whose API loads a model with other arguments, and of those only Lemonade is"
            " known; give the server's command line with --server-command instead."
        )
    return Reload(around.api, around.model, around.clock, around.draft_args)


def _alias(template: str, around: Surroundings) -> ModelAlias:
    return ModelAlias(template, around.models, residency=_residency(around), clock=around.clock)


def _residency(around: Surroundings) -> Residency | None:
    if around.is_router:
        return RouterResidency(around.api)
    return LemonadeResidency(around.api) if around.can_reload else None


def _template(spelling: str, around: Surroundings) -> str:
    if spelling == ALIAS:
        return _default_template(around)
    return spelling.removeprefix(PREFIX).replace(MODEL, around.model)


def _default_template(around: Surroundings) -> str:
    """Return the template that most aliases fit, of those by which `halospec aliases create` names them.

    The model may be an alias itself.
    """
    own, base = (_alias_base(name, around) for name in (around.model, _A_LENGTH_AT_THE_END.sub("", around.model)))
    templates = [f"{name}-k{LENGTH}" for name in (own, base, bare_name(base))]
    return max(templates, key=lambda template: _count(template, around.models))


def _alias_base(model: str, around: Surroundings) -> str:
    return name_on_router(model) if around.is_router else model


def _count(template: str, models: Collection[str]) -> int:
    return len(listed_lengths(template, models))
