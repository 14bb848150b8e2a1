"""What llama-server's router says of its models, and what it can be told about them. Seen on b11434.

The router takes ``--models-preset FILE.ini``. ``GET /models?reload=1`` makes it read the file anew: it adds what is
new, drops what is gone, and unloads what runs otherwise than the file now says. ``status.preset`` is a model's section
as the router understands it: the file's ``[*]`` included, and the router's own command line laid *over* it.
"""

from __future__ import annotations

import anyio
from pydantic import BaseModel, ConfigDict

from halospec.aliases.answers import read_as
from halospec.aliases.errors import AliasError
from halospec.aliases.options import Option
from halospec.aliases.types import Patience
from halospec.endpoints.api import ServerApi
from halospec.endpoints.failures import shown
from halospec.endpoints.types import EndpointError

_IN_MEMORY = ("loaded", "sleeping")


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class RouterProps(_Wire):
    """The router's ``/props``; ``max_instances`` of 0 means as many as one likes."""

    role: str | None = None
    max_instances: int | None = None


class _Status(_Wire):
    value: str
    preset: str | None = None
    exit_code: int | None = None


class RouterModel(_Wire):
    """One model that the router knows."""

    id: str
    aliases: tuple[str, ...] = ()
    status: _Status | None = None

    @property
    def is_running(self) -> bool:
        """Whether there is a process for it, ready or not."""
        return self.status is not None and self.status.value != "unloaded"

    @property
    def is_in_memory(self) -> bool:
        """Whether it is ready."""
        return self.status is not None and self.status.value in _IN_MEMORY

    @property
    def options(self) -> tuple[Option, ...]:
        """The model's section as the router understands it, every key spelled the router's own way.

        Raises
        ------
        AliasError
            If the router does not say.
        """
        if self.status is None or self.status.preset is None:
            raise AliasError(f"The router does not say how it runs {shown(self.id)}; use a newer llama-server.")
        lines = self.status.preset.strip("\n").split("\n")[1:]
        if odd := next((line for line in lines if " =" not in line), None):
            raise AliasError(
                f"The router runs {shown(self.id)} with a value of several lines, which a preset file cannot hold"
                f" (at {shown(odd)!r})."
            )
        pairs = (line.partition(" =") for line in lines)
        return tuple(Option(key, (value.strip(),)) for key, _, value in pairs)


class RouterListing(_Wire):
    """All models that the router knows."""

    data: tuple[RouterModel, ...]

    def find(self, name: str) -> RouterModel | None:
        """Return the model of this name."""
        return next((model for model in self.data if model.id == name), None)

    @property
    def taken(self) -> frozenset[str]:
        """All names by which a model can be asked for."""
        return frozenset(name for model in self.data for name in (model.id, *model.aliases))


class RouterModels:
    """Asks one router about its models and changes them.

    Every method raises EndpointError if the server refuses or cannot be reached, and AliasError if it answers otherwise
    than expected.
    """

    def __init__(self, api: ServerApi, patience: Patience) -> None:
        self._api = api
        self._patience = patience

    async def props(self) -> RouterProps:
        """Return what the server is."""
        return read_as(RouterProps, await self._api.get_json("/props"), self._api.url_of("/props"))

    async def listed(self) -> RouterListing:
        """Return all models."""
        return read_as(RouterListing, await self._api.get_json("/models"), self._api.url_of("/models"))

    async def listed_anew(self) -> RouterListing:
        """Return all models after the router has read its preset file again."""
        answer = await self._api.get_json("/models", {"reload": "1"}, timeout_s=self._patience.unload_s)
        return read_as(RouterListing, answer, self._api.url_of("/models"))

    async def load(self, name: str) -> None:
        """Bring a model into memory and wait until it is there.

        Raises
        ------
        AliasError
            If its process ends before that, or it takes too long.
        """
        model = (await self.listed()).find(name)
        if model is None or not model.is_running:
            await self._api.post_json("/models/load", {"model": name}, timeout_s=self._patience.load_s)
        with anyio.move_on_after(self._patience.load_s):
            while True:
                model = (await self.listed()).find(name)
                if model is not None and model.is_in_memory:
                    return
                if model is None or not model.is_running:
                    code = model.status.exit_code if model and model.status else None
                    ended = "" if code is None else f" (its process ended with {code})"
                    raise AliasError(f"{shown(name)} could not be loaded{ended}; the router's own output says why.")
                await anyio.sleep(self._patience.poll_s)
        raise AliasError(f"{shown(name)} was not loaded within {self._patience.load_s:g} s.")

    async def unload(self, name: str) -> None:
        """Take a model out of memory and wait until it is gone; one that is not there is passed over."""
        model = (await self.listed()).find(name)
        if model is None or not model.is_running:
            return
        await self._api.post_json("/models/unload", {"model": name}, timeout_s=self._patience.unload_s)
        with anyio.move_on_after(self._patience.unload_s):
            while True:
                model = (await self.listed()).find(name)
                if model is None or not model.is_running:
                    return
                await anyio.sleep(self._patience.poll_s)
        raise EndpointError(f"{shown(name)} was not unloaded within {self._patience.unload_s:g} s.", retryable=True)
