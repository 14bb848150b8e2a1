"""A stand-in for llama-server's router as far as its preset file goes, over httpx.MockTransport.

It reads a real file by the grammar of b11434's common/preset.cpp and answers in the shapes recorded from b11434. It
loads nothing: a model is ``loading`` for a look or two and then ``loaded``, or has ended, as a test wants.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

URL = "http://127.0.0.1:8080/v1"
_SPELLED = {"c": "ctx-size", "np": "parallel", "md": "model-draft", "spec-draft-model": "model-draft"}
_KNOWN = re.compile(r"(spec|draft|model|ctx|parallel|threads|chat|load|metrics|jinja|hf)[a-z-]*")
_LOOKS_UNTIL_LOADED = 2


@dataclass
class Instance:
    """A model and its process, which may not be there."""

    options: dict[str, str]
    value: str = "unloaded"
    looks: int = 0
    exit_code: int | None = None


@dataclass
class PresetRouterStandIn:
    """The router.

    Attributes
    ----------
    command_line
        Laid over every section, as the real one does with its own.
    breaks, never_ready
        Models whose process ends while it loads, and those that load forever.
    answers
        Called with each request before it is answered; may raise, or give another answer.
    """

    preset: Path
    command_line: dict[str, str] = field(default_factory=dict)
    max_instances: int = 0
    role: str = "router"
    breaks: frozenset[str] = frozenset()
    never_ready: frozenset[str] = frozenset()
    answers: Callable[[httpx.Request], httpx.Response | None] = lambda _: None
    instances: dict[str, Instance] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.reload()

    def reload(self) -> None:
        sections = self._sections()
        self.instances = {
            name: self.instances[name] if self._runs_so(name, options) else Instance(options)
            for name, options in sections.items()
        }

    def running(self) -> set[str]:
        return {name for name, instance in self.instances.items() if instance.value != "unloaded"}

    def snapshot(self) -> object:
        """Return all that somebody could miss."""
        return self.preset.read_bytes(), self.running(), {name: it.options for name, it in self.instances.items()}

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(f"{request.method} {request.url.raw_path.decode()}")
        body = json.loads(request.content) if request.content else {}
        told = self.answers(request)
        if told is not None:
            return told
        match (request.method, request.url.path):
            case ("GET", "/props"):
                return _ok({"role": self.role, "max_instances": self.max_instances, "models_autoload": True})
            case ("GET", "/models" | "/v1/models"):
                if request.url.params.get("reload"):
                    try:
                        self.reload()
                    except ValueError as problem:
                        return _error(500, str(problem))
                return _ok({"data": [self._listed(name) for name in sorted(self.instances)], "object": "list"})
            case ("POST", "/models/load"):
                return self._load(body["model"])
            case ("POST", "/models/unload"):
                return self._unload(body["model"])
        return _error(404, "File Not Found")

    def _load(self, name: str) -> httpx.Response:
        if name not in self.instances:
            return _error(404, "model is not found")
        if self.instances[name].value != "unloaded":
            return _error(400, "model is already running")
        self.instances[name] = Instance(self.instances[name].options, "loading")
        return _ok({"success": True})

    def _unload(self, name: str) -> httpx.Response:
        if name not in self.running():
            return _error(400, "model is not running")
        self.instances[name] = Instance(self.instances[name].options)
        return _ok({"success": True})

    def _listed(self, name: str) -> dict[str, Any]:
        instance = self.instances[name]
        if instance.value == "loading" and name not in self.never_ready:
            instance.looks += 1
            if instance.looks > _LOOKS_UNTIL_LOADED:
                instance.value = "unloaded" if name in self.breaks else "loaded"
                instance.exit_code = 1 if name in self.breaks else None
        lines = [f"[{name}]", *(f"{key} = {value}" for key, value in sorted(instance.options.items())), "", ""]
        status: dict[str, Any] = {"value": instance.value, "args": ["llama-server"], "preset": "\n".join(lines)}
        if instance.exit_code is not None:
            status |= {"exit_code": instance.exit_code, "failed": True}
        return {"id": name, "aliases": [], "object": "model", "owned_by": "llamacpp", "status": status}

    def _runs_so(self, name: str, options: dict[str, str]) -> bool:
        return name in self.instances and self.instances[name].options == options

    def _sections(self) -> dict[str, dict[str, str]]:
        sections: dict[str, dict[str, str]] = {}
        here = ""
        for line in re.split(r"\r\n|\n|\r", self.preset.read_text()):
            text = re.split(r"[ \t]*[;#]", line, maxsplit=1)[0].strip()
            if text.startswith("["):
                here = text[1 : text.index("]")]
                sections[here] = {}
            elif "=" in text:
                key, _, value = (part.strip() for part in text.partition("="))
                key = _SPELLED.get(key, key)
                if key == "version":
                    continue
                if not _KNOWN.fullmatch(key):
                    raise ValueError(f"option '{key}' not recognized in preset '{here}'")
                sections[here][key] = value
        shared = sections.pop("*", {})
        return {name: {**shared, **options, **self.command_line} for name, options in sections.items()}


def _ok(answer: Any) -> httpx.Response:
    return httpx.Response(200, json=answer)


def _error(code: int, message: str) -> httpx.Response:
    return httpx.Response(code, json={"error": {"code": code, "message": message, "type": "invalid_request_error"}})
