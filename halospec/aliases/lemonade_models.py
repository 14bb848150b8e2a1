"""What Lemonade says of its models, and what it can be told about them (docs/api/lemonade.md there; seen on 11.7.0).

A name has two forms there. A model is registered as ``user.smol-k4`` and listed as ``smol-k4`` (with the prefix only if
another model has the bare name); either can be asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue

from halospec.aliases.answers import read_as
from halospec.aliases.errors import AliasError
from halospec.aliases.options import Option, join_words, split_options, split_words
from halospec.aliases.state import Definition
from halospec.aliases.types import Patience
from halospec.endpoints.api import ServerApi
from halospec.endpoints.failures import shown
from halospec.endpoints.types import EndpointError
from halospec.knobs.lemonade_models import LoadedModel, ModelDescription, find_loaded, model_path

UNLIMITED = -1
_ARGS = "llamacpp_args"
_Answer = TypeVar("_Answer", bound=BaseModel)


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class ModelFile(_Wire):
    """One file or folder that a model's checkpoint leads to, there or not."""

    name: str
    exists: bool


class Residents(_Wire):
    """What is in memory, and how many models of a type may be."""

    all_models_loaded: tuple[LoadedModel, ...]
    max_models: dict[str, int] = {}

    def find(self, name: str) -> LoadedModel | None:
        """Return a model in memory by either form of its name."""
        return find_loaded(name, self.all_models_loaded)

    @property
    def language_models(self) -> tuple[LoadedModel, ...]:
        """Those that count against ``limit``."""
        return tuple(model for model in self.all_models_loaded if model.type == "llm")

    @property
    def limit(self) -> int:
        """How many language models may be in memory."""
        return self.max_models.get("llm", UNLIMITED)


class RunOptions(_Wire):
    """How a model is run: ``effective`` is the body of the ``POST /load`` that would run it so."""

    effective: dict[str, JsonValue]
    resolved_ctx_size: int | None = None

    @property
    def arguments(self) -> tuple[Option, ...]:
        """The arguments for llama-server beyond those that Lemonade sets itself."""
        value = self.effective.get(_ARGS)
        return split_options(split_words(value if isinstance(value, str) else ""))


class _Listing(_Wire):
    data: tuple[ModelDescription, ...]


class _Registered(_Wire):
    model_name: str
    model: ModelDescription


class _Files(_Wire):
    files: tuple[ModelFile, ...]


def forms_of(name: str) -> tuple[str, ...]:
    """Return the names by which a registered model may be listed."""
    return (name, name.removeprefix("user."))


class LemonadeModels:
    """Asks one Lemonade about its models and changes them.

    Every method raises EndpointError if the server refuses or cannot be reached, and AliasError if it answers otherwise
    than expected.
    """

    def __init__(self, api: ServerApi, patience: Patience) -> None:
        self._api = api
        self._patience = patience

    async def listed(self) -> Mapping[str, ModelDescription]:
        """Return all models by the names under which they are listed, those included whose files are not there."""
        answer = await self._api.get_json("models", {"show_all": "true"})
        return {model.id: model for model in read_as(_Listing, answer, self._api.url_of("models")).data}

    async def model(self, name: str) -> ModelDescription:
        """Return one model."""
        return await self._get(ModelDescription, model_path(name))

    async def files(self, name: str) -> tuple[ModelFile, ...]:
        """Return what the model's checkpoints lead to: what a deletion would delete."""
        return (await self._get(_Files, f"{model_path(name)}/files")).files

    async def options(self, name: str) -> RunOptions:
        """Return how the model would be run."""
        return await self._get(RunOptions, f"{model_path(name)}/options")

    async def residents(self) -> Residents:
        """Return what is in memory."""
        return await self._get(Residents, "health")

    async def set_limit(self, limit: int) -> None:
        """Set how many models of a type may be in memory; Lemonade keeps it beyond its own end."""
        await self._api.post_json("/internal/set", {"max_loaded_models": limit})

    async def register(self, name: str, definition: Definition) -> str:
        """Register a model or register it anew, and return the name under which it is listed.

        Raises
        ------
        AliasError
            If Lemonade has taken it otherwise than it was meant.
        """
        body: dict[str, JsonValue] = {
            "model_name": name,
            "recipe": definition.recipe,
            "checkpoints": dict(definition.checkpoints),
            "source": definition.source,
        }
        if definition.labels:
            body["labels"] = list(definition.labels)
        answer = await self._api.post_json("models/register", body)
        registered = read_as(_Registered, answer, self._api.url_of("models/register"))
        if registered.model.checkpoints != definition.checkpoints:
            raise AliasError(f"Lemonade registered {shown(name)} with other files than it was told to.")
        return registered.model_name

    async def run_with(self, name: str, arguments: tuple[Option, ...], like: RunOptions) -> RunOptions:
        """Save how a model is run: like another, but with these arguments; return how it would be run now."""
        body = {key: value for key, value in like.effective.items() if key != "model_name"}
        body[_ARGS] = join_words(arguments)
        # Sized by the memory that happens to be free, each alias would have another context.
        if like.resolved_ctx_size is not None and like.resolved_ctx_size > 0:
            body["ctx_size"] = like.resolved_ctx_size
        answer = await self._api.post_json(f"{model_path(name)}/options", body)
        return read_as(RunOptions, answer, self._api.url_of(f"{model_path(name)}/options"))

    async def reset_options(self, name: str) -> None:
        """Forget how a model is run."""
        await self._api.delete(f"{model_path(name)}/options")

    async def load(self, name: str) -> None:
        """Bring a model into memory and wait until it is there."""
        await self._api.post_json("load", {"model_name": name}, timeout_s=self._patience.load_s)

    async def unload(self, name: str) -> None:
        """Take a model out of memory if it is there."""
        if (await self.residents()).find(name) is None:
            return
        # Between the look and the command it may go by itself, which Lemonade then answers with 404.
        with suppress(EndpointError):
            await self._api.post_json("unload", {"model_name": name}, timeout_s=self._patience.unload_s)
        if (await self.residents()).find(name) is not None:
            raise AliasError(f"Lemonade does not unload {shown(name)}.")

    async def delete(self, name: str) -> None:
        """Delete a model, *its files included*."""
        await self._api.post_json("delete", {"model_name": name}, timeout_s=self._patience.unload_s)

    async def _get(self, kind: type[_Answer], path: str) -> _Answer:
        return read_as(kind, await self._api.get_json(path), self._api.url_of(path))
