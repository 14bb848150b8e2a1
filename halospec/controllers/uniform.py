"""Rule ``uniform``: every draft length as often as any other, whatever came of the last ones.

What costs are recorded with: under it every length is measured within the same seconds, so that a machine which changes
meanwhile does not favour one of them. One generator serves all texts: with one for each, every text would begin with
the same lengths. It learns nothing and is no rival of the rules that do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from halospec.controllers.numbers import Length, Seed, require_range
from halospec.controllers.protocol import Outcome


@dataclass(frozen=True)
class UniformSettings:
    """Between which lengths the rule draws, and what its chance starts from."""

    min_length: Length = 0
    max_length: Length = 8
    seed: Seed = 1

    def __post_init__(self) -> None:
        require_range(self.min_length, self.max_length)


class UniformController:
    """Draws the draft length of every step."""

    def __init__(self, settings: UniformSettings) -> None:
        self._settings = settings
        self._random = np.random.default_rng(settings.seed)

    def choose(self) -> int:
        """Return a draft length, drawn anew."""
        return int(self._random.integers(self._settings.min_length, self._settings.max_length, endpoint=True))

    def update(self, outcome: Outcome) -> None:
        """Learn nothing."""
