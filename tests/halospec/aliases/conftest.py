"""Routers and Lemonades to set aliases up on; what the stand-ins can and cannot do is said in their own files."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio.lowlevel
import httpx
import pytest

from halospec.aliases.setup import create_aliases, remove_aliases
from halospec.aliases.types import AliasesCreated, AliasesRemoved, AliasServer, Patience
from halospec.endpoints.api import ServerApi
from lemonade_registry_stand_in import URL as LEMONADE_URL
from lemonade_registry_stand_in import LemonadeRegistryStandIn, hub_path
from preset_router_stand_in import URL as ROUTER_URL
from preset_router_stand_in import PresetRouterStandIn

PRESET = """version = 1
; what I use at home
[*]
threads = 2

[smol]
model = /models/with space/target.bin   ; the big one
md = /models/draft.bin
c = 2048
draft-p-min = 0.5
load-on-startup = true

[plain]
model = C:\\models\\"quoted".bin
"""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Setting:
    """A server, a model of it, and how to create and remove its aliases.

    Attributes
    ----------
    creating
        What `create` is told unless a test says otherwise.
    """

    server: AliasServer
    stand_in: Any
    state_dir: Path
    patience: Patience = field(default_factory=lambda: Patience(poll_s=0.0))
    creating: dict[str, Any] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)

    async def create(self, *lengths: int, model: str | None = None, **more: Any) -> AliasesCreated:
        return await self._with_api(create_aliases, model, list(lengths), **(self.creating | more))

    async def remove(self, model: str | None = None, **more: Any) -> AliasesRemoved:
        return await self._with_api(remove_aliases, model, **more)

    async def _with_api(self, do: Callable[..., Awaitable[Any]], model: str | None, *values: Any, **more: Any) -> Any:
        server = self.server if model is None else replace(self.server, model=model)
        settings = {"state_dir": self.state_dir, "patience": self.patience, "tell": self.told.append, **more}

        async def answer(request: httpx.Request) -> httpx.Response:
            await anyio.lowlevel.checkpoint()
            response: httpx.Response = self.stand_in.handle(request)
            return response

        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
            return await do(server, ServerApi(client, server.base_url), *values, **settings)

    @property
    def states(self) -> list[Path]:
        return sorted(self.state_dir.glob("*")) if self.state_dir.exists() else []


MakeSetting = Callable[[Path], Setting]


def router_in(directory: Path) -> Setting:
    """A router that reads the preset file which `create` is told."""
    directory.mkdir(exist_ok=True)
    preset = directory / "models.ini"
    preset.write_text(PRESET)
    server = AliasServer("llama_server", ROUTER_URL, "smol")
    return Setting(server, PresetRouterStandIn(preset), directory / "state", creating={"preset": preset})


def lemonade_in(directory: Path) -> Setting:
    """A Lemonade with a target and a draft from the hub, one of the two files shared with another model."""
    stand_in = LemonadeRegistryStandIn(disk={hub_path("org/smol-GGUF", "Q4_1"), hub_path("org/draft-GGUF", "Q4_0")})
    stand_in.add("user.smol", "huggingface", main="org/smol-GGUF:Q4_1", draft="org/draft-GGUF:Q4_0")
    stand_in.add("Built-in", "huggingface", main="org/smol-GGUF:Q4_1")
    return Setting(AliasServer("lemonade", LEMONADE_URL, "smol"), stand_in, directory / "state")


@pytest.fixture
def router(tmp_path: Path) -> Setting:
    return router_in(tmp_path / "router")


@pytest.fixture
def lemonade(tmp_path: Path) -> Setting:
    return lemonade_in(tmp_path / "lemonade")


@pytest.fixture(params=[router_in, lemonade_in], ids=["router", "lemonade"])
def setting_in(request: pytest.FixtureRequest) -> MakeSetting:
    """Either of them, as often as wanted, each in a directory of its own."""
    make: MakeSetting = request.param
    return make
