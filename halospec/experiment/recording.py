"""From a request that has ended to its record, and to what a controller may learn of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from halospec.contention.activity import Activity, phase_of
from halospec.controllers.protocol import Outcome
from halospec.endpoints.retry import Attempted
from halospec.knobs.types import Switch
from halospec.records.schema import Phase, RequestRecord
from halospec.records.switches import SwitchRecord


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
    draft_length: int,
    attempted: Attempted,
    activity: Activity,
    steering: Steering,
    *,
    load_seen: bool = False,
    nonce: str | None = None,
) -> RequestRecord:
    """Return the record of an ended request; its phase follows from the load measured meanwhile.

    Parameters
    ----------
    load_seen
        Whether the trial had load before ``activity`` begins.
    nonce
        The words that were put before the prompt.
    """
    started_ns, ended_ns = attempted.started_ns, attempted.ended_ns
    reply = attempted.completion
    first_token_ns = reply.first_token_ns if reply else None
    return RequestRecord(
        mode=place.mode,
        phase=Phase.WARMUP if place.is_warmup else phase_of(activity, started_ns, ended_ns, load_seen=load_seen),
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
        load_overlap=activity.overlap(started_ns, ended_ns),
        load_percent=activity.percent(started_ns, ended_ns),
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
    return Outcome(
        draft_length=record.draft_length or 0,
        success=record.success,
        latency_ms=record.latency_ms,
        completion_tokens=record.completion_tokens,
        drafted=record.drafted,
        accepted=record.accepted,
        rounds=record.rounds,
    )
