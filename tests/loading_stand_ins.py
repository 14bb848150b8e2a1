"""Stand-ins for the parts of llama-server's router and of Lemonade that load models, as state machines.

Both answer over httpx.MockTransport in the shapes that were recorded from a llama-server b11434 and a Lemonade 11.7.0.
They decode nothing and take no time.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from halospec.endpoints.api import ServerApi
from halospec.endpoints.connection import ConnectionSettings, open_client

Post = tuple[str, dict[str, Any]]


class StandInServer(ABC):
    """Notes what it was told to do, and answers."""

    base_url: str

    def __init__(self) -> None:
        self.posts: list[Post] = []

    @abstractmethod
    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        """Return a status and what is said with it."""

    def handle(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content) if request.content else {}
        path = request.url.raw_path.decode()
        if request.method == "POST":
            self.posts.append((path, body))
        status, answer = self.answer(request.method, path, body)
        return httpx.Response(status, json=answer)

    @asynccontextmanager
    async def api(self) -> AsyncIterator[ServerApi]:
        """Give the API that asks it."""
        transport = httpx.MockTransport(self.handle)
        async with open_client(self.base_url, ConnectionSettings(), transport) as client:
            yield ServerApi(client, self.base_url)


@dataclass
class RoutedModel:
    """A model of the router's; loading it takes a few looks at the list."""

    status: str = "unloaded"
    breaks: bool = False
    looks_until_loaded: int = 0
    exit_code: int = 0


class StandInRouter(StandInServer):
    """Stands for llama-server in router mode with ``--no-models-autoload``."""

    base_url = "http://router/v1"

    def __init__(self, *names: str, models_max: int = 9) -> None:
        super().__init__()
        self.models = {name: RoutedModel() for name in names}
        self._models_max = models_max

    @property
    def loaded(self) -> list[str]:
        return [name for name, model in self.models.items() if model.status == "loaded"]

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        if (method, path) == ("GET", "/models"):
            self._go_on()
            return 200, {"data": [self._entry(name) for name in self.models], "object": "list"}
        model = self.models.get(body.get("model", ""))
        if model is None:
            return 404, _llama_error(404, "model is not found", "not_found_error")
        if path == "/models/load":
            if model.status != "unloaded":
                return 400, _llama_error(400, "model is already running", "invalid_request_error")
            self._make_room()
            model.status, model.looks_until_loaded = "loading", 2
            return 200, {"success": True}
        if path == "/tokenize":
            model.status = "loaded"
            return 200, {"tokens": [30]}
        return 404, _llama_error(404, "File Not Found", "not_found_error")

    def _make_room(self) -> None:
        if len(self.loaded) >= self._models_max:
            self.models[self.loaded[0]].status = "unloaded"

    def _go_on(self) -> None:
        for model in self.models.values():
            if model.status != "loading":
                continue
            model.looks_until_loaded -= 1
            if model.looks_until_loaded == 0:
                model.status, model.exit_code = ("unloaded", 1) if model.breaks else ("loaded", 0)

    def _entry(self, name: str) -> dict[str, Any]:
        model = self.models[name]
        status: dict[str, Any] = {"value": model.status, "args": ["llama-server", "--alias", name], "preset": ""}
        if model.exit_code:
            status |= {"exit_code": model.exit_code, "failed": True}
        return {"id": name, "aliases": [], "tags": [], "object": "model", "status": status, "source": "preset"}


@dataclass
class LemonadeModel:
    """A model that Lemonade knows."""

    recipe: str = "llamacpp"
    checkpoints: dict[str, str] = field(default_factory=lambda: {"main": "/srv/models/main.gguf"})
    labels: list[str] = field(default_factory=lambda: ["custom", "chat"])
    saved: dict[str, Any] = field(default_factory=dict)


DRAFTED = {"main": "/srv/models/main.gguf", "draft": "/srv/models/draft.gguf"}


class StandInLemonade(StandInServer):
    """Stands for Lemonade.

    Parameters
    ----------
    server_args
        ``llamacpp_args`` of its own, merged below a model's.
    """

    base_url = "http://lemonade/api/v1"

    def __init__(self, *, models_max: int = 1, server_args: str = "", **models: LemonadeModel) -> None:
        super().__init__()
        self.models = models
        self.loaded: dict[str, dict[str, Any]] = {}
        self.has_options_page = True
        self._models_max = models_max
        self._server_args = server_args
        self._uses = 0

    def is_loaded_with(self, name: str, **options: Any) -> None:
        """Begin with a model loaded."""
        self._load(name, {"ctx_size": 2048, "llamacpp_backend": "cpu", "llamacpp_args": "", **options})

    def forget(self, name: str) -> None:
        """Let go of a model, as it does when one was idle for long."""
        del self.loaded[name]

    def options_of(self, name: str) -> dict[str, Any]:
        """Return what a loaded model runs with."""
        entry = self.loaded[name]
        return {**entry["recipe_options"], "pinned": entry["pinned"]}

    def args_of(self, name: str) -> str:
        """Return a loaded model's ``llamacpp_args``."""
        args: str = self.loaded[name]["recipe_options"]["llamacpp_args"]
        return args

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        route = path.removeprefix("/api/v1/")
        if (method, route) == ("GET", "health"):
            loaded = list(self.loaded.values())
            return 200, {"all_models_loaded": loaded, "max_models": {"llm": self._models_max}, "status": "ok"}
        if method == "GET" and route.startswith("models/"):
            return self._page(*route.split("/")[1:])
        name = body.get("model_name", "").removeprefix("user.")
        if route == "unload":
            if name not in self.loaded:
                return 404, {"error": f"Model not loaded: {name}"}
            del self.loaded[name]
            return 200, {"message": "Model unloaded successfully", "model_name": name, "status": "success"}
        if name not in self.models:
            return 404, _lemonade_error(name, "model_not_found", f"Model '{name}' was not found.")
        return self._answer_load(name, body)

    def _page(self, name: str, page: str = "") -> tuple[int, Any]:
        name = name.removeprefix("user.")
        model = self.models.get(name)
        if model is None or (page and not self.has_options_page):
            return 404, {"error": {"message": "Not found"}}
        if page == "options":
            effective = {"ctx_size": -1, "llamacpp_args": "", "merge_args": True, **model.saved}
            return 200, {"model_name": name, "recipe": model.recipe, "effective": effective, "saved": model.saved}
        return 200, {
            "id": name,
            "recipe": model.recipe,
            "checkpoint": model.checkpoints["main"],
            "checkpoints": model.checkpoints,
            "labels": model.labels,
            "recipe_options": model.saved,
        }

    def _answer_load(self, name: str, body: dict[str, Any]) -> tuple[int, Any]:
        options = {key: value for key, value in body.items() if key not in ("model_name", "save_options")}
        args = options.get("llamacpp_args", self.models[name].saved.get("llamacpp_args", ""))
        if "-md" in args.split():
            said = "Argument '-md' is managed by Lemonade and cannot be overridden."
            return 500, _lemonade_error(name, "model_load_error", said)
        if "--no-such-flag" in args.split():
            self.loaded.clear()
            said = f"Failed to load model '{name}': llama-server failed to start"
            return 500, _lemonade_error(name, "model_load_error", said)
        self._load(name, {**options, "llamacpp_args": args})
        return 200, {"checkpoint": "x", "model_name": name, "recipe": "llamacpp", "status": "success"}

    def _load(self, name: str, options: dict[str, Any]) -> None:
        pinned = options.pop("pinned", False)
        others = [other for other in self.loaded if other != name]
        while len(others) >= self._models_max:
            del self.loaded[others.pop(0)]
        model = self.models[name]
        args = _merged(options["llamacpp_args"], self._server_args if options.get("merge_args", True) else "")
        drafted = ["--model-draft", model.checkpoints["draft"]] if "draft" in model.checkpoints else []
        self._uses += 1
        self.loaded[name] = {
            "model_name": name,
            "recipe": model.recipe,
            "recipe_options": {**options, "llamacpp_args": args},
            "pinned": pinned,
            "last_use": self._uses,
            "launch_command": ["llama-server", "-m", "main.gguf", "--jinja", "--metrics", *drafted, *args.split()],
        }


def _merged(args: str, server_args: str) -> str:
    flags = args.split()
    return args if not server_args or server_args.split()[0] in flags else f"{args} {server_args}".strip()


def _llama_error(code: int, message: str, kind: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "type": kind}}


def _lemonade_error(model: str, code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "param": "model", "requested_model": model, "type": code}}


def loads(posts: Iterable[Post]) -> list[str]:
    """Return which models were asked to be loaded, in order."""
    return [body.get("model") or body["model_name"] for path, body in posts if path.endswith("/load")]
