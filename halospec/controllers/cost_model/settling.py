"""Which setting to hold: the best one within the limits, unless the present one is as good."""

from __future__ import annotations

from collections.abc import Sequence

from halospec.controllers.cost_model.prediction import Prediction
from halospec.controllers.cost_model.settings import CostModelSettings


def settled(
    allowed: Sequence[Prediction], held: tuple[int, int, int], settings: CostModelSettings
) -> tuple[Prediction, str]:
    """Return the setting to hold from now on, and why.

    Parameters
    ----------
    allowed
        All that keep to the limits.
    held
        Draft length and threads that were in force.
    """
    best = min(allowed, key=lambda one: one.ms_per_token)
    limits = settings.itl_slo_ms is not None or settings.tpot_slo_ms is not None
    among = f" of {len(allowed)} within the limits" if limits else ""
    kept = next((one for one in allowed if (one.k, one.threads, one.draft_threads) == held), None)
    if kept is None or kept is best:
        return best, f"best{among}"
    margin = settings.hysteresis if held[1:] == (best.threads, best.draft_threads) else settings.thread_hysteresis
    if kept.ms_per_token <= best.ms_per_token * (1.0 + margin):
        return kept, f"kept: within {margin:.1%} of the best{among}"
    return best, f"moved: the best{among}, by {kept.ms_per_token / best.ms_per_token - 1.0:.1%}"
