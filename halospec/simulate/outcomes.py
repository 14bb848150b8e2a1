"""All policies' ways through one scenario, held against hindsight and against each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from halospec.simulate.bins import Binned, Floats, bins_of, loaded_stretches, segment_label
from halospec.simulate.findings import Against, KindFindings, PolicyFindings, ScenarioFindings, Track
from halospec.simulate.intervals import Difference, difference
from halospec.simulate.regret import in_hindsight, oracle_ms
from halospec.simulate.types import Scenario

_PLACES = 4


class Outcomes:
    """All policies' ways through one scenario.

    Parameters
    ----------
    spellings
        Fixed draft lengths 0, 1, … first, so many as ``fixed`` says.
    results
        By seed, then by policy.
    """

    def __init__(
        self,
        scenario: Scenario,
        spellings: Sequence[str],
        fixed: int,
        results: Sequence[Sequence[Binned]],
    ) -> None:
        bins = bins_of(scenario)
        self._scenario = scenario
        self._bins = bins
        self._spellings = spellings
        self._first = results[0]
        self._ms: Floats = np.array([[policy.ms for policy in seed] for seed in results]).transpose(1, 0, 2)
        self._fixed_ms = self._ms[:fixed]
        self._hindsight = in_hindsight(self._fixed_ms, bins.kind, bins.under_load)
        self._oracle_ms = oracle_ms(self._fixed_ms, bins.kind, self._hindsight)
        self._best_ms = self._fixed_ms[self._hindsight.best_fixed]

    def findings(self, contenders: Sequence[str], others: Sequence[str], tracked: Sequence[str]) -> ScenarioFindings:
        """Return everything that is found in the scenario; ``contenders`` are compared with ``others``."""
        hindsight = self._hindsight
        shown = dict.fromkeys((*tracked, self._spellings[hindsight.best_fixed]))
        return ScenarioFindings(
            name=self._scenario.name,
            title=self._scenario.title,
            tokens=self._scenario.tokens,
            seeds=self._ms.shape[1],
            kinds=tuple(self._kind(place) for place in range(len(self._bins.kinds))),
            best_fixed=hindsight.best_fixed,
            best_fixed_under_load=hindsight.best_under_load,
            best_fixed_ms_per_token=self._per_token(self._best_ms),
            oracle_ms_per_token=self._per_token(self._oracle_ms),
            headroom=difference(self._oracle_ms.sum(axis=1), self._best_ms.sum(axis=1)),
            policies=tuple(
                self._policy(place, others if spelling in contenders else ())
                for place, spelling in enumerate(self._spellings)
            ),
            edges=tuple(self._bins.edges.tolist()),
            oracle_k=tuple(hindsight.by_kind[kind] for kind in self._bins.kind),
            loaded=loaded_stretches(self._scenario.segments),
            tracks=tuple(self._track(spelling) for spelling in shown),
        )

    def _kind(self, place: int) -> KindFindings:
        here = self._bins.kind == place
        tokens = int(self._bins.tokens[here].sum())
        mean_ms = self._fixed_ms[:, :, here].sum(axis=2).mean(axis=1)
        return KindFindings(
            label=segment_label(self._bins.kinds[place]),
            tokens=tokens,
            ms_per_token=tuple((mean_ms / tokens).tolist()),
            best=self._hindsight.by_kind[place],
        )

    def _policy(self, place: int, others: Sequence[str]) -> PolicyFindings:
        ms, per_token = self._ms[place], self._per_token(self._ms[place])
        loaded = self._bins.under_load
        return PolicyFindings(
            spelling=self._spellings[place],
            ms_per_token=per_token,
            regret_ms=per_token - self._per_token(self._best_ms),
            oracle_regret_ms=per_token - self._per_token(self._oracle_ms),
            to_best_fixed=difference(ms.sum(axis=1), self._best_ms.sum(axis=1)),
            to_oracle=difference(ms.sum(axis=1), self._oracle_ms.sum(axis=1)),
            quiet=self._where(ms, ~loaded, self._hindsight.best_quiet),
            under_load=self._where(ms, loaded, self._hindsight.best_under_load),
            others=tuple(
                Against(
                    other=other,
                    difference=difference(ms.sum(axis=1), self._ms[self._spellings.index(other)].sum(axis=1)),
                )
                for other in others
                if other != self._spellings[place]
            ),
        )

    def _where(self, ms: Floats, here: npt.NDArray[np.bool_], best: int | None) -> Difference | None:
        if best is None:
            return None
        return difference(ms[:, here].sum(axis=1), self._fixed_ms[best][:, here].sum(axis=1))

    def _track(self, spelling: str) -> Track:
        place = self._spellings.index(spelling)
        regret_s = (self._ms[place] - self._oracle_ms).mean(axis=0).cumsum() / 1e3
        first = self._first[place]
        return Track(
            spelling=spelling, regret_s=_rounded(regret_s), k=_rounded(first.k), threads=_rounded(first.threads)
        )

    def _per_token(self, ms: Floats) -> float:
        return float(ms.sum(axis=1).mean()) / self._scenario.tokens


def _rounded(values: Floats) -> tuple[float, ...]:
    return tuple(np.round(values, _PLACES).tolist())
