"""The body of ``POST /v1/chat/completions``; docs/api.md explains its fields."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)

from halospec.controllers.rules import server_rules
from halospec_server.decoding.generation import MAX_DRAFT_LENGTH

MAX_STOPS = 4
MAX_STOP_LENGTH = 1000
"""Characters. Text that may turn out to begin a stop string is compared with it at every token."""
MAX_CHOICES = 8
MAX_TOP_LOGPROBS = 20
MAX_BIASES = 1024
MAX_POLICY_LENGTH = 256
"""Characters of a rule's name and settings."""
_DAY_MS = 86_400_000
_ID = "^[0-9]{1,9}$"
_CHARACTERS_A_TURN = 30
"""That a chat template adds to a message."""


def _encodable(text: str) -> str:
    """JSON can spell half a surrogate pair, which is no character and has no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("half a surrogate pair is not text") from error
    return text


def _whole(value: object) -> object:
    """JSON does not tell 24.0 from 24."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _few(value: object) -> object:
    # Before each is looked at: of many that are wrong, each would be reported.
    if isinstance(value, dict) and len(value) > MAX_BIASES:
        raise ValueError(f"at most {MAX_BIASES} tokens can be biased")
    return value


def _draft_length(value: object) -> int | Literal["auto"]:
    if value == "auto":
        return "auto"
    whole = _whole(value)
    if isinstance(whole, int) and not isinstance(whole, bool) and 0 <= whole <= MAX_DRAFT_LENGTH:
        return whole
    raise ValueError(f'give an integer from 0 to {MAX_DRAFT_LENGTH}, or "auto"')


def _refused(value: object) -> object:
    if value:
        raise ValueError("not offered")
    return value


def _only_text(value: object) -> object:
    if value is not None and not (isinstance(value, dict) and value.get("type") == "text"):
        raise ValueError("only text is offered")
    return value


Text = Annotated[str, AfterValidator(_encodable)]
WHOLE = BeforeValidator(_whole)
DraftLength = Annotated[
    int | Literal["auto"],
    PlainValidator(_draft_length),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0, "maximum": MAX_DRAFT_LENGTH}, {"const": "auto"}]}),
]
LengthPolicy = Annotated[
    str,
    Field(max_length=MAX_POLICY_LENGTH, pattern="^[!-~]*$"),
    WithJsonSchema(
        {
            "type": "string",
            "maxLength": MAX_POLICY_LENGTH,
            "pattern": f"^({'|'.join(server_rules())})(@[a-z0-9_]+=[!-<>?A-~]+)*$",
            "description": f"One of {', '.join(server_rules())}, and settings: heuristic@start_length=3",
        }
    ),
]
Stops = Annotated[
    list[Annotated[Text, Field(max_length=MAX_STOP_LENGTH)]],
    Field(max_length=MAX_STOPS),
    BeforeValidator(_one_or_many),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "maxLength": MAX_STOP_LENGTH},
                {"type": "array", "items": {"type": "string", "maxLength": MAX_STOP_LENGTH}, "maxItems": MAX_STOPS},
            ]
        }
    ),
]
NotOffered = Annotated[Any, AfterValidator(_refused), WithJsonSchema({"enum": [None, False, [], {}, ""]})]
OnlyText = Annotated[
    Any,
    AfterValidator(_only_text),
    WithJsonSchema(
        {"type": ["object", "null"], "properties": {"type": {"const": "text"}}, "required": ["type"]},
    ),
]
TokenBiases = Annotated[
    dict[Annotated[str, Field(pattern=_ID)], Annotated[float, Field(ge=-100.0, le=100.0)]],
    BeforeValidator(_few),
    WithJsonSchema(
        {
            "type": "object",
            "maxProperties": MAX_BIASES,
            "propertyNames": {"pattern": _ID},
            "additionalProperties": {"type": "number", "minimum": -100, "maximum": 100},
        }
    ),
]


class _Strict(BaseModel):
    """No number is read from a string or a truth value; fields that nobody knows are ignored."""

    model_config = ConfigDict(extra="ignore", strict=True, allow_inf_nan=False)


class TextPart(_Strict):
    """A piece of a message's content; only text is understood."""

    type: Literal["text"]
    text: Text


class ChatMessage(_Strict):
    """One turn of the conversation."""

    role: Text = Field(min_length=1, max_length=64)
    content: Text | Annotated[list[TextPart], Field(fail_fast=True)]

    @property
    def text(self) -> str:
        """The content as one string."""
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)


class StreamOptions(_Strict):
    """What a stream should carry besides text."""

    include_usage: bool | None = None


class ChatCompletionRequest(_Strict):
    """Body of ``POST /v1/chat/completions``.

    Unknown fields are ignored. Fields that would change the reply but are not offered are refused.
    """

    messages: list[ChatMessage] = Field(min_length=1, fail_fast=True)
    model: Annotated[Text, Field(max_length=256)] | None = None
    max_tokens: Annotated[int, Field(ge=1), WHOLE] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1), WHOLE] | None = None
    n: Annotated[int, Field(ge=1, le=MAX_CHOICES), WHOLE] | None = None
    stop: Stops | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None

    temperature: float | None = Field(default=None, ge=0.0, le=2.0)
    top_p: float | None = Field(default=None, gt=0.0, le=1.0)
    top_k: Annotated[int, Field(ge=-1), WHOLE] | None = None
    min_p: float | None = Field(default=None, ge=0.0, le=1.0)
    presence_penalty: float | None = Field(default=None, ge=-2.0, le=2.0)
    frequency_penalty: float | None = Field(default=None, ge=-2.0, le=2.0)
    logit_bias: TokenBiases | None = None
    seed: Annotated[int, Field(ge=-(2**63), le=2**63 - 1), WHOLE] | None = None
    ignore_eos: bool | None = None

    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=MAX_TOP_LOGPROBS), WHOLE] | None = None

    drafter: Literal["model", "prompt_lookup", "ngram_store", "none", "ngram"] | None = None
    draft_length: DraftLength | None = None
    length_policy: LengthPolicy | None = None
    p_min: float | None = Field(default=None, ge=0.0, le=1.0)
    threads: Annotated[int, Field(ge=1), WHOLE] | None = None
    draft_threads: Annotated[int, Field(ge=1), WHOLE] | None = None
    cache_prompt: bool | None = None
    explain: bool | None = None
    deadline_ms: Annotated[int, Field(ge=1, le=_DAY_MS), WHOLE] | None = None

    tools: NotOffered = None
    functions: NotOffered = None
    grammar: NotOffered = None
    json_schema: NotOffered = None
    response_format: OnlyText = None

    @model_validator(mode="after")
    def _alternatives_belong_to_logprobs(self) -> ChatCompletionRequest:
        if self.top_logprobs is not None and not self.logprobs:
            raise ValueError("top_logprobs: set logprobs to true with it")
        return self

    @property
    def token_limit(self) -> int | None:
        """The limit asked for, under its newer name first."""
        return self.max_completion_tokens if self.max_completion_tokens is not None else self.max_tokens

    @property
    def wants_usage(self) -> bool:
        """Whether a stream should end with a usage chunk."""
        return self.stream_options is not None and bool(self.stream_options.include_usage)

    @property
    def size(self) -> int:
        """Roughly how many characters the prompt will have."""
        return sum(len(message.text) + _CHARACTERS_A_TURN for message in self.messages)
