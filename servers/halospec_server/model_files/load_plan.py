"""What will be loaded, where to, and whether it fits: known, and shown, before anything is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from halospec_server.devices import (
    NO_WISH,
    ON_CPU,
    Device,
    PairBytes,
    Placement,
    PlacementWish,
    Preset,
    place_pair,
)
from halospec_server.model_files.choice import ModelOffer, PairChoice, PairOffer, look
from halospec_server.model_files.memory_estimate import Layout, MemoryEstimate, draft_estimate, target_estimate


class DoesNotFit(RuntimeError):
    """The models need more memory than there is; the message says how much."""


@dataclass(frozen=True)
class LoadWish:
    """What a person asks to be loaded.

    Attributes
    ----------
    target, draft
        What is asked of the devices for each model, beyond what the preset says.
    force
        Load it even if it does not fit.
    """

    choice: PairChoice
    layout: Layout
    preset: Preset = Preset.AUTO
    target: PlacementWish = NO_WISH
    draft: PlacementWish = NO_WISH
    force: bool = False


@dataclass(frozen=True)
class PlacedModel:
    """One model, what it takes, and where it goes."""

    offer: ModelOffer
    estimate: MemoryEstimate
    placement: Placement

    @property
    def is_on_cpu(self) -> bool:
        """Whether no layer is on a GPU, so that all it takes is the machine's memory."""
        return self.placement.gpu_layers == 0


@dataclass(frozen=True)
class LoadPlan:
    """A pair, what it takes and where it goes.

    Attributes
    ----------
    draft
        None where no second model is loaded.
    available_bytes
        Memory that the machine has to spare.
    forced
        Whether it is to be loaded even if it does not fit.
    """

    offer: PairOffer
    target: PlacedModel
    draft: PlacedModel | None
    layout: Layout
    available_bytes: int
    forced: bool = False

    @property
    def models(self) -> tuple[PlacedModel, ...]:
        """The target, and the draft if there is one."""
        return (self.target,) if self.draft is None else (self.target, self.draft)

    @property
    def draft_placement(self) -> Placement:
        """Where the draft goes, or would."""
        return self.draft.placement if self.draft else ON_CPU

    @property
    def needed_bytes(self) -> int:
        """What is taken of the machine's own memory at least; models with layers on GPUs are not counted."""
        return sum(model.estimate.total for model in self.models if model.is_on_cpu)

    @property
    def uses_gpu(self) -> bool:
        """Whether any layer goes to a GPU."""
        return not all(model.is_on_cpu for model in self.models)

    @property
    def is_complete(self) -> bool:
        """Whether nothing will be known better once all files are here."""
        return all(model.offer.is_here for model in self.models)

    def require_memory(self) -> None:
        """Make sure that the machine has the memory, unless the plan is forced.

        Raises
        ------
        DoesNotFit
            If it has not.
        """
        if self.needed_bytes > self.available_bytes and not self.forced:
            raise DoesNotFit(
                f"{_sizes([self.needed_bytes])} of memory are needed at least and {_sizes([self.available_bytes])} are "
                f"available ({self._reckoning()}). Choose smaller models or a smaller --ctx-size, or try it all the "
                "same with --force."
            )

    def lines(self) -> list[str]:
        """Say what will be loaded, a line each."""
        models = zip(("target", "draft"), self.models, strict=False)
        return [
            *(line for role, model in models for line in _describe(role, model)),
            f"memory: {_sizes([self.needed_bytes])} at least, of {_sizes([self.available_bytes])} available: "
            f"{self._reckoning()}",
        ]

    def _reckoning(self) -> str:
        estimates = [model.estimate for model in self.models if model.is_on_cpu]
        if not estimates:
            return "all on GPUs"
        parts = [f"weights {_sizes([estimate.weights for estimate in estimates])}"]
        if any(estimate.kv is None for estimate in estimates):
            parts.append("KV and logits not known yet")
        else:
            positions = f"{self.layout.parallel} × {self.layout.ctx_size} positions"
            parts.append(f"KV {_sizes([estimate.kv or 0 for estimate in estimates])} for {positions}")
            parts.append(f"logits {_sizes([estimate.logits or 0 for estimate in estimates])}")
        return ", ".join(parts)


def plan(wish: LoadWish, devices: Sequence[Device], available_bytes: int) -> LoadPlan:
    """Look at the models of a choice, reckon what they take and decide where they go; nothing is fetched.

    Raises
    ------
    ModelFileError
        If there is no such model, or the hub cannot be asked.
    DeviceError
        If a wish for devices cannot be met.
    """
    offer = look(wish.choice)
    target = target_estimate(offer.target.size_bytes, offer.target.shape, wish.layout)
    draft = draft_estimate(offer.draft.size_bytes, offer.draft.shape, wish.layout) if offer.draft else None
    needed = PairBytes(target.total, draft.total if draft else 0)
    target_placement, draft_placement = place_pair(wish.preset, wish.target, wish.draft, devices, needed)
    return LoadPlan(
        offer,
        PlacedModel(offer.target, target, target_placement),
        PlacedModel(offer.draft, draft, draft_placement) if offer.draft and draft else None,
        wish.layout,
        available_bytes,
        wish.force,
    )


def _describe(role: str, model: PlacedModel) -> list[str]:
    offer = model.offer
    about = [
        offer.file,
        _sizes([offer.size_bytes]),
        f"licence {offer.licence or 'not stated'}",
        offer.origin,
        "here" if offer.is_here else "to be fetched or made",
        _where(model.placement),
    ]
    return [f"{role}: {', '.join(about)}", f"{role}: SHA-256 {offer.sha256 or 'reckoned while it is loaded'}"]


def _where(placement: Placement) -> str:
    if placement.gpu_layers == 0:
        return "on the CPU"
    layers = "all layers" if placement.gpu_layers < 0 else f"{placement.gpu_layers} layers"
    return f"{layers} on {' and '.join(placement.devices) or 'the GPUs that llama.cpp chooses'}"


def _sizes(sizes_bytes: Sequence[int]) -> str:
    """Return sizes to three digits, in GB where the largest is that large, and in MB otherwise."""
    unit, name = (1e9, "GB") if max(sizes_bytes) >= 999.5e6 else (1e6, "MB")
    return f"{' + '.join(f'{size / unit:.3g}' for size in sizes_bytes)} {name}"
