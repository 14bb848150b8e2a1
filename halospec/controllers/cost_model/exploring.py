"""Which lengths to try beside the best one: near it, of which little is known, and never at a great loss."""

from __future__ import annotations

from collections.abc import Sequence

from halospec.controllers.cost_model.prediction import Prediction
from halospec.controllers.cost_model.settings import CostModelSettings

_STEPS = (-1, 1, 2)
_FIRST_LOOK = 8.0
"""Drafts, recent ones, before not drafting may be taken for the best."""


def looked_at(predictions: Sequence[Prediction], trials: Sequence[float]) -> list[Prediction]:
    """Return what may be chosen: not drafting only once enough drafts were seen, since it shows nothing of them.

    Parameters
    ----------
    trials
        How many recent rounds tried each position.
    """
    drafting = [one for one in predictions if one.k > 0]
    return drafting if drafting and trials[0] < _FIRST_LOOK else list(predictions)


def worth_trying(
    predictions: Sequence[Prediction], chosen: Prediction, settings: CostModelSettings, *, fresh: bool
) -> Prediction | None:
    """Return the neighbour of which the least is known, if any is not well known and predicted to be near enough.

    In a fresh regime every length is a neighbour.

    Parameters
    ----------
    predictions
        For the threads in force.
    """
    most = chosen.ms_per_token * (1.0 + (settings.fresh_reach if fresh else settings.reach))
    near = [
        one
        for one in predictions
        if one.k != chosen.k
        and (fresh or one.k - chosen.k in _STEPS)
        and one.known < settings.well_known
        and one.ms_per_token <= most
    ]
    return min(near, key=lambda one: (one.known, one.ms_per_token), default=None)


def any_neighbour(
    predictions: Sequence[Prediction], chosen: Prediction, limit: float, draw: float
) -> Prediction | None:
    """Return one of the neighbours that are not much worse, each as likely as the other.

    Parameters
    ----------
    draw
        A random number from 0 to 1.
    """
    most = chosen.ms_per_token * (1.0 + limit)
    near = [one for one in predictions if one.k - chosen.k in _STEPS and one.ms_per_token <= most]
    return near[int(draw * len(near))] if near else None


def cheapest_probe(predictions: Sequence[Prediction], best_ms_per_token: float) -> Prediction | None:
    """Return the length that shows at the least loss what some threads are worth."""
    return min(predictions, key=lambda one: (one.loss_ms(best_ms_per_token), one.k), default=None)
