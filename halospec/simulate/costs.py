"""What a simulated round costs: rounds of the recording, drawn so that neighbours in time stay neighbours.

The random numbers fix a place in a recorded timeline for each block of a text's tokens, and from there on the timeline
is followed round by round (a block bootstrap, Künsch 1989); which k is used decides which of the rounds near a place is
taken. So policies that are compared meet the same moments of the machine at the same tokens, whatever they choose, and
a slow quarter of a minute slows them all.

A constant k finds one in so many of the recorded rounds its own, as many k were recorded in turn. Were simply the next
one taken, it would be taken several times running, and what was chance in it would look like a slow spell. So each
round takes any one of its own that lie within a short stretch from the place on, by a random number that belongs to the
token at which it begins; where there is none, the next.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from halospec.recordings.types import RecordedRounds, Recording
from halospec.simulate.errors import CannotSimulate

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]

_ONE_PASS = 2
"""Missed tokens that the first pass of a draft takes in by itself; what is beyond them needs passes of its own."""


class ThreadSetting(NamedTuple):
    """Threads of the target's and of the draft's passes."""

    threads: int
    draft_threads: int

    def __str__(self) -> str:
        return f"{self.threads}/{self.draft_threads}"


@dataclass(frozen=True)
class _Cell:
    """Recorded rounds of one k and one class of missed tokens, in their order.

    Attributes
    ----------
    places
        Of the rounds in the timeline, twice over: the second time a whole timeline further on, because it is a ring.
    """

    places: list[int]
    draft_ms: list[float]
    verify_ms: list[float]

    def near(self, place: int, stretch: int, chance: float) -> int:
        """Return which of the rounds is taken: one of those within the stretch that begins at the place, or the next.

        ``chance``, from 0 to 1, decides between several.
        """
        first = bisect_left(self.places, place)
        beyond = bisect_left(self.places, place + stretch, first)
        taken = first + int(chance * (beyond - first))
        rounds = len(self.draft_ms)
        return taken if taken < rounds else taken - rounds


class Moment(NamedTuple):
    """When a simulated round happens. Policies that have come to the same token are at the same moment, or near it.

    Attributes
    ----------
    start
        Where in a timeline its block begins: a share of the timeline, from 0 to 1.
    rounds_since
        Rounds that began in the block before this one.
    chance
        From 0 to 1: which of several recorded rounds that would do.
    """

    start: float
    rounds_since: int
    chance: float


class Timeline:
    """The recorded rounds of one condition and one setting of the threads, as they followed one another.

    A cell is a k, and for k > 0 whether the draft's first pass took in one token or more. A cell that was not recorded
    is made from its neighbours: the rounds of the nearest recorded k (of two equally near the smaller, 0 never),
    scaled to the mean that lies on the line between the means of the next smaller and the next larger k. Where only the
    other class of the same k was recorded, it stands for both.

    Parameters
    ----------
    chosen
        The places of the timeline's rounds in ``rounds``, ascending.
    stretch
        Recorded rounds that are neighbours.
    title
        What it is called in errors.
    """

    def __init__(self, rounds: RecordedRounds, chosen: Places, stretch: int, title: str) -> None:
        self.length = len(chosen)
        # A stretch longer than the ring would come upon the same round twice.
        self._stretch = min(stretch, self.length)
        self._title = title
        k = rounds.k[chosen]
        missed = rounds.missed[chosen]
        behind = (missed > _ONE_PASS) & (k > 0)
        catch_up_ms = rounds.catch_up_us[chosen].astype(np.float64) / 1e3
        draft_ms = rounds.draft_us[chosen].astype(np.float64) / 1e3 - np.where(behind, catch_up_ms, 0.0)
        verify_ms = rounds.verify_us[chosen].astype(np.float64) / 1e3
        self.lengths = tuple(int(length) for length in np.unique(k))
        self._cells: dict[tuple[int, bool], _Cell] = {}
        self._made: dict[tuple[int, bool], _Cell] = {}
        for length in self.lengths:
            for late in (False, True) if length else (False,):
                places = np.flatnonzero((k == length) & ((missed > 1) == late) if length else k == 0)
                if len(places):
                    self._cells[length, late] = _Cell(
                        [*places.tolist(), *(places + self.length).tolist()],
                        draft_ms[places].tolist(),
                        verify_ms[places].tolist(),
                    )
        self._first_extra_ms, self._extra_ms = _catch_up_line(
            missed[behind].astype(np.float64) - _ONE_PASS, catch_up_ms[behind], draft_ms[k > 0], k[k > 0]
        )

    def round_ms(self, moment: Moment, k: int, missed: int) -> tuple[float, float]:
        """Return what drafting k tokens took, and what the target took, in a recorded round of that moment.

        ``missed`` tokens beyond 2 cost what the recorded catching up cost: a straight line in their number.
        """
        late = k > 0 and missed > 1
        cell = self._cells.get((k, late)) or self._made.get((k, late)) or self._made_up(k, late)
        place = (int(moment.start * self.length) + moment.rounds_since) % self.length
        taken = cell.near(place, self._stretch, moment.chance)
        draft_ms = cell.draft_ms[taken]
        if k and missed > _ONE_PASS:
            draft_ms += self._first_extra_ms + self._extra_ms * (missed - _ONE_PASS)
        return draft_ms, cell.verify_ms[taken]

    def _made_up(self, k: int, late: bool) -> _Cell:
        # Never from a cell that was itself made up: what one missed token costs would be lost.
        made = self._cells.get((k, not late)) or self._between(k, late)
        self._made[k, late] = made
        return made

    def _between(self, k: int, late: bool) -> _Cell:
        lower = max((length for length in self.lengths if length < k), default=None)
        upper = min((length for length in self.lengths if length > k), default=None)
        if lower is None or upper is None:
            recorded = ", ".join(map(str, self.lengths)) or "none"
            raise CannotSimulate(
                f"k = {k} lies outside what was recorded for {self._title} (k = {recorded}), and costs are not"
                " extrapolated; record it, or do without it (--max-length bounds fixed ones, @max_length= a rule)."
            )
        below, above = (self._recorded(length, late) for length in (lower, upper))
        near = above if lower == 0 or upper - k < k - lower else below
        weight = (k - lower) / (upper - lower)
        return _Cell(
            near.places,
            _scaled(near.draft_ms, _mean_between(below.draft_ms, above.draft_ms, weight)),
            _scaled(near.verify_ms, _mean_between(below.verify_ms, above.verify_ms, weight)),
        )

    def _recorded(self, k: int, late: bool) -> _Cell:
        return self._cells.get((k, late and k > 0)) or self._cells[k, not late]


class CostReplay:
    """All timelines of a recording. Build it once: it sorts every round into its cell.

    Parameters
    ----------
    stretch
        Recorded rounds that are neighbours in a timeline.
    """

    def __init__(self, recording: Recording, stretch: int) -> None:
        rounds = recording.rounds
        self.conditions = rounds.conditions
        self.own = ThreadSetting(recording.threads, recording.draft_threads)
        self._timelines: dict[tuple[int, ThreadSetting], Timeline] = {}
        for (condition, setting), chosen in _by_setting(rounds).items():
            title = f"{rounds.conditions[condition]} with {setting} threads"
            self._timelines[condition, setting] = Timeline(rounds, chosen, stretch, title)

    def timeline(self, condition: int, setting: ThreadSetting) -> Timeline:
        """Return the rounds recorded under a condition with a setting of the threads.

        Raises
        ------
        CannotSimulate
            If there are none.
        """
        timeline = self._timelines.get((condition, setting))
        if timeline is None:
            there = ", ".join(map(str, self.settings(frozenset({condition})))) or "none"
            raise CannotSimulate(
                f"The recording holds no rounds with {setting} threads (target/draft) under"
                f" {self.conditions[condition]}; it holds {there}."
            )
        return timeline

    def settings(self, conditions: frozenset[int]) -> tuple[ThreadSetting, ...]:
        """Return the settings of the threads recorded under all of these conditions, the server's own first."""
        recorded = {setting for _, setting in self._timelines}
        everywhere = [
            setting for setting in recorded if all((condition, setting) in self._timelines for condition in conditions)
        ]
        return tuple(sorted(everywhere, key=lambda s: (s != self.own, s.threads, s.draft_threads)))


def _by_setting(rounds: RecordedRounds) -> Mapping[tuple[int, ThreadSetting], Places]:
    """Return the places of the rounds of each condition with each setting of the threads, in their order."""
    columns = zip(rounds.condition.tolist(), rounds.threads.tolist(), rounds.draft_threads.tolist(), strict=True)
    places: dict[tuple[int, ThreadSetting], list[int]] = defaultdict(list)
    for place, (condition, threads, draft_threads) in enumerate(columns):
        places[condition, ThreadSetting(threads, draft_threads)].append(place)
    return {key: np.array(own, dtype=np.intp) for key, own in places.items()}


def _catch_up_line(
    extra: Floats, catch_up_ms: Floats, draft_ms: Floats, k: npt.NDArray[np.int16]
) -> tuple[float, float]:
    """Fit what catching up takes, as a + b * (tokens beyond 2); neither is negative.

    Where no draft was ever so far behind, one pass of the draft stands for a, and a token costs nothing more.
    """
    if len(extra) == 0:
        return (float(draft_ms.sum() / k.sum()) if len(k) else 0.0), 0.0
    mean_extra, mean_ms = extra.mean(), catch_up_ms.mean()
    spread = float(((extra - mean_extra) ** 2).sum())
    slope = float(((extra - mean_extra) * (catch_up_ms - mean_ms)).sum()) / spread if spread else 0.0
    slope = min(max(slope, 0.0), float(mean_ms / mean_extra))
    return float(mean_ms - slope * mean_extra), slope


def _mean_between(below: list[float], above: list[float], weight: float) -> float:
    return float((1 - weight) * np.mean(below) + weight * np.mean(above))


def _scaled(values: list[float], mean: float) -> list[float]:
    """Give the values another mean. What is always 0 becomes that mean."""
    own = float(np.mean(values))
    return [mean] * len(values) if own == 0.0 else [value * (mean / own) for value in values]
