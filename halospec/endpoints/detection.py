"""Which kind of server this is, by its own answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from halospec.endpoints.api import ServerApi
from halospec.endpoints.bundled import BUNDLED
from halospec.endpoints.lemonade import LEMONADE
from halospec.endpoints.llama_cpp_python import LLAMA_CPP_PYTHON
from halospec.endpoints.llama_server import LLAMA_SERVER
from halospec.endpoints.openai import OPENAI
from halospec.endpoints.server_kind import Recognition, ServerKind
from halospec.endpoints.wire import ListedModel

AUTO = "auto"

# In the order of asking: a server that resembles others comes before them. Lemonade passes some of llama-server's
# pages on, and the bundled server has some of llama-server's and vLLM's.
_TELLING_KINDS: tuple[ServerKind, ...] = (BUNDLED, LEMONADE, LLAMA_SERVER, LLAMA_CPP_PYTHON)
SERVER_KINDS: Mapping[str, ServerKind] = {kind.name: kind for kind in (*_TELLING_KINDS, OPENAI)}


@dataclass(frozen=True)
class Detected:
    """A server's kind, and why it was taken for that."""

    kind: ServerKind
    recognition: Recognition


def require_server_kind(name: str) -> None:
    """Make sure that a name is ``auto`` or a kind's.

    Raises
    ------
    ValueError
        If it is neither; the message lists the names.
    """
    if name != AUTO:
        server_kind_named(name)


def server_kind_named(name: str) -> ServerKind:
    """Return the kind of this name; a hyphen is as good as an underscore.

    Raises
    ------
    ValueError
        If there is none; the message lists the names.
    """
    kind = SERVER_KINDS.get(name.replace("-", "_"))
    if kind is None:
        raise ValueError(f"there is no kind of server named {name!r}; there are {', '.join((AUTO, *SERVER_KINDS))}")
    return kind


async def detect(api: ServerApi, models: tuple[ListedModel, ...], wanted: str = AUTO) -> Detected:
    """Ask a server what it is; one that nothing tells apart is OpenAI-compatible.

    Parameters
    ----------
    models
        What it lists.
    wanted
        A kind's name, if the user knows better: then nothing is asked.

    Raises
    ------
    ValueError
        If there is no kind of the wanted name.
    KeyRefused
        If the server certainly is of a kind and wants a key, or another one.
    """
    if wanted != AUTO:
        kind = server_kind_named(wanted)
        return Detected(kind, Recognition(f"--server {kind.name}"))
    for kind in _TELLING_KINDS:
        recognition = await kind.recognise(api, models)
        if recognition is not None:
            return Detected(kind, recognition)
    return Detected(OPENAI, await OPENAI.recognise(api, models))
