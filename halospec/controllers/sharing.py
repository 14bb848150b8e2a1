"""Rules of steps at work inside a server: one for all texts together, or a new one for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from halospec.controllers.per_round import RoundController, Stepwise
from halospec.controllers.protocol import Controller


@dataclass(frozen=True)
class Shared:
    """One controller for all texts: what it has learned from one serves the next."""

    controller: Controller

    def for_text(self) -> RoundController:
        """Return the one controller, as it is applied to rounds."""
        return Stepwise(self.controller)


@dataclass(frozen=True)
class EachAnew:
    """A new controller for each text, which knows nothing of the others."""

    start: Callable[[], Controller]

    def for_text(self) -> RoundController:
        """Return a new controller, as it is applied to rounds."""
        return Stepwise(self.start())
