"""What the HTTP interface sends; docs/api.md explains it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from halospec_server.decoding.slots import SlotState
from halospec_server.jobs.completion import FinishReason


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

    choice: int
    limit: int
    k: int
    accepted: int
    draft_us: float
    catch_up_us: float
    verify_us: float
    sample_us: float
    threads: int
    draft_threads: int
    sequences: int
    width: int


class SettingReport(BaseModel):
    """What a length policy can choose; threads are null where it leaves them to the server."""

    draft_length: int
    threads: int | None
    draft_threads: int | None


class CandidateReport(SettingReport):
    """A setting that was weighed, and what was expected of it."""

    tokens_per_round: float
    round_ms: float


class DecisionReport(BaseModel):
    """Why a length policy chose what it did; ``round`` is the first it holds for, counted from 0 in each choice."""

    choice: int
    round: int
    chosen: SettingReport
    reason: str
    candidates: list[CandidateReport]
    acceptance: list[float]
    alarms: list[str]


class Speculation(BaseModel):
    """What speculation did in this request."""

    draft_length: int | None
    length_policy: str | None
    drafter: str
    draft_prompt_ms: float
    deadline_exceeded: bool
    rounds: list[RoundReport]


class ExplainedSpeculation(Speculation):
    """The same with reasons, where there are any and the request asked for them."""

    decisions: list[DecisionReport]


class LikelyToken(BaseModel):
    """A token and its log probability; ``bytes`` is null where the token adds nothing to the text."""

    token: str
    logprob: float
    bytes: list[int] | None


class TokenLogprobs(LikelyToken):
    """A token of the reply, and the likeliest ones in its place."""

    top_logprobs: list[LikelyToken]


class Logprobs(BaseModel):
    """Log probabilities of a reply's tokens, in order."""

    content: list[TokenLogprobs]


class AssistantMessage(BaseModel):
    """The reply."""

    role: Literal["assistant"] = "assistant"
    content: str


class Choice(BaseModel):
    """One of the texts of a whole reply."""

    index: int
    message: AssistantMessage
    finish_reason: FinishReason
    logprobs: Logprobs | None


class ChatCompletion(BaseModel):
    """A whole reply."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    timings: Timings
    speculation: ExplainedSpeculation | Speculation


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
    """What is loaded, and how it is run.

    Attributes
    ----------
    drafter, drafters
        The one for requests that name none, and all that they may name.
    ctx_size, parallel
        Positions that one request may occupy, and requests that are decoded together.
    batch_size
        Most positions in one pass.
    threads, draft_threads
        Of the target's and the draft model's passes; None where no draft model is loaded.
    draft_length, length_policy
        For requests that give none; the length is None where the policy chooses it.
    """

    target: LoadedModel
    draft: LoadedModel | None
    drafter: str
    drafters: list[str]
    ctx_size: int
    parallel: int
    batch_size: int
    threads: int
    draft_threads: int | None
    draft_length: int | None
    length_policy: str
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


class Slot(BaseModel):
    """A slot of the engine: what its caches hold by the engine's own books and by llama.cpp's."""

    id: int
    is_processing: bool
    target_tokens: int
    target_cells: int
    draft_tokens: int
    draft_cells: int

    @classmethod
    def of(cls, state: SlotState) -> Slot:
        """Put the engine's words into the interface's."""
        return cls(
            id=state.slot,
            is_processing=state.running,
            target_tokens=state.target_tokens,
            target_cells=state.target_cells,
            draft_tokens=state.draft_tokens,
            draft_cells=state.draft_cells,
        )


class Health(BaseModel):
    """Body of ``GET /health``."""

    status: Literal["ok", "shutting_down", "failed"]
