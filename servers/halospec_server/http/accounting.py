"""From the accounts of a request's texts to what its reply says of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from math import isfinite

from halospec.controllers.decision import Candidate, Setting
from halospec_server.decoding.generation import Round
from halospec_server.http.schema import (
    CandidateReport,
    DecisionReport,
    ExplainedSpeculation,
    PromptTokensDetails,
    RoundReport,
    SettingReport,
    Speculation,
    Timings,
    Usage,
)
from halospec_server.jobs.completion import MOST_DECISIONS, Account

_MOST_ALARMS = 64
"""Of a decision, the latest: a rule may hear many while it changes nothing, and clients refuse more."""


def _begun(accounts: Sequence[Account]) -> list[Account]:
    """Return those whose prompt was read."""
    return [account for account in accounts if account.prefill is not None]


def usage_of(accounts: Sequence[Account]) -> Usage:
    """Count tokens: the prompt once, however many texts were written from it."""
    prompt_tokens = len(accounts[0].generation.prompt)
    completion_tokens = sum(account.completion_tokens for account in accounts)
    return Usage(
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        total_tokens=prompt_tokens + completion_tokens,
        # What one text of a request left for the next was not there before the request.
        prompt_tokens_details=PromptTokensDetails(
            cached_tokens=min((account.cached for account in _begun(accounts)), default=0)
        ),
    )


def timings_of(accounts: Sequence[Account]) -> Timings:
    """Sum up counts and times over the texts."""
    rounds = [done for account in accounts for done in account.rounds]
    return Timings(
        cache_n=sum(account.cached for account in accounts),
        prompt_n=sum(len(account.generation.prompt) - account.cached for account in _begun(accounts)),
        prompt_ms=_ms(sum(account.prompt_ns for account in accounts)),
        predicted_n=sum(account.completion_tokens for account in accounts),
        predicted_ms=_ms(sum(account.predicted_ns for account in accounts)),
        draft_n=sum(done.k for done in rounds),
        draft_n_accepted=sum(done.accepted for done in rounds),
    )


def speculation_of(accounts: Sequence[Account]) -> Speculation:
    """Say what was in force, and give every round of every text, and reasons where there are any."""
    generation, drafter = accounts[0].generation, accounts[0].drafter
    chosen = generation.draft_length is None and drafter != "none"
    speculation = Speculation(
        draft_length=None if chosen else 0 if drafter == "none" else generation.draft_length,
        length_policy=generation.length_policy if chosen else None,
        drafter=drafter,
        draft_prompt_ms=_ms(sum(account.prefill.draft_ns for account in accounts if account.prefill)),
        deadline_exceeded=any(account.deadline_exceeded for account in accounts),
        rounds=[_report(choice, done) for choice, account in enumerate(accounts) for done in account.rounds],
    )
    decisions = list(islice(_decisions(accounts), MOST_DECISIONS))
    return ExplainedSpeculation(**dict(speculation), decisions=decisions) if decisions else speculation


def _report(choice: int, done: Round) -> RoundReport:
    return RoundReport(
        choice=choice,
        limit=done.limit,
        k=done.k,
        accepted=done.accepted,
        draft_us=_us(done.draft_ns),
        catch_up_us=_us(done.catch_up_ns),
        verify_us=_us(done.verify_ns),
        sample_us=_us(done.sample_ns),
        threads=done.threads,
        draft_threads=done.draft_threads,
        sequences=done.sequences,
        width=done.width,
    )


def _decisions(accounts: Sequence[Account]) -> Iterator[DecisionReport]:
    for choice, account in enumerate(accounts):
        for taken in account.decisions:
            decision = taken.decision
            yield DecisionReport(
                choice=choice,
                round=taken.round,
                chosen=_setting(decision.chosen),
                reason=decision.reason,
                candidates=[_candidate(each) for each in decision.candidates if isfinite(each.round_ms)],
                acceptance=[round(probability, 4) for probability in decision.acceptance],
                alarms=list(decision.alarms[-_MOST_ALARMS:]),
            )


def _setting(setting: Setting) -> SettingReport:
    return SettingReport(
        draft_length=setting.draft_length, threads=setting.threads, draft_threads=setting.draft_threads
    )


def _candidate(candidate: Candidate) -> CandidateReport:
    return CandidateReport(
        draft_length=candidate.setting.draft_length,
        threads=candidate.setting.threads,
        draft_threads=candidate.setting.draft_threads,
        tokens_per_round=round(candidate.tokens_per_round, 4),
        round_ms=round(candidate.round_ms, 4),
    )


def _ms(duration_ns: int) -> float:
    return round(duration_ns / 1e6, 3)


def _us(duration_ns: int) -> float:
    return round(duration_ns / 1e3, 1)
