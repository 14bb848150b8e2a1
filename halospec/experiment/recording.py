"""From a request that has ended to its record, to what a controller may learn of it, and to why it was sent so."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass

from halospec.contention.activity import Activities, phase_of
from halospec.controllers.decision import Candidate, Decision
from halospec.controllers.protocol import Outcome, RoundOutcome
from halospec.endpoints.retry import Attempted
from halospec.knobs.types import Switch
from halospec.records.decisions import (
    LONGEST_MS,
    MOST_ALARMS,
    MOST_CHARACTERS,
    ChosenSetting,
    DecisionRecord,
    Reasons,
    WeighedSetting,
)
from halospec.records.schema import Phase, RequestRecord, Round
from halospec.records.switches import SwitchRecord

_DECIMALS = 4


@dataclass(frozen=True)
class Place:
    """Where in the plan a request stands.

    Attributes
    ----------
    trial_id, trial_attempt
        As in the request's record.
    """

    mode: str
    block: int
    step: int
    global_step: int
    prompt_id: str
    is_warmup: bool = False
    trial_id: str | None = None
    trial_attempt: int = 1


@dataclass(frozen=True)
class Steering:
    """How k reached the server for a request.

    Attributes
    ----------
    switch
        The loading or starting anew that this request had to wait for, outside its latency.
    placebo
        Whether the probe found that k has no effect, and the run went on all the same.
    """

    knob: str
    switch: Switch | None = None
    placebo: bool = False


def record_of(
    place: Place,
    draft_length: int | None,
    attempted: Attempted,
    activities: Activities,
    steering: Steering,
    *,
    load_seen: bool = False,
    nonce: str | None = None,
) -> RequestRecord:
    """Return the record of an ended request; its phase follows from the load measured meanwhile.

    Parameters
    ----------
    draft_length
        The k that was asked for; ``None`` where a rule inside the server chose it.
    load_seen
        Whether the trial had load before ``activities`` begin.
    nonce
        The words that were put before the prompt.
    """
    started_ns, ended_ns = attempted.started_ns, attempted.ended_ns
    reply = attempted.completion
    first_token_ns = reply.first_token_ns if reply else None
    return RequestRecord(
        mode=place.mode,
        phase=Phase.WARMUP if place.is_warmup else phase_of(activities, started_ns, ended_ns, load_seen=load_seen),
        step=place.step,
        global_step=place.global_step,
        block=place.block,
        prompt_id=place.prompt_id,
        draft_length=draft_length,
        knob=steering.knob,
        placebo=steering.placebo,
        switch_ms=steering.switch.duration_ms if steering.switch else None,
        switch_reason=steering.switch.reason if steering.switch else None,
        drafted=reply.drafted if reply else None,
        accepted=reply.accepted if reply else None,
        rounds=reply.rounds if reply else None,
        round_log=reply.round_log if reply else (),
        cached_tokens=reply.cached_tokens if reply else None,
        load_overlap=activities.overlap(started_ns, ended_ns),
        load_percent=activities.cpu_percent(started_ns, ended_ns),
        success=reply is not None,
        error=attempted.error,
        attempts=attempted.attempts,
        latency_ms=(ended_ns - started_ns) / 1e6,
        ttft_ms=None if first_token_ns is None else (first_token_ns - started_ns) / 1e6,
        prompt_tokens=reply.prompt_tokens if reply else None,
        completion_tokens=reply.completion_tokens if reply else None,
        tokens_from=reply.tokens_from if reply else None,
        drafted_from=reply.drafted_from if reply else None,
        started_ns=started_ns,
        first_token_ns=first_token_ns,
        ended_ns=ended_ns,
        event_ms=tuple(round((at_ns - started_ns) / 1e6, 3) for at_ns in reply.event_ns) if reply else (),
        prompt_ms=reply.prompt_ms if reply else None,
        predicted_ms=reply.predicted_ms if reply else None,
        finish_reason=reply.finish_reason if reply else None,
        text_sha256=hashlib.sha256(reply.text.encode()).hexdigest() if reply else None,
        trial_id=place.trial_id,
        trial_attempt=place.trial_attempt,
        nonce=nonce,
    )


def switch_record_of(place: Place, switch: Switch) -> SwitchRecord:
    """Return the record of a loading or starting anew that a request waited for."""
    return SwitchRecord(
        block=place.block,
        mode=place.mode,
        draft_length=switch.draft_length,
        reason=switch.reason,
        duration_ms=switch.duration_ms,
        started_ns=switch.started_ns,
        ended_ns=switch.ended_ns,
        detail=switch.detail,
    )


def outcome_of(record: RequestRecord) -> Outcome:
    """Return what a controller learns of a request."""
    decode_ms = None
    if record.success and record.first_token_ns is not None:
        decode_ms = (record.ended_ns - record.first_token_ns) / 1e6
    return Outcome(
        draft_length=record.draft_length or 0,
        success=record.success,
        latency_ms=record.latency_ms,
        completion_tokens=record.completion_tokens,
        drafted=record.drafted,
        accepted=record.accepted,
        rounds=record.rounds,
        decode_ms=decode_ms,
        round_log=tuple(round_outcome_of(done, record.draft_length) for done in record.round_log),
    )


def round_outcome_of(done: Round, draft_length: int | None) -> RoundOutcome:
    """Return what a controller learns of a round.

    Parameters
    ----------
    draft_length
        The request's: in force where the server does not say what was.
    """
    in_force = draft_length if done.limit is None else done.limit
    return RoundOutcome(
        limit=max(in_force or 0, done.k),
        k=done.k,
        accepted=done.accepted,
        draft_ms=done.draft_us / 1e3,
        verify_ms=(done.verify_us + done.sample_us) / 1e3,
        threads=done.threads or 0,
        draft_threads=done.draft_threads or 0,
        sequences=done.sequences or 1,
        width=done.width or 0,
    )


def reasons_of(decision: Decision) -> Reasons:
    """Return why a controller chose what it did, as it is kept: four decimals, and nothing that is no number."""
    return Reasons(
        chosen=ChosenSetting(**asdict(decision.chosen)),
        reason=decision.reason[:MOST_CHARACTERS],
        candidates=tuple(_weighed(one) for one in decision.candidates if 0.0 <= one.round_ms <= LONGEST_MS),
        acceptance=tuple(round(min(max(share, 0.0), 1.0), _DECIMALS) for share in decision.acceptance),
        alarms=tuple(alarm[:MOST_CHARACTERS] for alarm in decision.alarms[-MOST_ALARMS:]),
    )


def decision_record_of(place: Place, reasons: Reasons) -> DecisionRecord:
    """Return the record of a decision that was made for a request."""
    return DecisionRecord(
        trial_id=place.trial_id,
        trial_attempt=place.trial_attempt,
        mode=place.mode,
        block=place.block,
        step=place.step,
        is_warmup=place.is_warmup,
        **dict(reasons),
    )


def _weighed(candidate: Candidate) -> WeighedSetting:
    return WeighedSetting(
        **asdict(candidate.setting),
        tokens_per_round=round(candidate.tokens_per_round, _DECIMALS),
        round_ms=round(candidate.round_ms, _DECIMALS),
    )
