"""From what a probe found to the knob that a run uses; a server that ignores k is not measured unnoticed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from halospec.knobs.types import Knob, KnobKind
from halospec.records.probe import KnobReport, ProbeReport, Verdict

_OFFER = " With --allow-placebo the run goes on, and everything that comes of it is stamped PLACEBO."


class PlaceboRefused(Exception):
    """No knob has any effect, so a run would compare equal things; the message says what to do instead."""


@dataclass(frozen=True)
class KnobChoice:
    """The knob that a run uses.

    Attributes
    ----------
    report
        What the probe found of it; None where the server could not be probed.
    placebo
        Whether it has no effect and the run was allowed to go on.
    """

    knob: Knob
    report: KnobReport | None
    placebo: bool = False


def choose_knob(
    report: ProbeReport,
    knobs: Sequence[Knob],
    lengths: Collection[int],
    *,
    allow_placebo: bool,
    offer_placebo: bool = True,
) -> KnobChoice:
    """Return the first knob that was obeyed, else the first that may have been.

    Parameters
    ----------
    lengths
        All that will be asked for. Plain decoding alone needs no knob that works, only a server that drafts nothing.
    offer_placebo
        Whether a refusal may say that the user can insist.

    Raises
    ------
    PlaceboRefused
        If all are ignored and ``allow_placebo`` is not set.
    """
    by_name = {knob.name: knob for knob in knobs}
    for verdict in (Verdict.OBEYED, Verdict.CANNOT_TELL):
        for found in report.knobs:
            if found.verdict is verdict:
                return KnobChoice(by_name[found.knob], found)
    ignored = report.knobs[0]
    if set(lengths) == {0} and _decodes_plainly(ignored):
        return KnobChoice(by_name[ignored.knob], ignored)
    if not allow_placebo:
        raise PlaceboRefused(_refusal(report) + (_OFFER if offer_placebo else ""))
    return KnobChoice(by_name[ignored.knob], ignored, placebo=True)


def unprobed_knob(knobs: Sequence[Knob]) -> KnobChoice:
    """Return the likeliest knob of a server that could not be probed; nothing shows that it has any effect."""
    return KnobChoice(knobs[0], None, placebo=True)


def _decodes_plainly(found: KnobReport) -> bool:
    return any(evidence.draft_length == 0 and evidence.drafted == 0 for evidence in found.by_length)


def _refusal(report: ProbeReport) -> str:
    first = report.knobs[0]
    if first.kind == KnobKind.NONE:
        return (
            f"With --knob {first.knob} no draft length is sent, so modes that differ in k alone would measure the same"
            " thing; name another knob, or leave the option out to have all of them tried."
        )
    if len(report.knobs) == 1:
        found = f"The server ignores the draft length (knob {first.knob}: {first.reason.rstrip('.')})"
    else:
        names = ", ".join(knob.knob for knob in report.knobs)
        found = f"The server ignores the draft length ({first.reason.rstrip('.')}; tried: {names})"
    return f"{found}, so modes that differ in k alone would measure the same thing. {report.advice}"
