"""Whether the requests of two runs can be compared one by one."""

from __future__ import annotations

import json

from pydantic import JsonValue

from halospec.compare.values import Pairing
from halospec.records.manifest import Manifest


def pairing_of(
    baseline_name: str, baseline: Manifest | None, candidate_name: str, candidate: Manifest | None
) -> Pairing:
    """Tell whether two runs carried out the same plan, and why not where they did not."""
    for name, manifest in ((baseline_name, baseline), (candidate_name, candidate)):
        if manifest is None:
            return Pairing(is_paired=False, reason=f"{name} has no manifest, so what it planned is not known")
        if manifest.pairing_sha256 is None:
            return Pairing(is_paired=False, reason=f"the manifest of {name} is from before plans could be recognised")
    if baseline is None or candidate is None or baseline.pairing_sha256 == candidate.pairing_sha256:
        return Pairing(
            is_paired=True,
            reason="the plans match, so that each block, prompt, mode and phase is compared with its counterpart",
        )
    differing = [
        what
        for what, before, after in zip(_DECIDING, _decided(baseline), _decided(candidate), strict=True)
        if before != after
    ]
    return Pairing(is_paired=False, reason=f"the plans differ{' in their ' + _listed(differing) if differing else ''}")


_DECIDING = ("prompts", "seeds", "designs", "phases", "warm-up", "sampling")


def _decided(manifest: Manifest) -> tuple[JsonValue, ...]:
    """Return what decides a plan's pairing, in the order of `_DECIDING`."""
    phases = {json.dumps([trial.steps, trial.seconds, trial.load], sort_keys=True) for trial in manifest.trials}
    settings = manifest.settings
    return (
        manifest.prompt_set_sha256,
        manifest.seed,
        manifest.design,
        " ".join(sorted(phases)),
        settings.get("warmup"),
        " ".join(str(settings.get(name)) for name in ("max_tokens", "temperature", "ignore_eos")),
    )


def _listed(words: list[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
