"""The part of Lemonade's API that loads models: what is loaded and with which arguments, load, unload."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import TypeVar
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from pydantic_core import to_json

from halospec.endpoints.api import ServerApi
from halospec.endpoints.types import EndpointError
from halospec.knobs.arguments import secrets_in, split_arguments

LOAD_TIMEOUT_S = 600.0
LLAMACPP = "llamacpp"
_PREFIXES = ("user.", "extra.", "builtin.")


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


_AnswerT = TypeVar("_AnswerT", bound=_Answer)


class LoadedModel(_Answer):
    """One of ``all_models_loaded`` on the health page.

    Attributes
    ----------
    recipe_options
        Opaque to us but for ``llamacpp_args``, and sent back as they are to load the model in the same way.
    launch_command
        The very command line of the process behind it; empty where Lemonade does not say (its first versions).
    """

    model_name: str
    type: str = "llm"
    recipe: str = ""
    recipe_options: dict[str, JsonValue] = {}
    pinned: bool = False
    last_use: float = 0.0
    launch_command: tuple[str, ...] = ()

    @property
    def llamacpp_args(self) -> str:
        """Arguments that it was loaded with, beyond Lemonade's own."""
        return _args_in(self.recipe_options)

    @property
    def load_options(self) -> dict[str, JsonValue]:
        """What to have it loaded with for it to be as it is."""
        return {**self.recipe_options, "pinned": self.pinned}

    @property
    def options_in_words(self) -> str:
        """The same as text, keys and tokens left out."""
        text = to_json(self.load_options).decode()
        for secret in secrets_in(split_as_lemonade_does(self.llamacpp_args)):
            text = text.replace(secret, "***")
        return text

    @property
    def command(self) -> tuple[str, ...]:
        """What it runs with, as far as Lemonade says."""
        return self.launch_command or split_as_lemonade_does(self.llamacpp_args)


class ModelDescription(_Answer):
    """``GET models/{id}``, or one entry of ``GET models``: how a model is registered, in memory or not."""

    id: str
    recipe: str = ""
    labels: tuple[str, ...] = ()
    checkpoints: dict[str, str] = {}
    source: str = ""
    downloaded: bool = False
    recipe_options: dict[str, JsonValue] = {}

    @property
    def speculation_type(self) -> str | None:
        """llama-server's ``--spec-type`` for the draft that this model is registered with; None if it has none.

        Lemonade adds it by itself, as it runs the model, where it is not ``draft-simple``. A draft for DFlash is handed
        to llama-server only where the model is labelled so too.
        """
        draft = PurePosixPath(self.checkpoints.get("draft", "").replace("\\", "/").replace(":", "/")).name.lower()
        is_dflash = draft.startswith("dflash-") or draft == "dflash.gguf"
        if is_dflash and "dflash" in self.labels:
            return "draft-dflash"
        if "mtp" in self.labels:
            return "draft-mtp"
        return "draft-simple" if draft and not is_dflash else None


class _Health(_Answer):
    all_models_loaded: tuple[LoadedModel, ...]


class _Options(_Answer):
    effective: dict[str, JsonValue] = Field(default_factory=dict)


class LemonadeModels:
    """Asks a Lemonade for its models and has them loaded. All methods raise EndpointError if that fails."""

    def __init__(self, api: ServerApi) -> None:
        self._api = api

    async def loaded(self) -> tuple[LoadedModel, ...]:
        """Return what is loaded now."""
        return self._read(_Health, "health", await self._api.get_json("health")).all_models_loaded

    async def description(self, model: str) -> ModelDescription:
        """Return how a model is registered."""
        path = model_path(model)
        return self._read(ModelDescription, path, await self._api.get_json(path))

    async def arguments_by_default(self, described: ModelDescription) -> str:
        """Return the ``llamacpp_args`` that a model which is not loaded would be loaded with."""
        options = await self._api.find_json(f"{model_path(described.id)}/options")
        try:
            return _args_in(_Options.model_validate(options).effective)
        except ValidationError:
            # Versions without that page tell what was saved for the model with the model itself.
            return _args_in(described.recipe_options)

    async def load(self, model: str, options: Mapping[str, JsonValue] | None = None) -> None:
        """Have a model loaded, and return when it is; nothing happens if it is, with these options.

        Parameters
        ----------
        options
            For this time only; none are kept for the next.
        """
        # Lemonade answers when the model is loaded, which may include fetching it.
        await self._api.post_json(
            "load", {**(options or {}), "model_name": model, "save_options": False}, timeout_s=LOAD_TIMEOUT_S
        )

    async def load_again(self, model: LoadedModel) -> None:
        """Have a model loaded as it was."""
        await self.load(model.model_name, model.load_options)

    async def unload(self, model: str) -> None:
        """Have a model unloaded."""
        await self._api.post_json("unload", {"model_name": model}, timeout_s=LOAD_TIMEOUT_S)

    def _read(self, kind: type[_AnswerT], path: str, answer: JsonValue) -> _AnswerT:
        try:
            return kind.model_validate(answer)
        except ValidationError:
            raise EndpointError(
                f"{self._api.url_of(path)} does not answer as Lemonade does; reloading works with Lemonade alone.",
                retryable=False,
            ) from None


def split_as_lemonade_does(args: str) -> tuple[str, ...]:
    """Return the arguments in ``llamacpp_args``: quotation marks group, and a backslash stands for itself."""
    try:
        return split_arguments(args, backslash_escapes=False)
    except ValueError:
        # Lemonade does not mind a quotation mark that is not closed.
        return tuple(args.split())


def find_loaded(model: str, loaded: Iterable[LoadedModel]) -> LoadedModel | None:
    """Return a model among those that are loaded; ``user.X`` is the long name of the model that is listed as ``X``."""
    return next((m for m in loaded if _public(m.model_name) == _public(model)), None)


def bare_name(model: str) -> str:
    """Return a model's name without the prefix that says where it comes from."""
    return next((model.removeprefix(prefix) for prefix in _PREFIXES if model.startswith(prefix)), model)


def model_path(model: str) -> str:
    """Return where the pages about a model are."""
    return f"models/{quote(model, safe='')}"


def _public(model: str) -> str:
    return model.removeprefix("user.")


def _args_in(options: Mapping[str, JsonValue]) -> str:
    args = options.get("llamacpp_args")
    return args if isinstance(args, str) else ""
