"""What was created and what has to be put back, written down before anything is changed."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Annotated, Literal

import httpx
import platformdirs
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from halospec.aliases.errors import AliasError
from halospec.aliases.replacement import replace_file
from halospec.endpoints.connection import is_loopback
from halospec.endpoints.failures import shown


class _State(BaseModel):
    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    base_url: str
    model: str


class RouterState(_State):
    """Aliases on llama-server's router.

    Attributes
    ----------
    preset
        The file with the block; absolute.
    """

    kind: Literal["llama_server"] = "llama_server"
    names: tuple[str, ...]
    preset: Path


class Definition(BaseModel):
    """How a model is registered with Lemonade.

    Attributes
    ----------
    checkpoints
        By role (``main``, ``draft``): a place on a hub, or a path.
    source
        Where they are: ``huggingface``, ``modelscope``, ``local_path``.
    """

    model_config = ConfigDict(frozen=True)

    recipe: str
    checkpoints: dict[str, str]
    source: str
    labels: tuple[str, ...] = ()


class RegisteredAlias(BaseModel):
    """One alias on Lemonade, under its full name, such as ``user.smol-k4``."""

    model_config = ConfigDict(frozen=True)

    name: str
    definition: Definition


class LemonadeState(_State):
    """Aliases on Lemonade.

    Attributes
    ----------
    limit_before, limit_set
        ``max_loaded_models`` as it was and as it was made; None where it was enough.
    """

    kind: Literal["lemonade"] = "lemonade"
    aliases: tuple[RegisteredAlias, ...]
    limit_before: int | None = None
    limit_set: int | None = None


AliasState = RouterState | LemonadeState
_ANY: TypeAdapter[AliasState] = TypeAdapter(Annotated[AliasState, Field(discriminator="kind")])


def default_state_dir() -> Path:
    """Return where states are kept unless told otherwise."""
    return platformdirs.user_state_path("halospec") / "aliases"


def state_path(directory: Path, base_url: str, model: str) -> Path:
    """Return the file for one model of one server, whatever way this machine's own address is spelled."""
    url = httpx.URL(base_url)
    host = "localhost" if is_loopback(url.host) else url.host
    port = url.port or {"https": 443}.get(url.scheme, 80)
    prefix = re.sub(r"/(api/)?v\d+$", "", url.path.rstrip("/"))
    # On Lemonade both names mean the same model.
    name = model.removeprefix("user.")
    return directory / f"{_slug(f'{host}_{port}{prefix}')}-{_slug(name)}.json"


def read_state(path: Path) -> AliasState | None:
    """Return what a file says; None if there is none.

    Raises
    ------
    AliasError
        If it cannot be read or understood.
    """
    try:
        return _ANY.validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as fault:
        raise AliasError(f"Cannot read {path}: {fault.strerror or fault}.") from fault
    except ValidationError as fault:
        raise AliasError(
            f"{path} does not say which aliases there are ({shown(fault.errors(include_url=False)[0]['msg'])});"
            " remove them by hand, then this file."
        ) from fault


def write_state(path: Path, state: AliasState) -> None:
    """Keep what has to be undone, readable by its owner alone; raises AliasError if that is not possible."""
    replace_file(path, _ANY.dump_json(state, indent=2) + b"\n")


def remove_state(path: Path) -> None:
    """Forget what has been undone; raises AliasError if the file cannot be removed."""
    try:
        path.unlink(missing_ok=True)
    except OSError as fault:
        raise AliasError(f"Cannot remove {path}: {fault.strerror or fault}.") from fault


def _slug(text: str) -> str:
    """Return a text as part of a file's name; where that loses something, a digest tells two texts apart."""
    plain = re.sub(r"[^a-z0-9._]+", "-", text.lower())[:80]
    return plain if plain == text else f"{plain}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
