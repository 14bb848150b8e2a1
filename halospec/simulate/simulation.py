"""Takes a policy through a scenario: the same texts, the same moments of the machine for every policy.

Acceptance is not modelled but replayed. The recording says at which positions of the target's own text the draft
agrees, so what any draft length would have had accepted from any position on is known exactly. Costs are resampled
from recorded rounds (`halospec.simulate.costs`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np

from halospec.controllers.modes import Mode, mode_named
from halospec.controllers.per_round import Threads
from halospec.controllers.spelling import round_rule
from halospec.recordings.types import Recording
from halospec.simulate.costs import CostReplay, ThreadSetting
from halospec.simulate.course import Course, make_course
from halospec.simulate.errors import CannotSimulate
from halospec.simulate.server import Reply, SimulatedServer
from halospec.simulate.settings import SimulationSettings
from halospec.simulate.types import CHOSEN_PER_ROUND, Scenario, Simulated

_AS_USUAL = SimulationSettings()


def simulate(
    recording: Recording,
    scenario: Scenario,
    spelling: str,
    seed: int,
    settings: SimulationSettings = _AS_USUAL,
) -> Simulated:
    """Take a policy through a scenario.

    Modes of the client choose k before each request, after a warm-up at their own k; modes ``auto:…`` choose before
    each round, the warm-up's too, and learn from one request for the next as their rule does inside a server. Where a
    mode names no threads, those of the recording's server are used.

    Parameters
    ----------
    spelling
        A mode.
    seed
        Fixes texts, costs and drift: two policies with the same seed are paired.

    Raises
    ------
    CannotSimulate
        If the recording lacks what the scenario or the policy asks for.
    UnknownMode
        If there is no such mode.
    """
    mode = mode_named(spelling)
    course, server = _stage(recording, scenario, seed, settings)
    threads = _threads_of(mode, server.costs.own)
    answered = (
        _by_rounds(mode, course, server, threads)
        if mode.in_server
        else _by_requests(mode, course, server, threads, settings)
    )
    return _columns(spelling, seed, list(answered))


@lru_cache(maxsize=2)
def _stage(
    recording: Recording, scenario: Scenario, seed: int, settings: SimulationSettings
) -> tuple[Course, SimulatedServer]:
    """Return what all policies share that are compared: they are usually tried one after the other."""
    course = make_course(recording, scenario, seed, settings)
    return course, SimulatedServer(_costs(recording, settings.stretch_rounds), settings.block_tokens)


@lru_cache(maxsize=4)
def _costs(recording: Recording, stretch_rounds: int) -> CostReplay:
    return CostReplay(recording, stretch_rounds)


def _threads_of(mode: Mode, own: ThreadSetting) -> ThreadSetting:
    def asked(field: str, otherwise: int) -> int:
        value = mode.fields.get(field)
        return value if isinstance(value, int) else otherwise

    return ThreadSetting(asked("threads", own.threads), asked("draft_threads", own.draft_threads))


def _by_requests(
    mode: Mode, course: Course, server: SimulatedServer, threads: ThreadSetting, settings: SimulationSettings
) -> Iterator[tuple[int, Reply]]:
    """Answer every request with the draft length that a rule in the client chooses for it."""
    first = mode.warmup_length
    if first is None:
        raise CannotSimulate(f"{mode.name} chooses no draft length in the client.")
    warm_up = [server.reply_with(request, first, threads).outcome(first, settings) for request in course.warm_up]
    chooser = mode.start(warm_up)
    for request in course.requests:
        draft_length = chooser.choose()
        if draft_length is None:
            raise CannotSimulate(f"{mode.name} chose no draft length.")
        reply = server.reply_with(request, draft_length, threads)
        chooser.update(reply.outcome(draft_length, settings))
        yield draft_length, reply


def _by_rounds(
    mode: Mode, course: Course, server: SimulatedServer, threads: ThreadSetting
) -> Iterator[tuple[int, Reply]]:
    """Answer every request as a rule inside the server says round by round; there is one rule for all of them."""
    others = (setting for setting in server.costs.settings(course.conditions) if setting != threads)
    rule = round_rule(str(mode.fields["length_policy"]), Threads((threads, *others)))
    for request in course.warm_up:
        server.reply(request, rule.for_text(), threads)
    for request in course.requests:
        yield CHOSEN_PER_ROUND, server.reply(request, rule.for_text(), threads)


def _columns(spelling: str, seed: int, answered: Sequence[tuple[int, Reply]]) -> Simulated:
    replies = [reply for _, reply in answered]
    rounds = [done for reply in replies for done in reply.rounds]
    places = [(number, reply.request, at) for number, reply in enumerate(replies) for at in reply.began_at]
    return Simulated(
        spelling=spelling,
        seed=seed,
        text=np.array([reply.request.text for reply in replies], dtype=np.int32),
        tokens=np.array([reply.request.tokens for reply in replies], dtype=np.int32),
        draft_length=np.array([draft_length for draft_length, _ in answered], dtype=np.int16),
        decode_ms=np.array([reply.decode_ms for reply in replies], dtype=np.float64),
        round_request=np.array([number for number, _, _ in places], dtype=np.int32),
        round_segment=np.array([request.segment[at] for _, request, at in places], dtype=np.int32),
        round_token=np.array([request.begins + at for _, request, at in places], dtype=np.int32),
        k=np.array([done.k for done in rounds], dtype=np.int16),
        accepted=np.array([done.accepted for done in rounds], dtype=np.int16),
        duration_ms=np.array([done.duration_ms for done in rounds], dtype=np.float64),
        threads=np.array([done.threads for done in rounds], dtype=np.int16),
        draft_threads=np.array([done.draft_threads for done in rounds], dtype=np.int16),
    )
