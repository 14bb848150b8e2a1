"""k by the model's name: the server keeps one alias of the model for each draft length."""

from __future__ import annotations

from collections.abc import Collection

from halospec.clock import Clock, start_clock
from halospec.endpoints.types import EndpointError, RequestChange
from halospec.knobs.arguments import shown_arguments
from halospec.knobs.draft_args import LENGTH
from halospec.knobs.residency import Residency
from halospec.knobs.stateless import NothingToUndo
from halospec.knobs.types import KnobError, KnobKind, Switch, SwitchReason

PREFIX = "alias:"
_LONGEST = 99


class ModelAlias(NothingToUndo):
    """Asks for another model by name for each k, so that k may change from one request to the next.

    Models that were loaded for it stay loaded, as they would after anybody's request.

    Parameters
    ----------
    template
        The aliases' name with ``{k}`` in it.
    models
        All names that the server lists.
    residency
        What is loaded there. With it, `switch_to` loads an alias that is not, so that its loading is in no request's
        latency; without, the server is left to it.
    clock
        For the time of these loads.

    Raises
    ------
    ValueError
        If the template has no ``{k}``, or the server lists no such model.
    """

    kind = KnobKind.MODEL_ALIAS

    def __init__(
        self,
        template: str,
        models: Collection[str],
        *,
        residency: Residency | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.name = f"{PREFIX}{template}"
        self._template = template
        self._residency = residency
        self._clock = clock or start_clock()
        self._seen_loaded: set[int] = set()
        self._listed = listed_lengths(template, models)
        if not self._listed:
            raise ValueError(
                f"The server lists no model {alias_of(template, 0)}, {alias_of(template, 1)} or the like; make one for"
                " each draft length with `halospec aliases create`."
            )

    @property
    def lengths(self) -> frozenset[int] | None:
        """Return the draft lengths for which there is a model."""
        return self._listed

    def request_change(self, draft_length: int) -> RequestChange:
        """Return the alias to ask for.

        Raises
        ------
        KnobError
            If there is none for this draft length.
        """
        self._require(draft_length)
        return RequestChange(model=alias_of(self._template, draft_length))

    async def switch_to(self, draft_length: int) -> Switch | None:
        """Have the alias loaded if it is not, be it for the first time or because the server let go of it.

        Raises
        ------
        KnobError
            If there is no such alias, or it cannot be loaded.
        """
        self._require(draft_length)
        if self._residency is None:
            return None
        alias = alias_of(self._template, draft_length)
        try:
            if await self._residency.command_of(alias) is not None:
                self._seen_loaded.add(draft_length)
                return None
            started_ns = self._clock()
            await self._residency.load(alias)
            ended_ns = self._clock()
            command = await self._residency.command_of(alias)
        except EndpointError as problem:
            raise KnobError(f"The model {alias} could not be loaded: {problem.reason}") from problem
        if command is None:
            raise KnobError(
                f"The server let go of the model {alias} as soon as it was loaded; it must be able to keep"
                f" {len(self._listed)} models loaded (llama-server: --models-max, Lemonade: max_loaded_models)."
            )
        reason = SwitchReason.DIED if draft_length in self._seen_loaded else SwitchReason.FIRST
        self._seen_loaded.add(draft_length)
        return Switch(draft_length, reason, started_ns, ended_ns, shown_arguments(command) or f"model {alias}")

    def _require(self, draft_length: int) -> None:
        if draft_length not in self._listed:
            there = ", ".join(map(str, sorted(self._listed)))
            raise KnobError(
                f"There is no model {alias_of(self._template, draft_length)} for k = {draft_length} (there are models"
                f" for k = {there}); make it with `halospec aliases create`."
            )


def name_on_router(model: str) -> str:
    """Return what the names of a model's aliases begin with on llama-server's router.

    What follows a colon is taken for a quantisation there, which the router spells its own way.
    """
    return model.replace(":", "-")


def alias_of(template: str, draft_length: int) -> str:
    """Return the alias for a draft length.

    Raises
    ------
    ValueError
        If the template has no ``{k}``.
    """
    if LENGTH not in template:
        raise ValueError(f"The alias {template!r} holds no {LENGTH}, the place where the draft length goes.")
    return template.replace(LENGTH, str(draft_length))


def listed_lengths(template: str, models: Collection[str]) -> frozenset[int]:
    """Return the draft lengths for which a model of that name is listed; raises ValueError like `alias_of`."""
    return frozenset(k for k in range(_LONGEST + 1) if alias_of(template, k) in models)
