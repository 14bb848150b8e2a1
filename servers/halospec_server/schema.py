"""The HTTP interface's request and response bodies; docs/api.md explains them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from halospec_server.engine import MAX_DRAFT_LENGTH

MAX_STOPS = 4


def _encodable(text: str) -> str:
    """JSON can spell half a surrogate pair, which is no character and has no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("half a surrogate pair is not text") from error
    return text


Text = Annotated[str, AfterValidator(_encodable)]


class TextPart(BaseModel):
    """A piece of a message's content; only text is understood."""

    type: Literal["text"]
    text: Text


class ChatMessage(BaseModel):
    """One turn of the conversation."""

    role: Text = Field(min_length=1, max_length=64)
    content: Text | list[TextPart]

    @property
    def text(self) -> str:
        """The content as one string."""
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)


class StreamOptions(BaseModel):
    """What a stream should carry besides text."""

    include_usage: bool | None = None


class ChatCompletionRequest(BaseModel):
    """Body of ``POST /v1/chat/completions``.

    Unknown fields are ignored. Fields that would change the reply but are not offered are refused.
    """

    model_config = ConfigDict(extra="ignore")

    messages: list[ChatMessage] = Field(min_length=1)
    model: Text | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0.0, le=2.0)
    top_p: float | None = Field(default=None, gt=0.0, le=1.0)
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stop: str | list[str] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    draft_length: int | None = Field(default=None, ge=0, le=MAX_DRAFT_LENGTH)
    ignore_eos: bool | None = None
    n: int | None = None
    logprobs: bool | None = None
    logit_bias: dict[str, float] | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    tools: list[Any] | None = None
    response_format: dict[str, Any] | None = None

    @field_validator("stop")
    @classmethod
    def _few_stops(cls, stop: str | list[str] | None) -> str | list[str] | None:
        if isinstance(stop, list) and len(stop) > MAX_STOPS:
            raise ValueError(f"at most {MAX_STOPS} stop strings are taken")
        return stop

    @model_validator(mode="after")
    def _offered(self) -> ChatCompletionRequest:
        if self.n not in (None, 1):
            raise ValueError("n: only one choice is offered")
        for name in ("logprobs", "logit_bias", "presence_penalty", "frequency_penalty", "tools"):
            if getattr(self, name):
                raise ValueError(f"{name}: not offered")
        if self.response_format is not None and self.response_format.get("type") != "text":
            raise ValueError("response_format: only text is offered")
        return self

    @property
    def stops(self) -> tuple[str, ...]:
        """Stop strings; empty ones stop nothing."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

    @property
    def token_limit(self) -> int | None:
        """The limit asked for, under its newer name first."""
        return self.max_completion_tokens if self.max_completion_tokens is not None else self.max_tokens

    @property
    def wants_usage(self) -> bool:
        """Whether a stream should end with a usage chunk."""
        return self.stream_options is not None and bool(self.stream_options.include_usage)


class PromptTokensDetails(BaseModel):
    """Part of ``usage``."""

    cached_tokens: int = 0


class Usage(BaseModel):
    """Token counts."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails = PromptTokensDetails()


class Timings(BaseModel):
    """Where the time went, under llama-server's names."""

    cache_n: int
    prompt_n: int
    prompt_ms: float
    predicted_n: int
    predicted_ms: float
    draft_n: int
    draft_n_accepted: int


class RoundReport(BaseModel):
    """One pass of the target after the prompt."""

    k: int
    accepted: int
    draft_us: float
    verify_us: float
    sample_us: float


class Speculation(BaseModel):
    """What speculation did in this request."""

    draft_length: int
    drafter: str
    draft_prompt_ms: float
    rounds: list[RoundReport]


FinishReason = Literal["stop", "length"]


class AssistantMessage(BaseModel):
    """The reply."""

    role: Literal["assistant"] = "assistant"
    content: str


class Choice(BaseModel):
    """The only choice of a whole reply."""

    index: int = 0
    message: AssistantMessage
    finish_reason: FinishReason
    logprobs: None = None


class ChatCompletion(BaseModel):
    """A whole reply."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    timings: Timings
    speculation: Speculation


class Delta(BaseModel):
    """What a chunk adds."""

    role: Literal["assistant"] | None = None
    content: str | None = None


class ChunkChoice(BaseModel):
    """The only choice of a chunk."""

    index: int = 0
    delta: Delta
    finish_reason: FinishReason | None = None


class ChatCompletionChunk(BaseModel):
    """One event of a stream."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: Usage | None = None
    timings: Timings | None = None
    speculation: Speculation | None = None


class ErrorBody(BaseModel):
    """OpenAI's error object."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorResponse(BaseModel):
    """Every status of 400 and above carries this."""

    error: ErrorBody


class LoadedModel(BaseModel):
    """One of the pair's two models."""

    name: str
    file: str
    sha256: str
    size_bytes: int
    n_params: int


class ModelMeta(BaseModel):
    """What is loaded."""

    target: LoadedModel
    draft: LoadedModel | None
    drafter: str
    ctx_size: int
    threads: int
    draft_length: int
    llama_cpp: str


class ModelCard(BaseModel):
    """One entry of ``GET /v1/models``."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: Literal["halospec"] = "halospec"
    meta: ModelMeta


class ModelList(BaseModel):
    """Body of ``GET /v1/models``."""

    object: Literal["list"] = "list"
    data: list[ModelCard]


class Health(BaseModel):
    """Body of ``GET /health``."""

    status: Literal["ok"] = "ok"
