"""Service level objectives as a constraint on what may be chosen."""

from __future__ import annotations

import math
from collections.abc import Sequence

from halospec.controllers.cost_model.prediction import Prediction
from halospec.controllers.cost_model.settings import CostModelSettings

_ONE_OF_TWENTY = 1.645
_ROUNDS_OF_A_REPLY = 24.0
"""Over which a time per token is averaged, for lack of anything better: some sixty tokens."""


def permitted(predictions: Sequence[Prediction], spread: float, settings: CostModelSettings) -> list[Prediction]:
    """Return the settings that keep to the limits in nineteen of twenty cases.

    Where none does, the one that comes closest to it: better late than not at all.

    Parameters
    ----------
    spread
        Relative standard deviation of a round's time.
    """
    if settings.itl_slo_ms is None and settings.tpot_slo_ms is None:
        return list(predictions)
    kept = [one for one in predictions if _excess(one, spread, settings) <= 1.0]
    return kept or [min(predictions, key=lambda one: _excess(one, spread, settings))]


def _excess(one: Prediction, spread: float, settings: CostModelSettings) -> float:
    """Return the larger of the two times over its limit; at most 1 is within."""
    worst = 0.0
    if settings.itl_slo_ms is not None:
        worst = one.ms * (1.0 + _ONE_OF_TWENTY * spread) / settings.itl_slo_ms
    if settings.tpot_slo_ms is not None:
        slow = 1.0 + _ONE_OF_TWENTY * spread / math.sqrt(_ROUNDS_OF_A_REPLY)
        worst = max(worst, one.ms_per_token * slow / settings.tpot_slo_ms)
    return worst
