"""From model files and settings to an engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from halospec.controllers.per_round import Threads
from halospec.controllers.spelling import round_rule
from halospec_server import llama
from halospec_server.cores import allowed_cpus, usable_cores
from halospec_server.decoding.engine import NO_DRAFTER, Engine, MakeVerifier, exact_verifier
from halospec_server.decoding.generation import MAX_DRAFT_LENGTH
from halospec_server.devices import ON_CPU, Placement
from halospec_server.drafters.model import ModelDrafter
from halospec_server.drafters.ngram_store import NgramStoreDrafter
from halospec_server.drafters.prompt_lookup import PromptLookupDrafter
from halospec_server.drafters.protocol import Drafter
from halospec_server.lengths.offered_threads import offered_threads
from halospec_server.lengths.rules import LengthRules, MakeRule
from halospec_server.model_files.choice import ModelFiles


class PairRefused(RuntimeError):
    """Two models that cannot work together; the message says why."""


@dataclass(frozen=True)
class EngineSettings:
    """How an engine is laid out.

    Attributes
    ----------
    ctx_size
        Positions that one sequence may occupy; the caches hold ``parallel`` times as many.
    parallel
        Sequences that are decoded together.
    threads, threads_batch
        Of the target's passes over one position and over several; the second is the first where it is None.
    draft_threads, draft_threads_batch
        Of the draft model's passes; as the target's where they are None.
    max_threads
        Most that a rule may choose.
    batch_size
        Most tokens in one pass.
    prefill_chunk
        Tokens of prompts that a step takes in at most while other sequences wait for their next round.
    attention
        Of the target; see `llama.Context`. How the draft model rounds changes what it proposes, never the text.
    drafter
        For requests that name none; None: the draft model if there is one, or else prompt lookup.
    length_policy
        For requests that leave the draft length to the server and name no rule.
    """

    ctx_size: int = 2048
    parallel: int = 1
    threads: int = field(default_factory=usable_cores)
    threads_batch: int | None = None
    draft_threads: int | None = None
    draft_threads_batch: int | None = None
    max_threads: int = field(default_factory=allowed_cpus)
    batch_size: int = 256
    prefill_chunk: int = 64
    attention: llama.Attention = "fast"
    drafter: str | None = None
    length_policy: str = "heuristic"
    target_placement: Placement = ON_CPU
    draft_placement: Placement = ON_CPU


def build_engine(
    files: ModelFiles,
    settings: EngineSettings,
    make_verifier: MakeVerifier = exact_verifier,
    make_rule: MakeRule = round_rule,
) -> Engine:
    """Load a target and what drafts for it.

    Raises
    ------
    llama.LlamaError
        If a file cannot be loaded.
    PairRefused
        If the vocabularies differ.
    """
    most_rows = settings.parallel * (MAX_DRAFT_LENGTH + 1)
    target = llama.Model(files.target, settings.target_placement)
    context = llama.Context(
        target,
        n_ctx=settings.ctx_size,
        n_slots=settings.parallel,
        n_threads=settings.threads,
        n_threads_batch=settings.threads_batch,
        n_batch=max(settings.batch_size, most_rows),
        max_outputs=most_rows,
        attention=settings.attention,
    )
    drafters = _drafters(files, context, settings)
    return Engine(
        context,
        drafters,
        LengthRules(_offered(context, drafters, settings.max_threads), make_rule),
        default_drafter=settings.drafter or _natural_drafter(files),
        default_policy=settings.length_policy,
        prefill_chunk=settings.prefill_chunk,
        make_verifier=make_verifier,
    )


def _offered(target: llama.Context, drafters: Sequence[Drafter], most: int) -> Threads:
    # Of two counts the one that most passes use: the target's are wide, those of the draft model are not.
    draft = next((drafter.texts.context.n_threads for drafter in drafters if isinstance(drafter, ModelDrafter)), 1)
    return offered_threads(target.n_threads_batch, draft, most)


def _natural_drafter(files: ModelFiles) -> str:
    if files.draft is None:
        return NO_DRAFTER
    return PromptLookupDrafter.name if files.draft == "ngram" else ModelDrafter.name


def _drafters(files: ModelFiles, target: llama.Context, settings: EngineSettings) -> list[Drafter]:
    """Return every drafter there is a use for: those without a model cost nothing until they are asked."""
    drafters: list[Drafter] = [PromptLookupDrafter(), NgramStoreDrafter()]
    if files.draft is None or files.draft == "ngram":
        return drafters
    draft = llama.Model(files.draft, settings.draft_placement)
    difference = llama.vocabulary_difference(target.model, draft)
    if difference is not None:
        raise PairRefused(
            f"{files.draft.name} cannot draft for {files.target.name}: {difference}. Choose a draft of the same "
            "family, or --draft ngram."
        )
    threads = settings.draft_threads or settings.threads
    threads_batch = settings.draft_threads_batch or settings.draft_threads or settings.threads_batch
    context = llama.Context(
        draft,
        n_ctx=target.n_ctx,
        n_slots=settings.parallel,
        n_threads=threads,
        n_threads_batch=threads_batch,
        n_batch=target.n_batch,
        max_outputs=settings.parallel,
    )
    return [ModelDrafter(context, target.model.n_vocab), *drafters]
