"""What a study finds."""

from __future__ import annotations

from collections.abc import Mapping

from halospec.analysis.value import Value
from halospec.simulate.intervals import Difference


class KindFindings(Value):
    """A kind of segment, and what every fixed draft length takes in it.

    Attributes
    ----------
    label
        Load and prompts, in words.
    ms_per_token
        With k = 0, 1, …; means over seeds.
    best
        The k that the phase oracle uses.
    """

    label: str
    tokens: int
    ms_per_token: tuple[float, ...]
    best: int


class Against(Value):
    """A policy compared with another one."""

    other: str
    difference: Difference


class PolicyFindings(Value):
    """A policy in a scenario.

    Attributes
    ----------
    ms_per_token
        Mean over seeds.
    regret_ms, oracle_regret_ms
        Per token: against the best fixed draft length, and against the phase oracle.
    to_best_fixed, to_oracle
        The same, relative.
    quiet, under_load
        In the stretches without load, or with: against the fixed draft length that is best in those. ``None`` where the
        scenario has none.
    """

    spelling: str
    ms_per_token: float
    regret_ms: float
    oracle_regret_ms: float
    to_best_fixed: Difference
    to_oracle: Difference
    quiet: Difference | None
    under_load: Difference | None
    others: tuple[Against, ...]


class Track(Value):
    """A policy's way through a scenario, stretch by stretch.

    Attributes
    ----------
    regret_s
        Against the phase oracle, summed from the scenario's start to the end of the stretch, in seconds; mean over
        seeds.
    k, threads
        With the first seed: mean draft length, and mean threads of the target's passes.
    """

    spelling: str
    regret_s: tuple[float, ...]
    k: tuple[float, ...]
    threads: tuple[float, ...]

    @property
    def moves_threads(self) -> bool:
        """Whether the policy changed the number of threads."""
        return len(set(self.threads)) > 1


class ScenarioFindings(Value):
    """All policies in a scenario.

    Attributes
    ----------
    best_fixed, best_fixed_under_load
        The best k in hindsight; in the stretches with load, if there are any.
    headroom
        The phase oracle against the best fixed k: what there was to gain.
    edges
        The tokens between which the tracks' stretches lie.
    oracle_k
        What the phase oracle uses in each stretch.
    loaded
        From which token to which there is load.
    """

    name: str
    title: str
    tokens: int
    seeds: int
    kinds: tuple[KindFindings, ...]
    best_fixed: int
    best_fixed_under_load: int | None
    best_fixed_ms_per_token: float
    oracle_ms_per_token: float
    headroom: Difference
    policies: tuple[PolicyFindings, ...]
    edges: tuple[int, ...]
    oracle_k: tuple[int, ...]
    loaded: tuple[tuple[int, int], ...]
    tracks: tuple[Track, ...]

    def policy(self, spelling: str) -> PolicyFindings:
        """Return the policy of that spelling; KeyError if it was not studied."""
        for policy in self.policies:
            if policy.spelling == spelling:
                return policy
        raise KeyError(spelling)


class Study(Value):
    """Policies in scenarios, with the acceptance and the costs of one recording.

    Attributes
    ----------
    max_length
        Fixed k = 0 to this were the references.
    about
        Where the recording comes from.
    """

    pair: str
    seeds: int
    max_length: int
    about: Mapping[str, str]
    scenarios: tuple[ScenarioFindings, ...]

    @property
    def spellings(self) -> tuple[str, ...]:
        """Every policy studied, fixed draft lengths first."""
        return tuple(policy.spelling for policy in self.scenarios[0].policies) if self.scenarios else ()
