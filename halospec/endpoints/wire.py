"""What servers put on the wire, read leniently: docs/api.md, llama-server's and Lemonade's replies, OpenAI's.

A field that only adds detail (``timings``, ``speculation``, a count in ``usage``) must not cost the reply: where
its value makes no sense it becomes ``None`` and its name is added to the ``set[str]`` given as validation context,
so that the caller can say so. Only what carries the reply (``choices``, ``delta``, ``content``) must have its shape.
"""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from halospec.records.decisions import Reasons
from halospec.records.schema import Round

# Beyond any real count, and well inside the 64-bit integers of the columns that these numbers end up in.
_MOST = 10**9
# One for each round of the longest reply that anybody would measure.
_MOST_DECISIONS = 100_000


def _none_if_malformed(value: Any, validate: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
    """Return the validated value, or ``None`` after noting the field's name."""
    # No lenient field is a truth value, and pydantic would read true as 1.
    if not isinstance(value, bool):
        with suppress(ValidationError):
            return validate(value)
    if isinstance(info.context, set):
        info.context.add(info.field_name)
    return None


def _finite(rounds: list[Round] | None) -> list[Round] | None:
    # All of them together, since what is made of a round log are sums.
    if rounds and not math.isfinite(sum(r.draft_us + r.verify_us + r.sample_us + (r.catch_up_us or 0) for r in rounds)):
        raise ValueError("a round log's times must be finite")
    return rounds


_Lenient = WrapValidator(_none_if_malformed)
Count = Annotated[int | None, Field(ge=0, le=_MOST), _Lenient]
Size = Annotated[int | None, Field(ge=0), _Lenient]
Milliseconds = Annotated[float | None, Field(ge=0, allow_inf_nan=False), _Lenient]
Text = Annotated[str | None, _Lenient]


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class PromptTokensDetails(_Wire):
    """How the prompt's tokens were come by."""

    cached_tokens: Count = None


class CompletionTokensDetails(_Wire):
    """How the reply's tokens were come by.

    Made for predictions that the user sends along; some gateways put speculation's counts here
    (https://github.com/smg-project/smg/pull/2481).
    """

    accepted_prediction_tokens: Count = None
    rejected_prediction_tokens: Count = None


class Usage(_Wire):
    """OpenAI's ``usage``."""

    prompt_tokens: Count = None
    completion_tokens: Count = None
    prompt_tokens_details: Annotated[PromptTokensDetails | None, _Lenient] = None
    completion_tokens_details: Annotated[CompletionTokensDetails | None, _Lenient] = None


class Timings(_Wire):
    """llama-server's ``timings``; the two draft counts are left out there while nothing has been drafted."""

    cache_n: Count = None
    prompt_n: Count = None
    prompt_ms: Milliseconds = None
    predicted_n: Count = None
    predicted_ms: Milliseconds = None
    draft_n: Count = None
    draft_n_accepted: Count = None


class Speculation(_Wire):
    """The bundled server's round log; one bad round makes its sums worthless, so it spoils the list.

    Attributes
    ----------
    decisions
        Sent where the request has ``explain: true``: why a rule in the server chose what it did.
    """

    rounds: Annotated[list[Round] | None, AfterValidator(_finite), _Lenient] = None
    decisions: Annotated[list[Reasons] | None, Field(max_length=_MOST_DECISIONS), _Lenient] = None


class VllmSpeculation(_Wire):
    """vLLM's ``metrics.speculative_decoding``, sent by a server started with ``--per-request-spec-decode-metrics``.

    https://docs.vllm.ai/en/stable/features/speculative_decoding/acceptance_metrics/ calls it experimental. Its steps
    leave out those that drafted nothing, so they are no round log.
    """

    num_draft_tokens: Count = None
    num_accepted_draft_tokens: Count = None


class VllmMetrics(_Wire):
    """vLLM's ``metrics``."""

    speculative_decoding: Annotated[VllmSpeculation | None, _Lenient] = None


class LmStudioStats(_Wire):
    """LM Studio's ``stats``, as its API changelog has them for 0.3.10: https://lmstudio.ai/docs/developer/api-changelog."""

    total_draft_tokens_count: Count = None
    accepted_draft_tokens_count: Count = None


class Words(_Wire):
    """The text of a ``delta`` or a ``message``; vLLM sends ``reasoning`` and ``reasoning_content`` with one text."""

    content: str | None = None
    reasoning_content: Text = None
    reasoning: Text = None

    @property
    def text(self) -> str:
        """Everything that the model produced here, reasoning first."""
        return (self.reasoning_content or self.reasoning or "") + (self.content or "")


class Choice(_Wire):
    """One choice of a chunk (``delta``) or of a whole reply (``message``)."""

    delta: Words | None = None
    message: Words | None = None
    finish_reason: Text = None

    @property
    def text(self) -> str:
        """The text that this choice brings."""
        words = self.delta or self.message
        return words.text if words else ""


class ReplyPart(_Wire):
    """A ``chat.completion.chunk``, a ``chat.completion``, or an error in either's place."""

    choices: list[Choice] | None = None
    usage: Annotated[Usage | None, _Lenient] = None
    timings: Annotated[Timings | None, _Lenient] = None
    speculation: Annotated[Speculation | None, _Lenient] = None
    metrics: Annotated[VllmMetrics | None, _Lenient] = None
    stats: Annotated[LmStudioStats | None, _Lenient] = None
    error: JsonValue = None


class ModelFile(_Wire):
    """One GGUF file of the pair that the bundled server has loaded."""

    name: Text = None
    file: Text = None
    sha256: Text = None
    size_bytes: Size = None
    n_params: Size = None


class ModelMeta(_Wire):
    """``meta`` in the bundled server's model list: what exactly is loaded there."""

    target: Annotated[ModelFile | None, _Lenient] = None
    draft: Annotated[ModelFile | None, _Lenient] = None
    drafter: Text = None
    ctx_size: Count = None
    threads: Count = None
    draft_length: Count = None
    llama_cpp: Text = None


class ListedStatus(_Wire):
    """What llama-server's router says of one of its models: whether it is loaded, and how it is or would be started."""

    value: Text = None
    args: Annotated[tuple[str, ...] | None, _Lenient] = None


class ListedModel(_Wire):
    """One entry of ``GET /models``; llama-server's ``meta`` has other fields, which leaves all of ours ``None``."""

    id: str
    owned_by: Text = None
    aliases: Annotated[tuple[str, ...] | None, _Lenient] = None
    status: Annotated[ListedStatus | None, _Lenient] = None
    meta: Annotated[ModelMeta | None, _Lenient] = None


class ModelList(_Wire):
    """The reply to ``GET /models``."""

    data: list[ListedModel]
