"""A stand-in for the parts of Lemonade that register, run and delete models, over httpx.MockTransport.

It answers in the shapes recorded from Lemonade 11.7.0. What a checkpoint leads to and what a deletion deletes follow
that version's ``ModelManager``: paths exist or not in ``disk``, a set of strings, and ``POST /delete`` really takes
them out. No file list, no deletion and no model from the hub was recorded; these follow the source alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import httpx

URL = "http://127.0.0.1:13305/api/v1"
HUB = "/home/user/.cache/huggingface/hub"
_LOCAL = ("local_path", "extra_models_dir")
_DEFAULTS = {"ctx_size": -1, "llamacpp_args": "", "llamacpp_backend": "vulkan", "merge_args": True, "auto_evict": None}


@dataclass
class LemonadeRegistryStandIn:
    """The server.

    Attributes
    ----------
    disk
        The model files that there are.
    models
        What is registered, by full name (``user.smol``; a model that came with Lemonade has no prefix).
    loaded
        The command line of each model in memory, by full name, in the order of loading.
    answers
        Called with each request before it is answered; may raise, or give another answer.
    """

    disk: set[str] = field(default_factory=set)
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    loaded: dict[str, list[str]] = field(default_factory=dict)
    limit: int = 1
    answers: Callable[[httpx.Request], httpx.Response | None] = lambda _: None
    seen: list[tuple[str, Any]] = field(default_factory=list)

    def add(self, name: str, source: str, **checkpoints: str) -> None:
        self.models[name] = {
            "recipe": "llamacpp", "source": source, "checkpoints": checkpoints, "labels": ["chat", "custom"]
        }  # fmt: skip

    def snapshot(self) -> object:
        """Return all that somebody could miss."""
        return deepcopy((self.disk, self.models, self.options, self.loaded, self.limit))

    def posted(self, path: str) -> list[Any]:
        return [body for what, body in self.seen if what == f"POST {path}"]

    def handle(self, request: httpx.Request) -> httpx.Response:
        path = unquote(request.url.raw_path.decode()).removeprefix("/api/v1")
        body = json.loads(request.content) if request.content else {}
        self.seen.append((f"{request.method} {path}", body))
        told = self.answers(request)
        if told is not None:
            return told
        match [request.method, *path.removeprefix("/").split("/")]:
            case ["GET", "health"]:
                return _ok(self._health())
            case ["GET", "models?show_all=true"]:
                return _ok({"data": [self._shown(name) for name in self.models], "object": "list"})
            case ["POST", "internal", "set"]:
                self.limit = body["max_loaded_models"]
                return _ok({"status": "success", "updated": body})
            case ["POST", "models", "register"]:
                return self._register(body)
            case ["POST", "load" | "unload" | "delete" as verb]:
                name = self._resolved(body["model_name"])
                if name is None:
                    return _error(404, "Model not found")
                return {"load": self._load, "unload": self._unload, "delete": self._delete}[verb](name)
            case [method, "models", *words]:
                return self._about(method, words, body)
        return httpx.Response(404, json={"error": {"message": "The requested endpoint does not exist", "path": path}})

    def listed_name(self, name: str) -> str:
        return name.removeprefix("user.")

    def leads_to(self, name: str) -> dict[str, str]:
        """Return what each checkpoint resolves to, whether it is there or not."""
        model = self.models[name]
        return {role: _resolved_path(self.disk, model["source"], place) for role, place in model["checkpoints"].items()}

    def _about(self, method: str, words: list[str], body: dict[str, Any]) -> httpx.Response:
        *words, last = words
        name = self._resolved("/".join([*words, last] if last not in ("files", "options") else words))
        if name is None:
            return _error(404, "Model not found")
        if last == "files":
            files = [
                {"name": path.rsplit("/", 1)[-1], "role": role, "size_bytes": 0, "exists": path in self.disk}
                for role, path in self.leads_to(name).items()
                if path
            ]
            return _ok({"model_id": self.listed_name(name), "files": files})
        if last == "options":
            if method == "DELETE":
                self.options.pop(name, None)
            elif method == "POST":
                unknown = set(body) - set(_DEFAULTS)
                if unknown:
                    return _error(400, f"Unknown option '{unknown.pop()}' for recipe 'llamacpp'")
                self.options.setdefault(name, {}).update(body)
            return _ok(self._run_options(name))
        return _ok(self._shown(name))

    def _register(self, body: dict[str, Any]) -> httpx.Response:
        name, main = body["model_name"], body["checkpoints"]["main"]
        if not name.startswith("user."):
            return _error(400, "Registered model definitions must use a non-empty `user.*` name")
        if name not in self.models and "gguf" in main.lower() and ":" not in main:
            return httpx.Response(
                500, json={"error": "You are required to provide a 'variant' in the checkpoint field"}
            )
        labels = sorted({"chat", "custom", *body.get("labels", ())})
        self.models[name] = {
            "recipe": body["recipe"], "source": body["source"], "checkpoints": body["checkpoints"], "labels": labels
        }  # fmt: skip
        answer = {"status": "success", "model_name": self.listed_name(name), "canonical_model_name": name}
        return _ok({**answer, "model": self._shown(name)})

    def _load(self, name: str) -> httpx.Response:
        if not self._shown(name)["downloaded"]:
            raise AssertionError(f"{name} would have been downloaded")
        arguments = self._run_options(name)["effective"]["llamacpp_args"]
        if "--broken" in arguments:
            return _error(500, f"Failed to load model '{name}': llama-server failed to start")
        self.loaded.pop(name, None)
        while self.limit != -1 and len(self.loaded) >= self.limit:
            del self.loaded[next(iter(self.loaded))]
        paths = self.leads_to(name)
        draft = ["--model-draft", paths["draft"]] if "draft" in paths else []
        self.loaded[name] = ["llama-server", "-m", paths["main"], "--ctx-size", "2048", *draft, *arguments.split()]
        return _ok({"status": "success", "model_name": name, "recipe": "llamacpp"})

    def _unload(self, name: str) -> httpx.Response:
        if name not in self.loaded:
            return httpx.Response(404, json={"error": f"Model not loaded: {name}"})
        del self.loaded[name]
        return _ok({"message": "Model unloaded successfully", "model_name": name, "status": "success"})

    def _delete(self, name: str) -> httpx.Response:
        path = self.leads_to(name)["main"]
        if path:
            folder = next((part for part in path.split("/") if part.startswith("models--")), None)
            if folder is None:
                return httpx.Response(500, json={"error": f"Could not find models-- directory in path: {path}"})
            shares = any(f"/{folder}/" in f"{self.leads_to(other)['main']}/" for other in self.models if other != name)
            self.disk -= {file for file in self.disk if file == path or (not shares and f"/{folder}/" in file)}
        del self.models[name]
        self.loaded.pop(name, None)
        return _ok({"status": "success", "message": f"Deleted model: {name}"})

    def _resolved(self, name: str) -> str | None:
        return next((full for full in (f"user.{name}", name) if full in self.models), None)

    def _shown(self, name: str) -> dict[str, Any]:
        model = self.models[name]
        here = all(path in self.disk for path in self.leads_to(name).values())
        return {
            "id": self.listed_name(name), "object": "model", "owned_by": "lemonade", "downloaded": here,
            "checkpoint": model["checkpoints"]["main"], "recipe_options": {}, "registry_source": "huggingface", **model,
        }  # fmt: skip

    def _run_options(self, name: str) -> dict[str, Any]:
        saved = self.options.get(name, {})
        effective = {**_DEFAULTS, **saved, "model_name": name}
        size = effective["ctx_size"] if effective["ctx_size"] > 0 else 4096
        return {"effective": effective, "model_name": name, "resolved_ctx_size": size, "saved": saved}

    def _health(self) -> dict[str, Any]:
        loaded = [
            {"model_name": self.listed_name(name), "type": "llm", "launch_command": command, "loaded": True}
            for name, command in self.loaded.items()
        ]
        return {"all_models_loaded": loaded, "max_models": {"llm": self.limit, "tts": self.limit}, "status": "ok"}


def hub_path(repository: str, variant: str) -> str:
    """Return where a file from the hub lies."""
    return f"{_hub_folder(repository)}/snapshots/c0ffee/{variant}.gguf"


def _hub_folder(repository: str) -> str:
    return f"{HUB}/models--{repository.replace('/', '--')}"


def _resolved_path(disk: set[str], source: str, place: str) -> str:
    if source in _LOCAL:
        return place
    repository, _, variant = place.partition(":")
    folder = _hub_folder(repository)
    if not any(file.startswith(f"{folder}/") for file in disk):
        return folder
    path = hub_path(repository, variant)
    return path if path in disk else ""


def _ok(answer: Any) -> httpx.Response:
    return httpx.Response(200, json=answer)


def _error(code: int, message: str) -> httpx.Response:
    return httpx.Response(code, json={"error": {"code": code, "message": message}})
