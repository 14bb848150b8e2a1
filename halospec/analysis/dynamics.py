"""How a mode came through a change of load: how far it overshot, how soon it was back, how often it moved k.

Everything is computed from the time per output token of single requests, (ended - first token) / (tokens - 1), in the
order of a trial's steps; a rolling median is that of a request and the two before it, so that one odd request moves
nothing.

Prompts differ in how well they can be drafted, and their times by more than the 5 % that a recovery is judged by. So
each time is divided by how much slower its prompt was than others in the other blocks of this run, where it was asked
in enough of them (`FEWEST_BLOCKS`). A prompt that helps one k more than another is not evened out by that: read a
controller's figures beside those of the fixed modes, which show what prompts and machine do by themselves.

*Overshoot*: the highest rolling median within the load phase over the median of its second half, minus 1. Not over the
steady level: under load every mode is slower, and what a controller adds is the excess before it settles.

*Recovery time*: from the end of the last request under load to the end of the first one from which on the rolling
median is within 5 % of the steady phase's median, on either side, and stays so to the end of the trial. The first
windows reach back into the load phase, so that it takes two requests where load ends with a jump back.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from halospec.analysis.adaptive import draft_changes
from halospec.analysis.modes import in_order
from halospec.analysis.request_times import RequestTime, times_of
from halospec.analysis.requests import PHASES, Flags, Floats, Ints, Requests
from halospec.analysis.value import Value
from halospec.records.schema import Phase

WINDOW = 3
TOLERANCE = 0.05
FEWEST_UNDER_LOAD = 5
"""Times in the load phase that an overshoot needs: its second half then fills a window."""
FEWEST_BLOCKS = 3
"""Of a prompt asked in fewer, what is its own cannot be told from what its place in the trial did."""
_ROUNDS = 10

_STEADY, _LOAD = PHASES.index(Phase.STEADY), PHASES.index(Phase.LOAD)


class TrialDynamics(Value):
    """One trial that had a load phase.

    Attributes
    ----------
    unknown
        Requests that failed or whose time per token is not known; windows pass over them.
    steady_ms, settled_ms
        Median time per token of the steady phase, and of the second half of the load phase, prompts evened out.
    overshoot
        0.2 is 20 %; ``None`` with fewer than `FEWEST_UNDER_LOAD` times under load.
    observed_recovery
        Whether a recovery can be seen or missed: the steady and the recovery phase have `WINDOW` times or more each.
    recovery_requests, recovery_s
        Requests and seconds until it had recovered; ``None`` if it had not when the trial ended, or this cannot be
        observed.
    draft_changes
        Steps whose k differs from the one before; ``None`` where a rule inside the server chose it.
    """

    mode: str
    block: int
    unknown: int
    steady_ms: float | None
    settled_ms: float | None
    overshoot: float | None
    observed_recovery: bool
    recovery_requests: int | None
    recovery_s: float | None
    draft_changes: int | None


class ModeDynamics(Value):
    """Medians over a mode's trials. They describe; no interval and no test is behind them.

    Attributes
    ----------
    overshoot_trials, recovery_trials
        Trials long enough for either.
    recovered
        Trials that had recovered before they ended.
    recovery_requests, recovery_s
        A trial that had not recovered counts as longer than any other; ``None`` where the median is such a one.
    """

    mode: str
    trials: int
    overshoot: float | None
    overshoot_trials: int
    recovery_requests: float | None
    recovery_s: float | None
    recovered: int
    recovery_trials: int
    draft_changes: float | None


class Dynamics(Value):
    """Every trial that had a load phase, and every mode that had such a trial.

    Attributes
    ----------
    prompts_evened
        Whether times are relative to what their prompts usually took.
    """

    prompts_evened: bool
    trials: tuple[TrialDynamics, ...]
    modes: tuple[ModeDynamics, ...]


def dynamics(requests: Requests) -> Dynamics | None:
    """Describe each trial that had a load phase; ``None`` if there is none."""
    measured = requests.measured
    evened = prompts_evened(measured)
    trials = tuple(
        _described(trial) for trial in _trials(measured if evened is None else evened) if (trial.phase == _LOAD).any()
    )
    if not trials:
        return None
    modes = in_order(trial.mode for trial in trials)
    return Dynamics(
        prompts_evened=evened is not None,
        trials=trials,
        modes=tuple(_summarised(mode, [one for one in trials if one.mode == mode]) for mode in modes),
    )


def prompts_evened(requests: Requests) -> Requests | None:
    """Return the requests with times per token as an average prompt would have taken.

    A request's log time is taken for the sum of what its trial had in its phase and what its prompt adds; both are
    fitted by least squares, each in turn given the other. What a prompt adds is then the median of the other blocks: no
    request evens out itself, and a block in which the prompt met with something slow says little. ``None`` where no
    prompt was asked in enough blocks.
    """
    times = times_of(requests, RequestTime.TPOT)
    known = requests.success & np.isfinite(times) & (times > 0) & (requests.prompt >= 0)
    if not known.any():
        return None
    logs, prompt = np.log(times[known]), requests.prompt[known]
    cells = (requests.block * len(requests.modes) + requests.mode) * len(PHASES) + requests.phase
    _, cell = np.unique(cells[known], return_inverse=True)
    of_prompt = np.zeros(len(requests.prompts))
    for _ in range(_ROUNDS):
        of_cell = _sums(logs - of_prompt[prompt], cell) / np.bincount(cell)
        of_prompt = _quotients(
            _sums(logs - of_cell[cell], prompt, len(of_prompt)), np.bincount(prompt, minlength=len(of_prompt))
        )

    _, block = np.unique(requests.block[known], return_inverse=True)
    blocks = int(block.max()) + 1
    shape = (len(requests.prompts), blocks)
    place = prompt * blocks + block
    counts = np.bincount(place, minlength=shape[0] * shape[1])
    added = _quotients(_sums(logs - of_cell[cell], place, len(counts)), counts).reshape(shape)
    held = counts.reshape(shape) > 0
    often = held.sum(axis=1) >= FEWEST_BLOCKS
    if not often.any():
        return None
    factors = np.ones(len(requests))
    factors[known] = np.exp(np.where(often[prompt], _medians_without(added, held)[prompt, block], 0.0))
    return replace(requests, decode_ms=requests.decode_ms / factors)


def _medians_without(values: Floats, held: Flags) -> Floats:
    """Return for each value the median of the others in its row; 0 where it has fewer than two."""
    order = np.argsort(np.where(held, values, np.inf), axis=1)
    rank = np.argsort(order, axis=1)
    in_order = np.take_along_axis(values, order, axis=1)
    others = np.maximum(held.sum(axis=1, keepdims=True) - 1, 0)
    middles = [middle + (middle >= rank) for middle in (np.maximum(others - 1, 0) // 2, others // 2)]
    most = values.shape[1] - 1
    low, high = (np.take_along_axis(in_order, np.minimum(place, most), axis=1) for place in middles)
    return np.where(held & (others >= 2), (low + high) / 2, 0.0)


def _sums(values: Floats, group: npt.NDArray[np.intp], groups: int = 0) -> Floats:
    return np.bincount(group, weights=values, minlength=groups).astype(np.float64)


def _quotients(sums: Floats, counts: npt.NDArray[np.intp]) -> Floats:
    return np.divide(sums, counts, out=np.zeros(counts.shape), where=counts > 0)


def overshoot_of(under_load_ms: Sequence[float]) -> float | None:
    """Return the overshoot of the times per token of a load phase; ``None`` if they are too few."""
    if len(under_load_ms) < FEWEST_UNDER_LOAD:
        return None
    return max(rolling_medians(under_load_ms)) / settled(under_load_ms) - 1


def recovered_at(before_ms: Sequence[float], after_ms: Sequence[float], steady_ms: float) -> int | None:
    """Return which request after the load, from 0, is the first from which on the rolling median stays near a level.

    Parameters
    ----------
    before_ms, after_ms
        Times per token up to the end of the load, and after it.
    steady_ms
        The level.
    """
    medians = rolling_medians([*before_ms[-(WINDOW - 1) :], *after_ms])
    lasting = 0
    for median in reversed(medians):
        if abs(median / steady_ms - 1) > TOLERANCE:
            break
        lasting += 1
    return len(after_ms) - lasting if lasting else None


def rolling_medians(values: Sequence[float]) -> list[float]:
    """Return the median of each value from the third on and the two before it."""
    return [sorted(values[end - WINDOW : end])[WINDOW // 2] for end in range(WINDOW, len(values) + 1)]


def settled(under_load_ms: Sequence[float]) -> float:
    """Return the median of the second half of a load phase, the middle one included."""
    return statistics.median(under_load_ms[len(under_load_ms) // 2 :])


@dataclass(frozen=True, eq=False)
class _Trial:
    """The columns of one trial in the order of its steps; of the thousands in a long run no others are needed."""

    mode: str
    block: int
    phase: Ints
    times: Floats
    known: Flags
    ended_ns: Ints
    draft_length: Floats


def _trials(requests: Requests) -> Iterator[_Trial]:
    ordered = requests.taken(np.lexsort((requests.step, requests.block, requests.mode)))
    times = times_of(ordered, RequestTime.TPOT)
    known = ordered.success & np.isfinite(times) & (times > 0)
    starts = np.flatnonzero((np.diff(ordered.mode, prepend=-1) != 0) | (np.diff(ordered.block, prepend=-1) != 0))
    for start, end in pairwise((*starts.tolist(), len(ordered))):
        mine = slice(start, end)
        yield _Trial(
            mode=ordered.modes[ordered.mode[start]],
            block=int(ordered.block[start]),
            phase=ordered.phase[mine],
            times=times[mine],
            known=known[mine],
            ended_ns=ordered.ended_ns[mine],
            draft_length=ordered.draft_length[mine],
        )


def _described(trial: _Trial) -> TrialDynamics:
    times, known = trial.times, trial.known
    last_under_load = int(np.flatnonzero(trial.phase == _LOAD)[-1])
    after = np.arange(len(times)) > last_under_load
    steady = times[known & (trial.phase == _STEADY)].tolist()
    under_load = times[known & (trial.phase == _LOAD)].tolist()
    recovery = np.flatnonzero(known & after)

    is_observed = len(steady) >= WINDOW and len(recovery) >= WINDOW
    at = None
    if is_observed:
        at = recovered_at(times[known & ~after].tolist(), times[recovery].tolist(), statistics.median(steady))
    since_load_ns = None if at is None else int(trial.ended_ns[recovery[at]] - trial.ended_ns[last_under_load])
    return TrialDynamics(
        mode=trial.mode,
        block=trial.block,
        unknown=int(np.count_nonzero(~known)),
        steady_ms=statistics.median(steady) if steady else None,
        settled_ms=settled(under_load) if under_load else None,
        overshoot=overshoot_of(under_load),
        observed_recovery=is_observed,
        recovery_requests=None if at is None else int(recovery[at]) - last_under_load,
        recovery_s=None if since_load_ns is None else since_load_ns / 1e9,
        draft_changes=None if np.isnan(trial.draft_length).any() else draft_changes(trial.draft_length),
    )


def _summarised(mode: str, trials: Sequence[TrialDynamics]) -> ModeDynamics:
    overshoots = [trial.overshoot for trial in trials if trial.overshoot is not None]
    observed = [trial for trial in trials if trial.observed_recovery]
    changes = [trial.draft_changes for trial in trials if trial.draft_changes is not None]
    return ModeDynamics(
        mode=mode,
        trials=len(trials),
        overshoot=statistics.median(overshoots) if overshoots else None,
        overshoot_trials=len(overshoots),
        recovery_requests=_median_or_never(trial.recovery_requests for trial in observed),
        recovery_s=_median_or_never(trial.recovery_s for trial in observed),
        recovered=sum(trial.recovery_requests is not None for trial in observed),
        recovery_trials=len(observed),
        draft_changes=statistics.median(changes) if changes else None,
    )


def _median_or_never(durations: Iterable[float | None]) -> float | None:
    values = [math.inf if duration is None else float(duration) for duration in durations]
    median = statistics.median(values) if values else math.inf
    return median if math.isfinite(median) else None
