"""Lemonade: a server that starts and stops llama-servers (and others) and passes requests on to them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from urllib.parse import quote

from pydantic import BaseModel

from halospec.endpoints.api import ServerApi
from halospec.endpoints.dialect import FIELDS_TO_TRY, LLAMA_CPP
from halospec.endpoints.failures import shown
from halospec.endpoints.launch_arguments import speculation_of
from halospec.endpoints.server_kind import Recognition, ServerKind, SpeculationFacts
from halospec.endpoints.wire import ListedModel

_OWNER = "lemonade"
_LLAMA_SERVER_RECIPE = "llamacpp"
_LLM = "llm"
_OWN_MODELS = "user."


class _Loaded(BaseModel):
    """A model in memory, and the command line of the server behind it; a cloud model has none."""

    model_name: str
    type: str | None = None
    recipe: str | None = None
    launch_command: tuple[str, ...] | None = None


class _Health(BaseModel):
    """``/health`` below the API's base, the one reliable account of what is running."""

    all_models_loaded: tuple[_Loaded, ...]
    version: str | None = None
    model_loaded: str | None = None


class _EffectiveOptions(BaseModel):
    llamacpp_args: str | None = None


class _Options(BaseModel):
    """``/models/NAME/options``: with which arguments a model would be loaded."""

    effective: _EffectiveOptions
    recipe: str | None = None


class Lemonade(ServerKind):
    """Lemonade Server."""

    name = "lemonade"
    title = "Lemonade"
    default_urls = ("http://127.0.0.1:13305", "http://127.0.0.1:8000")
    dialect = LLAMA_CPP
    request_fields = FIELDS_TO_TRY
    advice = (
        "Lemonade takes a draft length only when it loads a model, and ignores one that comes with a request."
        " Register the model with a draft (POST /v1/models/register with checkpoints main and draft), then either keep"
        " one alias for each k (`halospec aliases create` makes them and raises max_loaded_models, `--knob alias` uses"
        " them), or let HaloSpec load it anew for each k with `--knob reload`."
    )

    async def recognise(self, api: ServerApi, models: tuple[ListedModel, ...]) -> Recognition | None:
        """Look for its ``/health``, else for its name in the model list."""
        owned = any(listed.owned_by == _OWNER for listed in models)
        health = await api.find("health", _Health, key_matters=owned)
        if health is not None:
            version = None if health.version is None else shown(health.version)
            return Recognition(f"/health lists all_models_loaded, version {version or 'unknown'}", version=version)
        return Recognition(f"/models is owned by {_OWNER}") if owned else None

    async def loaded_model(self, api: ServerApi, models: tuple[ListedModel, ...]) -> str | None:
        """Return the text model in memory that was used last: for any other one it might be put out."""
        health = await api.find("health", _Health, key_matters=True)
        if health is None:
            return None
        listed = {one.id for one in models}
        loaded = [one.model_name for one in health.all_models_loaded if one.type == _LLM and one.model_name in listed]
        return health.model_loaded if health.model_loaded in loaded else next(iter(loaded), None)

    async def speculation(self, api: ServerApi, model: str) -> SpeculationFacts:
        """Read the command line behind a model that is loaded, or the saved options of one that is not."""
        health = await api.find("health", _Health, key_matters=True)
        if health is None:
            return SpeculationFacts()
        loaded = next((one for one in health.all_models_loaded if one.model_name in _names_of(model)), None)
        if loaded is None:
            return await self._of_saved_options(api, model)
        if loaded.recipe != _LLAMA_SERVER_RECIPE:
            return SpeculationFacts(says=f"/health: the model's recipe is {shown(loaded.recipe or 'unknown')}")
        return _facts("/health: the model is", loaded.launch_command)

    async def _of_saved_options(self, api: ServerApi, model: str) -> SpeculationFacts:
        options = await api.find(f"models/{quote(model, safe='')}/options", _Options)
        saved = None if options is None else _split(options.effective.llamacpp_args or "")
        # Lemonade adds a --spec-type of its own for some models: that none is saved says nothing.
        if saved is not None and speculation_of(saved).configured:
            return _facts("/models: the model is not loaded, and would be", saved)
        can_reload = options is None or options.recipe in (None, _LLAMA_SERVER_RECIPE)
        return SpeculationFacts(says="/health: the model is not loaded", can_reload=can_reload)


def _facts(whose: str, arguments: Sequence[str] | None) -> SpeculationFacts:
    if arguments is None:
        return SpeculationFacts(can_reload=True)
    started = speculation_of(arguments)
    return SpeculationFacts(
        configured=started.configured,
        says=f"{whose} {shown(started.says)}",
        draft_length=started.draft_length,
        can_reload=True,
    )


def _names_of(model: str) -> tuple[str, str]:
    """Return the names of a model: one that a user registered as ``user.NAME`` is listed as ``NAME``."""
    return model, model.removeprefix(_OWN_MODELS)


def _split(arguments: str) -> list[str] | None:
    try:
        return shlex.split(arguments)
    except ValueError:
        return None


LEMONADE = Lemonade()
