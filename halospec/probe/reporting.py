"""From the evidence on each knob to the parts of a report."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace

from halospec.endpoints.preflight import ServerFacts
from halospec.endpoints.server_kind import SpeculationFacts
from halospec.knobs.types import Knob
from halospec.probe.canaries import Canary
from halospec.probe.evidence import length_evidence, read_together
from halospec.probe.fields_together import FieldsTogether
from halospec.probe.paired_tests import paired_tests
from halospec.probe.reply_traits import arrivals, clocks, losslessness
from halospec.probe.server_traits import merged
from halospec.probe.verdict import KnobEvidence, judge
from halospec.records.probe import KnobReport, PairedTest, ProbedServer, Traits, Verdict

Found = Mapping[str, KnobEvidence]
"""The evidence by the knob's name; request fields that were tried in one request share theirs."""


def counted_throughout(found: Found) -> Found:
    """Return the evidence with silence read as zero where the server counts, and without what others had drafted."""
    everything = read_together(_canaries(found))
    by_knob = {
        tried.knob.name: tuple(canary for canary in everything if canary.cell.knob == tried.knob.name)
        for tried in found.values()
    }
    return {name: replace(tried, canaries=by_knob[tried.knob.name]) for name, tried in found.items()}


def knob_reports(
    knobs: Sequence[Knob], found: Found, speculation: SpeculationFacts, seed: int
) -> tuple[KnobReport, ...]:
    """Judge every knob, in the order given."""
    tests = paired_tests({tried.knob.name: tried.canaries for tried in found.values()}, seed)
    reports = []
    for knob in knobs:
        tried = found.get(knob.name, KnobEvidence(knob, ()))
        reports.append(_report(knob, tried, tests.get(tried.knob.name, ()), speculation, seed))
    return tuple(reports)


def traits_of(reports: Sequence[KnobReport], found: Found) -> Traits:
    """Return what the canaries say of the server: those of the best knob, else those of the first."""
    parts = [clocks(_canaries(found))]
    best = _best(reports)
    shown = best or next((report for report in reports if report.by_length), None)
    if shown is not None:
        canaries = found[shown.knob].canaries
        shortest, longest = shown.by_length[0].draft_length, shown.by_length[-1].draft_length
        parts.append(arrivals([canary for canary in canaries if canary.cell.draft_length == longest]))
        if shown is best:
            parts.append(losslessness(canaries, shortest, longest))
    return merged(parts)


def advice_on(reports: Sequence[KnobReport], otherwise: str) -> str:
    """Say which knob to use; ``otherwise`` where none is known to work."""
    best = _best(reports)
    if best is None:
        unsettled = [report.knob for report in reports if report.verdict is Verdict.CANNOT_TELL]
        if not unsettled:
            return otherwise
        return f"It cannot be told yet whether {', '.join(unsettled)} works; the reason is given above. {otherwise}"
    if best.per_request:
        return f"Use --knob {best.knob}; k can change with every request."
    return f"Use --knob {best.knob}; k changes only by loading or starting the server anew."


def probed_server(server: ServerFacts) -> ProbedServer:
    """Return what the report says of the server."""
    return ProbedServer(
        base_url=server.base_url,
        model=server.model,
        kind=server.kind.name,
        title=server.recognition.product or server.kind.title,
        version=server.recognition.version,
        recognised_by=server.recognition.evidence,
        speculation=server.speculation.says,
        speculation_configured=server.speculation.configured,
    )


def _report(
    knob: Knob, tried: KnobEvidence, tests: tuple[PairedTest, ...], speculation: SpeculationFacts, seed: int
) -> KnobReport:
    found = judge(tried, tests, speculation, seed)
    lengths = sorted({canary.cell.draft_length for canary in tried.canaries})
    source = next((counts.source for canary in tried.canaries if (counts := canary.counts) is not None), None)
    fields = tried.knob.fields if isinstance(tried.knob, FieldsTogether) else ()
    return KnobReport(
        knob=knob.name,
        kind=knob.kind.value,
        per_request=knob.per_request,
        verdict=found.verdict,
        basis=found.basis,
        reason=found.reason,
        counts_from=None if source is None else source.value,
        by_length=tuple(length_evidence(tried.canaries, k) for k in lengths),
        tests=tests,
        switch_ms=statistics.median(tried.switch_ms) if tried.switch_ms else None,
        together_with=tuple(field.name for field in fields if field.name != knob.name),
    )


def _best(reports: Sequence[KnobReport]) -> KnobReport | None:
    return next((report for report in reports if report.verdict is Verdict.OBEYED), None)


def _canaries(found: Found) -> list[Canary]:
    distinct = {tried.knob.name: tried for tried in found.values()}
    return [canary for tried in distinct.values() for canary in tried.canaries]
