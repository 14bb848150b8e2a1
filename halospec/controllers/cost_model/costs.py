"""What a pass costs: the target's by its width, the draft's by what it drafts; recent rounds weigh more.

Of the target's pass the shape over widths is kept apart from its level: the shape says how lengths compare, also those
that were not tried lately. In the beginning it is a guess (a pass grows by an eighth of itself a position); a new
regime begins with the old one's.
"""

from __future__ import annotations

from collections.abc import Mapping

SLOPE_GUESS = 0.12
DRAFT_GUESS = 0.35
"""A draft pass against a narrow pass of the target, as long as nothing has been drafted."""
CATCH_UP_GUESS = 0.5
"""Taking in one more token beside the first, against a draft pass."""
_WIDEST = 64
_PSEUDO_ROUNDS = 2.0
_TILT_ROUNDS = 30.0
_MOST_TRUSTED = 60.0
"""A width's place in the shape goes on to move by at least the 60th part of a surprise."""
_TRUSTED_ELSEWHERE = 8.0


class VerifyCost:
    """Time of the target's pass by its width, from 1: a shape that is learned slowly, stretched and tilted fast.

    How widths compare is a matter of the model and of the machine's kernels (one position is often far cheaper than
    two), and stays; how long passes take at all changes with what else runs. So each width's place in the shape follows
    all that was ever measured of it, and least squares on (shape, width - 1) over recent passes, with a ridge towards
    the shape as it is, say the rest.

    Parameters
    ----------
    shape_ms
        Known or guessed times by width; ``None`` where nothing is known: the first measurement then sets the level.
    trusted
        How many passes of each width stand behind the shape.
    shape_rounds
        How many passes a guessed place in the shape counts for.
    slope_guess
        What each further position adds, as a share of the narrowest pass, where nothing is known.
    """

    def __init__(
        self,
        shape_ms: list[float] | None,
        memory: float,
        shape_rounds: float,
        slope_guess: float = SLOPE_GUESS,
        trusted: Mapping[int, float] | None = None,
    ) -> None:
        self._shape = shape_ms
        self._slope_guess = slope_guess
        self._memory = memory
        self._shape_rounds = shape_rounds
        self._trusted = dict(trusted or {})
        self._recent: dict[int, float] = {}
        self._xx = self._xz = self._zz = self._xy = self._zy = 0.0
        self._stretch, self._tilt = 1.0, 0.0
        self.rounds = 0.0
        """Recent rounds, discounted."""

    def known(self, width: int) -> float:
        """Return how many recent rounds had this width."""
        return self._recent.get(min(width, _WIDEST), 0.0)

    def add(self, width: int, verify_ms: float, weight: float = 1.0) -> None:
        """Count a pass, or ``weight`` of them that took this long on average."""
        width = min(width, _WIDEST)
        if self._shape is None:
            slope = self._slope_guess
            level = verify_ms / (1.0 + slope * (width - 1))
            self._shape = [level * (1.0 + slope * i) for i in range(_WIDEST)]
        memory = self._memory if weight == 1.0 else self._memory**weight
        for other in self._recent:
            self._recent[other] *= memory
        self._recent[width] = self._recent.get(width, 0.0) + weight
        self.rounds = self.rounds * memory + weight
        x, z = self._shape[width - 1], width - 1.0
        self._xx = memory * self._xx + weight * x * x
        self._xz = memory * self._xz + weight * x * z
        self._zz = memory * self._zz + weight * z * z
        self._xy = memory * self._xy + weight * x * verify_ms
        self._zy = memory * self._zy + weight * z * verify_ms
        self._fit(x)
        self._reshape(width, verify_ms, weight)

    def forget(self, kept: float) -> None:
        """Let the level so far count for less; the shape stays."""
        for width in self._recent:
            self._recent[width] *= kept
        self.rounds *= kept
        self._xx, self._xz, self._zz, self._xy, self._zy = (
            kept * total for total in (self._xx, self._xz, self._zz, self._xy, self._zy)
        )

    def ms(self, width: int) -> float:
        """Return the expected time of a pass."""
        if self._shape is None:
            return 0.0
        width = min(width, _WIDEST)
        shape = self._shape[width - 1]
        # A tilt taken from narrow passes must not make wide ones cheaper than the narrowest.
        return max(self._stretch * shape + self._tilt * (width - 1.0), 0.5 * self._stretch * self._shape[0])

    def stretched(self, factor: float) -> VerifyCost:
        """Return this as the guess of another regime, times a factor."""
        shape = None
        if self._shape is not None:
            shape = [max(factor * self.ms(width), 1e-3) for width in range(1, _WIDEST + 1)]
        trusted = {width: min(n, _TRUSTED_ELSEWHERE) for width, n in self._trusted.items()}
        return VerifyCost(shape, self._memory, self._shape_rounds, self._slope_guess, trusted)

    def _reshape(self, width: int, verify_ms: float, weight: float) -> None:
        """Move a width's place in the shape towards a measurement, the less the more there were."""
        if self._shape is None:
            return
        trusted = min(self._trusted.get(width, 0.0) + weight, _MOST_TRUSTED)
        self._trusted[width] = trusted
        surplus = min(max(verify_ms / self.ms(width) - 1.0, -0.5), 1.0)
        step = min(weight, trusted) / (trusted + self._shape_rounds)
        self._shape[width - 1] *= 1.0 + step * surplus

    def _fit(self, level: float) -> None:
        """Solve the two normal equations; the ridge on the tilt is worth some rounds of five positions."""
        pull_stretch = _PSEUDO_ROUNDS * 0.05 * level * level
        pull_tilt = _TILT_ROUNDS * 16.0
        a, b, d = self._xx + pull_stretch, self._xz, self._zz + pull_tilt
        p, q = self._xy + pull_stretch, self._zy
        determinant = a * d - b * b
        self._stretch = (p * d - b * q) / determinant
        self._tilt = (a * q - b * p) / determinant


class DraftCost:
    """Time of drafting k tokens: ``c`` a token, and ``e`` for each token that the first pass takes in besides.

    Least squares with a ridge towards what was known before.

    Parameters
    ----------
    per_token_ms, per_missed_ms
        What is known or guessed; ``None``: the first measurement sets it.
    """

    def __init__(self, per_token_ms: float | None, per_missed_ms: float, memory: float) -> None:
        self._guess = per_token_ms
        self._per_token = per_token_ms or 0.0
        self._per_missed = self._guess_missed = per_missed_ms
        self._memory = memory
        self._kk = self._km = self._mm = self._ky = self._my = 0.0
        self.rounds = 0.0

    @property
    def is_guess(self) -> bool:
        """Whether nothing was drafted yet."""
        return self._guess is None

    @property
    def per_token_ms(self) -> float:
        """Expected time of one draft pass."""
        return self._per_token

    @property
    def per_missed_ms(self) -> float:
        """Expected time that each missed token but the last adds."""
        return self._per_missed

    def add(self, k: int, missed: int, draft_ms: float) -> None:
        """Count the drafting of k tokens, at least 1, by a draft that had missed so many."""
        if self._guess is None:
            self._guess = draft_ms / (k + CATCH_UP_GUESS * (missed - 1))
            self._guess_missed = CATCH_UP_GUESS * self._guess
        memory, more = self._memory, float(missed - 1)
        self._kk = memory * self._kk + k * k
        self._km = memory * self._km + k * more
        self._mm = memory * self._mm + more * more
        self._ky = memory * self._ky + k * draft_ms
        self._my = memory * self._my + more * draft_ms
        self.rounds = memory * self.rounds + 1.0
        pull_k, pull_m = 0.25 * _PSEUDO_ROUNDS * 4.0, _PSEUDO_ROUNDS
        a, b, d = self._kk + pull_k, self._km, self._mm + pull_m
        p, q = self._ky + pull_k * self._guess, self._my + pull_m * self._guess_missed
        determinant = a * d - b * b
        self._per_token = max((p * d - b * q) / determinant, 0.0)
        self._per_missed = max((a * q - b * p) / determinant, 0.0)

    def forget(self, kept: float) -> None:
        """Let everything so far count for less."""
        self.rounds *= kept
        self._kk, self._km, self._mm, self._ky, self._my = (
            kept * total for total in (self._kk, self._km, self._mm, self._ky, self._my)
        )

    def ms(self, k: int, missed: float) -> float:
        """Return the expected time of drafting k tokens, at least 1."""
        return self._per_token * k + self._per_missed * (missed - 1.0)

    def stretched(self, factor: float) -> DraftCost:
        """Return this as the guess of another regime, times a factor."""
        if self._guess is None:
            return DraftCost(None, 0.0, self._memory)
        return DraftCost(factor * self._per_token, factor * self._per_missed, self._memory)
