"""k by having Lemonade load the model again with other arguments, and in the end as it was."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self

import anyio

from halospec.clock import Clock
from halospec.endpoints.api import ServerApi
from halospec.endpoints.failures import shown
from halospec.endpoints.types import EndpointError, RequestChange
from halospec.knobs.arguments import flags_in, shown_arguments, values_of, without_flags
from halospec.knobs.draft_args import NGRAM_EXAMPLE, DraftArgs
from halospec.knobs.lemonade_models import (
    LLAMACPP,
    LOAD_TIMEOUT_S,
    LemonadeModels,
    LoadedModel,
    ModelDescription,
    find_loaded,
    split_as_lemonade_does,
)
from halospec.knobs.types import KnobError, KnobKind, Switch, SwitchReason

_log = logging.getLogger("halospec.knobs")


class Reload:
    """Has Lemonade load the model again for each other k (``POST /load``).

    While it is entered, the model's own arguments are kept, all but those that the draft arguments set. On leaving,
    whatever was loaded before is loaded as it was, other models that had to make room included, and a model that was
    not loaded is unloaded. None of these loads changes the options that Lemonade has saved.

    Parameters
    ----------
    draft_args
        None: llama-server's for the draft that the model is registered with.
    """

    name = "reload"
    kind = KnobKind.RELOAD
    per_request = False
    lengths: frozenset[int] | None = None

    def __init__(self, api: ServerApi, model: str, clock: Clock, draft_args: DraftArgs | None = None) -> None:
        self._lemonade = LemonadeModels(api)
        self._model = model
        self._clock = clock
        self._given_draft_args = draft_args
        self._draft_args = draft_args or DraftArgs()
        self._before: tuple[LoadedModel, ...] = ()
        self._entry: LoadedModel | None = None
        self._own_args = ""
        self._draft_length: int | None = None
        self._touched = False
        self._loaded_once = False

    def request_change(self, draft_length: int) -> RequestChange:  # noqa: ARG002  (a knob's signature)
        """Return no change: the server knows k from loading the model."""
        return RequestChange()

    async def switch_to(self, draft_length: int) -> Switch | None:
        """Have the model loaded with this draft length; None if it still is.

        That is looked up each time: Lemonade lets go of a model to make room, or when it was idle for long, and would
        answer the next request by loading it without the draft arguments.

        Raises
        ------
        KnobError
            If it cannot be loaded, or Lemonade's own command line shows that k did not get there.
        """
        try:
            lost = self._draft_length is not None and not self._holds(await self._running(), self._draft_length)
            if draft_length == self._draft_length and not lost:
                return None
            self._draft_length, self._touched = None, True
            started_ns = self._clock()
            await self._load(draft_length)
            ended_ns = self._clock()
            running = await self._running()
        except EndpointError as problem:
            raise KnobError(f"Lemonade could not be asked about its models: {problem.reason}") from problem
        if running is None or not self._holds(running, draft_length):
            raise KnobError(self._why_not_held(running, draft_length))
        reason = SwitchReason.DIED if lost else SwitchReason.CHANGED if self._loaded_once else SwitchReason.FIRST
        self._draft_length, self._loaded_once = draft_length, True
        return Switch(draft_length, reason, started_ns, ended_ns, shown_arguments(running.command))

    async def __aenter__(self) -> Self:
        """Remember what is loaded.

        Raises
        ------
        KnobError
            If Lemonade does not answer, or k cannot be set for this model.
        """
        try:
            described = await self._lemonade.description(self._model)
            self._before = await self._lemonade.loaded()
            self._entry = entry = find_loaded(described.id, self._before)
            self._own_args = entry.llamacpp_args if entry else await self._lemonade.arguments_by_default(described)
        except EndpointError as problem:
            raise KnobError(f"Lemonade could not be asked about the model {self._model}: {problem.reason}") from problem
        if described.recipe != LLAMACPP:
            raise KnobError(
                f"The model {self._model} runs on Lemonade's recipe '{shown(described.recipe)}', which takes no draft"
                f" length; choose a model with the recipe {LLAMACPP}."
            )
        self._draft_args = self._given_draft_args or _draft_args_for(described)
        self._model = described.id if entry is None else entry.model_name
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._touched:
            return
        with anyio.move_on_after(LOAD_TIMEOUT_S, shield=True) as limit:
            await self._restore()
        if limit.cancelled_caught:
            _log.warning(
                "Lemonade did not load what was loaded before within %g s; load it yourself.",
                LOAD_TIMEOUT_S,
            )

    async def _running(self) -> LoadedModel | None:
        return find_loaded(self._model, await self._lemonade.loaded())

    async def _load(self, draft_length: int) -> None:
        args = self._args(draft_length)
        own_options = self._entry.load_options if self._entry else {}
        try:
            await self._lemonade.load(self._model, {**own_options, "llamacpp_args": args})
        except EndpointError as problem:
            tried = shown_arguments(split_as_lemonade_does(args))
            raise KnobError(
                f"Lemonade could not load the model {shown(self._model)} with the arguments {tried}: {problem.reason} A"
                " load that fails also unloads what was loaded before; that is loaded again at the end."
            ) from problem

    def _args(self, draft_length: int) -> str:
        own = split_as_lemonade_does(self._own_args)
        kept = without_flags(own, self._draft_args.replaced_flags(draft_length))
        # As it was typed wherever possible: Lemonade does not quote as a shell does.
        parts = (self._own_args if kept == own else shlex.join(kept), shlex.join(self._draft_args.expand(draft_length)))
        return " ".join(part for part in parts if part)

    def _holds(self, running: LoadedModel | None, draft_length: int) -> bool:
        if running is None:
            return False
        command, wanted = running.command, self._draft_args.expand(draft_length)
        unwanted = self._draft_args.replaced_flags(draft_length) - flags_in(wanted)
        # Exactly once: llama-server adds up several --spec-type, so that a "none" beside another has no effect.
        return flags_in(command).isdisjoint(unwanted) and all(
            values_of(command, flag) == values_of(wanted, flag) for flag in flags_in(wanted)
        )

    def _why_not_held(self, running: LoadedModel | None, draft_length: int) -> str:
        if running is None:
            return f"Lemonade let go of the model {shown(self._model)} as soon as it was loaded; its log says why."
        wanted = shlex.join(self._draft_args.expand(draft_length))
        found = " ".join(_values_shown(running.command, sorted(self._draft_args.flags)))
        return (
            f"Lemonade was to run the model {shown(self._model)} with '{wanted}' and runs it with"
            f" '{shown(found) or 'no such arguments'}'; take what it adds out of its own llamacpp arguments (lemonade"
            " config), or give other --draft-args."
        )

    async def _restore(self) -> None:
        try:
            loaded = await self._lemonade.loaded()
            if self._entry is None and find_loaded(self._model, loaded) is not None:
                await self._lemonade.unload(self._model)
        except EndpointError as problem:
            _log.warning(
                "Lemonade may still run the model %s with other arguments than before (%s); unload it yourself.",
                shown(self._model),
                problem.reason,
            )
            return
        # The least recently used first, so that Lemonade's own order is what it was.
        for model in sorted(self._before, key=lambda model: model.last_use):
            if model is self._entry or find_loaded(model.model_name, loaded) is None:
                await self._load_again(model)

    async def _load_again(self, model: LoadedModel) -> None:
        try:
            await self._lemonade.load_again(model)
        except EndpointError as problem:
            _log.warning(
                "Lemonade could not load the model %s as it was (%s); load it yourself, with the options %s.",
                shown(model.model_name),
                problem.reason,
                shown(model.options_in_words),
            )


def _draft_args_for(described: ModelDescription) -> DraftArgs:
    spec_type = described.speculation_type
    if spec_type is None:
        raise KnobError(
            f"The model {shown(described.id)} has no draft model on Lemonade; register it with one (POST"
            " models/register with a main and a draft checkpoint, since Lemonade refuses -md among the arguments), or"
            f" say how k is set with --draft-args, such as {NGRAM_EXAMPLE}."
        )
    return DraftArgs.drafting(spec_type)


def _values_shown(command: Sequence[str], flags: Sequence[str]) -> Iterator[str]:
    for flag in flags:
        for values in values_of(command, flag):
            yield shlex.join((flag, *values))
