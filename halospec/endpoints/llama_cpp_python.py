"""llama-cpp-python's own server (``python -m llama_cpp.server``)."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field, JsonValue

from halospec.endpoints.api import ServerApi
from halospec.endpoints.dialect import FIELDS_TO_TRY, Dialect
from halospec.endpoints.failures import shown
from halospec.endpoints.server_kind import Recognition, ServerKind, SpeculationFacts
from halospec.endpoints.wire import ListedModel

_TITLE = "llama.cpp Python API"


class _Info(BaseModel):
    title: str
    version: str | None = None


class _OpenApi(BaseModel):
    info: _Info


class _Schema(BaseModel):
    properties: dict[str, JsonValue]
    # Absent: what the server's pydantic model does not name is dropped.
    additional_properties: Literal[False] | None = Field(default=None, alias="additionalProperties")


class _Schemas(BaseModel):
    chat_request: _Schema = Field(alias="CreateChatCompletionRequest")


class _Components(BaseModel):
    schemas: _Schemas


class _Described(BaseModel):
    components: _Components


class LlamaCppPython(ServerKind):
    """``python -m llama_cpp.server``.

    It counts tokens only in replies that are not streamed (``stream_options`` is accepted and does nothing), always
    reuses the prompt that it read last, and cannot be told to go on after an end-of-text token.
    """

    name = "llama_cpp_python"
    title = "llama-cpp-python's server"
    default_urls = ("http://127.0.0.1:8000",)
    # Its default of 1.1 would make greedy decoding something else than taking the likeliest token.
    dialect = Dialect(extra_fields={"repeat_penalty": 1.0})
    request_fields = FIELDS_TO_TRY
    advice = (
        "llama-cpp-python's server drafts only by prompt lookup, with --draft_model prompt-lookup-decoding"
        " --draft_model_num_pred_tokens K, and it ignores a draft length that comes with a request."
        " Let HaloSpec start it anew for each k, with `--knob restart --server-command"
        ' "python -m llama_cpp.server --model TARGET.gguf --port {port} {draft_args}"'
        " --draft-args '--draft_model prompt-lookup-decoding --draft_model_num_pred_tokens {k}' --no-draft-args ''`."
    )

    async def recognise(self, api: ServerApi, models: tuple[ListedModel, ...]) -> Recognition | None:  # noqa: ARG002
        """Look for the title of its API description."""
        described = await api.find("/openapi.json", _OpenApi)
        if described is None or _TITLE not in described.info.title:
            return None
        version = None if described.info.version is None else shown(described.info.version)
        return Recognition(f'/openapi.json is titled "{shown(described.info.title)}"', version=version)

    async def speculation(self, api: ServerApi, model: str) -> SpeculationFacts:  # noqa: ARG002
        """Return the fields that it knows: of its drafting it says nothing."""
        described = await api.find("/openapi.json", _Described)
        if described is None:
            return SpeculationFacts()
        fields = frozenset(described.components.schemas.chat_request.properties)
        return SpeculationFacts(known_fields=fields)


LLAMA_CPP_PYTHON = LlamaCppPython()
