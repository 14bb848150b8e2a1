"""What a pass costs: the target's by its width, the draft's by what it drafts; recent rounds weigh more.

Both are a known shape, stretched to what is measured: the shape says how lengths compare that were not tried lately,
the measurements say the rest. In a regime without history the shape is a guess (the target's pass grows by an eighth of
itself a position); later it is what was learned before.
"""

from __future__ import annotations

SLOPE_GUESS = 0.12
DRAFT_GUESS = 0.35
"""A draft pass against a narrow pass of the target, as long as nothing has been drafted."""
CATCH_UP_GUESS = 0.5
"""Taking in one more token beside the first, against a draft pass."""
_WIDEST = 64
_PSEUDO_ROUNDS = 2.0


class VerifyCost:
    """Time of the target's pass by its width, from 1: a stretched and tilted shape, and each width's own mean.

    Least squares on (shape, width - 1), with a ridge that pulls towards the shape as it is (notes of the ridge are in
    rounds: it counts for ``shape_rounds`` of them). A width's own rounds then count against the curve.

    Parameters
    ----------
    shape_ms
        Known or guessed times by width; ``None`` where nothing is known: the first measurement then sets the level.
    slope_guess
        What each further position adds, as a share of the narrowest pass, where nothing is known.
    """

    def __init__(
        self, shape_ms: list[float] | None, memory: float, shape_rounds: float, slope_guess: float = SLOPE_GUESS
    ) -> None:
        self._shape = shape_ms
        self._slope_guess = slope_guess
        self._memory = memory
        self._shape_rounds = shape_rounds
        self._sum: dict[int, float] = {}
        self._n: dict[int, float] = {}
        self._xx = self._xz = self._zz = self._xy = self._zy = 0.0
        self._stretch, self._tilt = 1.0, 0.0
        self.rounds = 0.0
        """Recent rounds, discounted."""

    @property
    def is_guess(self) -> bool:
        """Whether nothing at all is known."""
        return self._shape is None

    def known(self, width: int) -> float:
        """Return how many recent rounds had this width."""
        return self._n.get(width, 0.0)

    def add(self, width: int, verify_ms: float, weight: float = 1.0) -> None:
        """Count a pass."""
        width = min(width, _WIDEST)
        if self._shape is None:
            slope = self._slope_guess
            level = verify_ms / (1.0 + slope * (width - 1))
            self._shape = [level * (1.0 + slope * i) for i in range(_WIDEST)]
        memory = self._memory if weight == 1.0 else self._memory**weight
        for other in self._n:
            self._n[other] *= memory
            self._sum[other] *= memory
        self._n[width] = self._n.get(width, 0.0) + weight
        self._sum[width] = self._sum.get(width, 0.0) + weight * verify_ms
        self.rounds = self.rounds * memory + weight
        x, z = self._shape[width - 1], width - 1.0
        self._xx = memory * self._xx + weight * x * x
        self._xz = memory * self._xz + weight * x * z
        self._zz = memory * self._zz + weight * z * z
        self._xy = memory * self._xy + weight * x * verify_ms
        self._zy = memory * self._zy + weight * z * verify_ms
        self._fit(x)

    def forget(self, kept: float) -> None:
        """Let everything so far count for less."""
        for width in self._n:
            self._n[width] *= kept
            self._sum[width] *= kept
        self.rounds *= kept
        self._xx, self._xz, self._zz, self._xy, self._zy = (
            kept * total for total in (self._xx, self._xz, self._zz, self._xy, self._zy)
        )

    def ms(self, width: int) -> float:
        """Return the expected time of a pass."""
        width = min(width, _WIDEST)
        n = self._n.get(width)
        if not n:
            return self._curve(width)
        pull = self._shape_rounds
        return (self._sum[width] + pull * self._curve(width)) / (n + pull)

    def table(self, stretch: float) -> list[float] | None:
        """Return the expected time by width, times a factor: the shape of another regime."""
        if self._shape is None:
            return None
        return [stretch * max(self.ms(width), 1e-3) for width in range(1, _WIDEST + 1)]

    def _curve(self, width: int) -> float:
        if self._shape is None:
            return 0.0
        shape = self._shape[width - 1]
        # A tilt taken from narrow passes must not make wide ones cheaper than the narrowest.
        return max(self._stretch * shape + self._tilt * (width - 1.0), 0.5 * self._stretch * self._shape[0])

    def _fit(self, level: float) -> None:
        """Solve the two normal equations; the ridge on the tilt is worth ``shape_rounds`` rounds of five positions."""
        pull_stretch = _PSEUDO_ROUNDS * 0.05 * level * level
        pull_tilt = self._shape_rounds * 16.0
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
