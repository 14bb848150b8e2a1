"""Decisions beside what happened after them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from halospec.analysis.modes import in_order
from halospec.analysis.naming import listed
from halospec.analysis.value import Value
from halospec.records.decisions import DecisionRecord
from halospec.records.schema import Phase, RequestRecord, Round
from halospec.records.store import RunFiles, StoreError, read_lines, read_records

RULES_THAT_EXPLAIN = ("cost_model", "auto:cost_model")


class Told(Value):
    """A decision, and what happened while it held.

    Attributes
    ----------
    phase
        Of the request that it was made for.
    success
        Whether that request was answered.
    rounds
        How many it held for; ``None`` where the server logs none.
    predicted_ms_per_token
        What the rule expected of the setting that it chose; ``None`` where it weighed nothing.
    ms_per_token, acceptance
        Of a decision in the client that of the whole request after its first token, of one inside the server that of
        the rounds for which it held. ``None`` where it is not known.
    """

    decision: DecisionRecord
    phase: Phase
    success: bool
    rounds: int | None
    predicted_ms_per_token: float | None
    ms_per_token: float | None
    acceptance: float | None


@dataclass(frozen=True)
class _Request:
    """What tells a request from all others of a run."""

    trial_id: str | None
    trial_attempt: int
    block: int
    mode: str
    is_warmup: bool
    step: int

    @classmethod
    def of(cls, line: RequestRecord | DecisionRecord) -> _Request:
        return cls(line.trial_id, line.trial_attempt, line.block, line.mode, line.is_warmup, line.step)


def decisions_in(directory: Path) -> tuple[Told, ...]:
    """Read the decisions of a run's measured requests, in the order in which they were made.

    Those of trials that were begun anew are left out, as are those of a request that the run did not live to see end.

    Raises
    ------
    StoreError
        If there is no run, a file cannot be read, or nothing was decided there.
    """
    records = [record for record in read_records(directory).records if not (record.void or record.is_warmup)]
    files = RunFiles(directory if directory.is_dir() else directory.parent)
    made: dict[_Request, list[DecisionRecord]] = {}
    for decision in read_lines(files.decisions, DecisionRecord):
        made.setdefault(_Request.of(decision), []).append(decision)
    ended = {_Request.of(record): record for record in records}
    found = tuple(told for request, record in ended.items() for told in _told(record, made.get(request, ())))
    if not found:
        raise StoreError(f"{directory} holds no decisions: {_why_none(records)}.")
    return found


def of(
    found: Sequence[Told], *, step: int | None = None, mode: str | None = None, block: int | None = None
) -> tuple[Told, ...]:
    """Return the decisions of one step, mode or block, or of all where none is named.

    Raises
    ------
    ValueError
        If there are none; the message says where there are some.
    """
    wanted = tuple(
        told
        for told in found
        if step in (None, told.decision.step)
        and mode in (None, told.decision.mode)
        and block in (None, told.decision.block)
    )
    if not wanted:
        modes = listed(in_order(told.decision.mode for told in found))
        steps = [told.decision.step for told in found]
        blocks = [told.decision.block for told in found]
        raise ValueError(
            f"No decision was made there; there are some of {modes}, in steps {min(steps)} to {max(steps)} of blocks"
            f" {min(blocks)} to {max(blocks)}."
        )
    return wanted


def _why_none(records: Sequence[RequestRecord]) -> str:
    """Say why a run has no decisions."""
    modes = in_order(record.mode for record in records)
    explaining = [mode for mode in modes if mode.partition("@")[0] in RULES_THAT_EXPLAIN]
    if explaining:
        return f"{listed(explaining)} ran there, but its requests failed or the server gave no reasons"
    return (
        f"{listed(modes) if modes else 'nothing'} ran there, and the modes that say why they choose what they do are"
        f" {listed(RULES_THAT_EXPLAIN)}"
    )


def _told(record: RequestRecord, decisions: Sequence[DecisionRecord]) -> Iterator[Told]:
    for place, decision in enumerate(decisions):
        if decision.round is None:
            yield _of_request(record, decision)
        elif place + 1 < len(decisions):
            yield _of_rounds(record, decision, record.round_log[decision.round : decisions[place + 1].round])
        else:
            yield _of_rounds(record, decision, _of_one_setting(record.round_log[decision.round :]))


def _of_one_setting(rounds: Sequence[Round]) -> tuple[Round, ...]:
    """Return the rounds before any that ran otherwise than the first.

    A server tells only so many decisions of a reply: what came after the last of them may not be what it decided.
    """
    return tuple(takewhile(lambda done: (done.limit, done.threads) == (rounds[0].limit, rounds[0].threads), rounds))


def _of_request(record: RequestRecord, decision: DecisionRecord) -> Told:
    ms_per_token = None
    if record.success and record.first_token_ns is not None and (record.completion_tokens or 0) > 1:
        ms_per_token = (record.ended_ns - record.first_token_ns) / 1e6 / ((record.completion_tokens or 0) - 1)
    return Told(
        decision=decision,
        phase=record.phase,
        success=record.success,
        rounds=record.rounds,
        predicted_ms_per_token=_predicted(decision),
        ms_per_token=ms_per_token,
        acceptance=_quotient(record.accepted, record.drafted),
    )


def _of_rounds(record: RequestRecord, decision: DecisionRecord, rounds: Sequence[Round]) -> Told:
    took_ms = sum(done.draft_us + done.verify_us + done.sample_us for done in rounds) / 1e3
    tokens = sum(done.accepted + 1 for done in rounds)
    return Told(
        decision=decision,
        phase=record.phase,
        success=record.success,
        rounds=len(rounds),
        predicted_ms_per_token=_predicted(decision),
        ms_per_token=took_ms / tokens if tokens and took_ms else None,
        acceptance=_quotient(sum(done.accepted for done in rounds), sum(done.k for done in rounds)),
    )


def _predicted(decision: DecisionRecord) -> float | None:
    key = _numbers(decision.chosen.model_dump())
    return next((one.ms_per_token for one in decision.candidates if _numbers(one.model_dump()) == key), None)


def _numbers(setting: Mapping[str, object]) -> tuple[object, ...]:
    return setting["draft_length"], setting["threads"], setting["draft_threads"]


def _quotient(part: int | None, whole: int | None) -> float | None:
    return None if part is None or not whole else part / whole
