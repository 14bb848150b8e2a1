"""All that is known of a knob, judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from halospec.endpoints.server_kind import SpeculationFacts
from halospec.knobs.types import Knob, KnobKind
from halospec.probe.canaries import Canary
from halospec.probe.count_verdict import judge_counts
from halospec.probe.judgement import Judgement
from halospec.probe.time_verdict import judge_time
from halospec.records.probe import Basis, PairedTest, Verdict


@dataclass(frozen=True)
class KnobEvidence:
    """What came of trying one knob.

    Attributes
    ----------
    switch_ms
        How long each loading or starting took, where that is how k is set.
    problem
        Why the knob could not be turned, if it could not.
    """

    knob: Knob
    canaries: tuple[Canary, ...]
    switch_ms: tuple[float, ...] = ()
    problem: str = ""


def judge(evidence: KnobEvidence, tests: Sequence[PairedTest], speculation: SpeculationFacts, seed: int) -> Judgement:
    """Return the verdict on one knob: counts decide where there are any, else time."""
    if evidence.knob.kind is KnobKind.NONE:
        return Judgement(Verdict.IGNORED, Basis.NOTHING, "with this knob no draft length is sent")
    if evidence.problem:
        return Judgement(Verdict.CANNOT_TELL, Basis.NOTHING, f"k could not be set: {_part(evidence.problem)}")
    own_lengths = evidence.knob.lengths
    if own_lengths is not None and len(own_lengths) < 2:
        there = ", ".join(f"only k = {k}" for k in own_lengths) or "no draft length"
        return Judgement(Verdict.CANNOT_TELL, Basis.NOTHING, f"{there} can be set, and a comparison needs two")
    refused = refused_lengths(evidence.canaries)
    answered = {canary.cell.draft_length for canary in evidence.canaries if canary.completion is not None}
    if len(answered) < 2:
        return _without_replies(evidence.canaries, refused)
    found = judge_counts(evidence.canaries, speculation, seed) or judge_time(tests)
    if found.verdict is Verdict.CANNOT_TELL and found.basis is not Basis.COUNTS:
        found = _by_its_description(evidence.knob, speculation, found)
    remarks = [f"k = {k} is refused ({_part(refused[k])})" for k in sorted(refused)]
    remarks += _strangers(evidence.canaries) + _failures(evidence.canaries)
    return replace(found, reason="; ".join([found.reason, *remarks]))


def _by_its_description(knob: Knob, speculation: SpeculationFacts, found: Judgement) -> Judgement:
    """Let the server's own list of fields decide what time could not."""
    if knob.kind is not KnobKind.REQUEST_FIELD or speculation.known_fields is None:
        return found
    sent = knob.request_change(1).fields.keys()
    if sent & speculation.known_fields:
        return found
    listed = (
        f"the server drops fields that its own description does not list, and {', '.join(sorted(sent))} is not there"
    )
    return Judgement(Verdict.IGNORED, Basis.DESCRIPTION, f"{listed}; {found.reason}")


def refused_lengths(canaries: Sequence[Canary]) -> Mapping[int, str]:
    """Return the draft lengths that the server will not have, and what it said."""
    return {canary.cell.draft_length: canary.error for canary in canaries if canary.refused}


def _strangers(canaries: Sequence[Canary]) -> list[str]:
    if not any(canary.others_counted for canary in canaries):
        return []
    return [
        "the server's own totals grew by more than these replies hold, so somebody else uses it and they do not count"
    ]


def _failures(canaries: Sequence[Canary]) -> list[str]:
    failed = [canary for canary in canaries if canary.completion is None and not canary.refused]
    if not failed:
        return []
    return [f"{len(failed)} of {len(canaries)} canaries failed, the last with: {_part(failed[-1].error)}"]


def _without_replies(canaries: Sequence[Canary], refused: Mapping[int, str]) -> Judgement:
    if refused:
        return Judgement(Verdict.IGNORED, Basis.REFUSAL, f"refused: {_part(refused[max(refused)])}")
    last = next((canary.error for canary in reversed(canaries) if canary.error), "none was sent")
    return Judgement(
        Verdict.CANNOT_TELL,
        Basis.NOTHING,
        f"too few canaries came back to compare two draft lengths: {_part(last)}",
        more_may_tell=True,
    )


def _part(sentence: str) -> str:
    return sentence.rstrip(". ")
