"""The simulated server: writes a request's text round by round, with recorded acceptance and recorded costs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from halospec.controllers.decision import Setting
from halospec.controllers.missed import AT_THE_START, missed_after
from halospec.controllers.per_round import DraftPlace, DraftStop, RoundController
from halospec.controllers.protocol import Outcome, RoundOutcome
from halospec.simulate.costs import CostReplay, Moment, ThreadSetting
from halospec.simulate.course import Request
from halospec.simulate.errors import CannotSimulate
from halospec.simulate.settings import SimulationSettings


@dataclass(frozen=True, eq=False)
class Reply:
    """A request that was written.

    Attributes
    ----------
    rounds
        In order.
    began_at
        For each round, the token (the first not counted) at which it began.
    """

    request: Request
    rounds: tuple[RoundOutcome, ...]
    began_at: tuple[int, ...]

    @cached_property
    def decode_ms(self) -> float:
        """From the first token to the last."""
        return sum(done.duration_ms for done in self.rounds)

    def outcome(self, draft_length: int, settings: SimulationSettings) -> Outcome:
        """Return what a controller in the client learns of it."""
        return Outcome(
            draft_length=draft_length,
            success=True,
            latency_ms=settings.prompt_ms + self.decode_ms,
            completion_tokens=self.request.tokens + 1,
            drafted=sum(done.k for done in self.rounds),
            accepted=sum(done.accepted for done in self.rounds),
            rounds=len(self.rounds),
            decode_ms=self.decode_ms,
            round_log=() if settings.counts_only else self.rounds,
        )


class SimulatedServer:
    """Answers requests. What a constant k makes of a request is worked out once and kept: it never differs.

    Parameters
    ----------
    block_tokens
        Tokens for which a recorded timeline is followed from each of a request's random places in it.
    """

    def __init__(self, costs: CostReplay, block_tokens: int) -> None:
        self.costs = costs
        self._block_tokens = block_tokens
        self._constant: dict[tuple[Request, int, ThreadSetting], Reply] = {}

    def reply_with(self, request: Request, draft_length: int, threads: ThreadSetting) -> Reply:
        """Answer a request with the same draft length in all rounds.

        Raises
        ------
        CannotSimulate
            As `reply`.
        """
        key = (request, draft_length, threads)
        if key not in self._constant:
            self._constant[key] = self.reply(request, _Constant(Setting(draft_length)), threads)
        return self._constant[key]

    def reply(self, request: Request, controller: RoundController, threads: ThreadSetting) -> Reply:
        """Answer a request as a rule says before each round.

        A draft is no longer than what is left of the request less one token, the target's own. A stop that ends a
        draft before its (j+1)-th token has paid for j+1 passes of the draft, those of a recorded round with k = j+1,
        and for a pass of the target over j+1 positions, that of one with k = j. Past a draft's first wrong token the
        stop is shown what the draft offers at that place of the recorded text: what it would have offered after its
        own wrong token was not recorded.

        Parameters
        ----------
        threads
            For rounds for which the rule names none.

        Raises
        ------
        CannotSimulate
            If the rule chooses a draft length or threads that nothing was recorded of.
        """
        tokens, block_tokens = request.tokens, self._block_tokens
        matches, conditions = request.matches, request.condition
        starts, chances = request.starts, request.chances
        stop = controller.stop
        rounds: list[RoundOutcome] = []
        began_at: list[int] = []
        at = block = since = 0
        missed = AT_THE_START
        while at < tokens:
            setting = controller.choose(1)
            used = threads
            if setting.threads is not None or setting.draft_threads is not None:
                used = ThreadSetting(setting.threads or threads.threads, setting.draft_threads or threads.draft_threads)
            timeline = self.costs.timeline(conditions[at], used)
            limit = setting.draft_length
            if limit < 0:
                raise CannotSimulate(f"A rule chose the draft length {limit}.")
            k = min(limit, tokens - at - 1)
            if at // block_tokens != block:
                block, since = at // block_tokens, 0
            moment = Moment(starts[block], since, chances[at])
            since += 1
            drafted = k if stop is None or k == 0 else _drafted(stop, request, at, k)
            stopped = drafted < k
            draft_ms, verify_ms = timeline.round_ms(moment, drafted + stopped, missed)
            if stopped:
                k = drafted
                _, verify_ms = timeline.round_ms(moment, k, missed)
            run = matches[at]
            accepted = run if run < k else k
            done = RoundOutcome(
                limit,
                k,
                accepted,
                draft_ms,
                verify_ms,
                used.threads,
                used.draft_threads if k or stopped else 0,
                1,
                k + 1,
            )
            controller.update(done)
            rounds.append(done)
            began_at.append(at)
            missed = missed_after(missed, k, accepted, stopped=stopped)
            at += accepted + 1
        return Reply(request, tuple(rounds), tuple(began_at))


@dataclass(frozen=True)
class _Constant:
    """The same setting in every round."""

    setting: Setting

    @property
    def stop(self) -> DraftStop | None:
        """Nothing."""
        return None

    def choose(self, sequences: int = 1) -> Setting:  # noqa: ARG002
        """Return the setting."""
        return self.setting

    def update(self, done: RoundOutcome) -> None:
        """Learn nothing."""


def _drafted(stop: DraftStop, request: Request, at: int, k: int) -> int:
    """Return how many tokens a stop lets a draft of up to k have."""
    stop.begin()
    for place in range(at, at + k):
        if stop.ends_before(DraftPlace(request.top_probability[place], request.entropy[place])):
            return place - at
    return k
