"""Which models a server keeps loaded, and having one loaded: llama-server's router, Lemonade."""

from __future__ import annotations

from typing import Protocol

import anyio
from pydantic import BaseModel, ConfigDict, ValidationError

from halospec.endpoints.api import ServerApi
from halospec.endpoints.types import EndpointError
from halospec.knobs.lemonade_models import LOAD_TIMEOUT_S, LemonadeModels, find_loaded
from halospec.knobs.types import KnobError

_POLL_S = 0.02


class Residency(Protocol):
    """Knows and changes what is loaded. Both methods raise EndpointError where the server refuses or is gone."""

    async def command_of(self, model: str) -> tuple[str, ...] | None:
        """Return the command line of a model that is ready to answer, empty if it is not known; None if not ready."""
        ...

    async def load(self, model: str) -> None:
        """Have a model loaded, and return when it is ready.

        Raises
        ------
        KnobError
            If it cannot be loaded.
        """
        ...


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Status(_Answer):
    value: str
    args: tuple[str, ...] = ()
    failed: bool = False
    exit_code: int | None = None


class _RoutedModel(_Answer):
    id: str
    aliases: tuple[str, ...] = ()
    status: _Status


class _RoutedModels(_Answer):
    data: tuple[_RoutedModel, ...]


class RouterResidency:
    """llama-server's router: loads a model when told to, and lets go of the least used one beyond --models-max."""

    def __init__(self, api: ServerApi, *, load_timeout_s: float = LOAD_TIMEOUT_S) -> None:
        self._api = api
        self._load_timeout_s = load_timeout_s

    async def command_of(self, model: str) -> tuple[str, ...] | None:
        """Return the command line of a model's process; None if it is not loaded, or asleep."""
        status = await self._status(model)
        return status.args if status.value == "loaded" else None

    async def load(self, model: str) -> None:
        """Load a model, wake it up, or wait for it if it is being loaded."""
        try:
            with anyio.fail_after(self._load_timeout_s):
                await self._bring(model)
        except TimeoutError:
            raise KnobError(f"The model {model} was not loaded within {self._load_timeout_s:g} s.") from None

    async def _bring(self, model: str) -> None:
        value = (await self._status(model)).value
        if value == "sleeping":
            # Only something to do wakes a model that went to sleep, and this is the least there is.
            await self._api.post_json("/tokenize", {"model": model, "content": "."}, timeout_s=self._load_timeout_s)
        elif value == "unloaded":
            await self._api.post_json("/models/load", {"model": model}, timeout_s=self._load_timeout_s)
        while (status := await self._status(model)).value != "loaded":
            if status.value == "unloaded":
                why = f" (its process ended with status {status.exit_code})" if status.failed else ""
                raise KnobError(f"The model {model} could not be loaded{why}; the server's log says why.")
            await anyio.sleep(_POLL_S)

    async def _status(self, model: str) -> _Status:
        answer = await self._api.get_json("/models")
        try:
            listed = _RoutedModels.model_validate(answer).data
        except ValidationError:
            raise EndpointError(
                f"{self._api.url_of('/models')} does not say which models are loaded, as llama-server's router does.",
                retryable=False,
            ) from None
        for entry in listed:
            if model == entry.id or model in entry.aliases:
                return entry.status
        raise EndpointError(f"The server no longer lists the model {model}.", retryable=False)


class LemonadeResidency:
    """Lemonade: loads a model with the options saved for it, and lets go of others beyond max_loaded_models."""

    def __init__(self, api: ServerApi) -> None:
        self._models = LemonadeModels(api)

    async def command_of(self, model: str) -> tuple[str, ...] | None:
        """Return the command line of a model's process; None if it is not loaded."""
        found = find_loaded(model, await self._models.loaded())
        return None if found is None else found.launch_command

    async def load(self, model: str) -> None:
        """Load a model."""
        await self._models.load(model)
