"""What the way a run was made allows to be said of it, whatever its numbers are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum

import numpy as np

from halospec.analysis.naming import joined, listed, named, shortened
from halospec.analysis.requests import PHASES, Ints, Requests
from halospec.analysis.value import Value
from halospec.records.manifest import Manifest
from halospec.records.schema import Phase

CLASSIC = "classic"
"""The original's experiment, as manifests call it."""
BLOCKED = "blocked"
"""Blocks of trials in random order."""

_FAILING_MODES_NAMED = 4


class Support(StrEnum):
    """What a design supports.

    ``COMPARISON``: modes can be compared. ``ESTIMATE``: they could, but one block shows no difference.
    ``DESCRIPTION``: each mode by itself; a difference between two could have another cause.
    """

    COMPARISON = "comparison"
    ESTIMATE = "estimate"
    DESCRIPTION = "description"


class Order(StrEnum):
    """In which order modes ran within blocks.

    ``TURNS``: they took turns, request by request. ``VARIED``: one after the other, and not in the same order in every
    block. ``SAME``: in the same order in every block, of which there may be one.
    """

    TURNS = "turns"
    VARIED = "varied"
    SAME = "same"


class ModeShare(Value):
    """A mode's part in the design.

    Attributes
    ----------
    requests
        Measured ones, failures included.
    """

    mode: str
    requests: int
    failures: int
    blocks: int
    phases: tuple[Phase, ...]


class DesignReport(Value):
    """How a run was made.

    Attributes
    ----------
    declared
        What the manifest says; ``None`` where it does not, or where there is none.
    runs_in_file
        Runs that the file holds, of which this is one.
    prompts
        How many different ones are on record; 0 where none is.
    paired_share
        Share of the prompts asked in a block that all of its modes were asked; ``None`` where prompts are unknown.
    failures_unlike
        Whether failures are not equally frequent in all modes.
    failures_without_time
        Whether failed requests are on record with 0 ms.
    sentences
        What follows, in order of weight.
    """

    support: Support
    declared: str | None
    runs_in_file: int
    blocks: int
    order: Order
    modes: tuple[ModeShare, ...]
    prompts: int
    paired_share: float | None
    same_phases: bool
    failures_unlike: bool
    failures_without_time: bool
    sentences: tuple[str, ...]


def declared_design(manifest: Manifest | None) -> str | None:
    """Return what a manifest says of the design, or what it was when there were but two and they had no names."""
    if manifest is None:
        return None
    return manifest.design or (CLASSIC if manifest.settings.get("preset") == CLASSIC else BLOCKED)


def design_of(requests: Requests, *, declared: str | None = None, runs_in_file: int = 1) -> DesignReport:
    """Describe how a run was made, and say what that supports.

    Parameters
    ----------
    declared
        The design's name in the manifest (`declared_design`).
    """
    kept = requests.measured
    shares = tuple(_share(mode, of_mode) for mode, of_mode in kept.by_mode())
    blocks = len(kept.blocks_here)
    order = _order(kept)
    paired = _paired_share(kept)
    failed = ~kept.success
    report = DesignReport(
        support=_support(declared, blocks, order, has_prompts=paired is not None),
        declared=declared,
        runs_in_file=runs_in_file,
        blocks=blocks,
        order=order,
        modes=shares,
        prompts=len(np.unique(kept.prompt[kept.prompt >= 0])),
        paired_share=paired,
        same_phases=len({share.phases for share in shares}) <= 1,
        failures_unlike=len({share.failures / share.requests for share in shares}) > 1,
        failures_without_time=bool((kept.latency_ms[failed] == 0).any()),
        sentences=(),
    )
    return report.model_copy(update={"sentences": tuple(_sentences(report, kept))})


def _share(mode: str, of_mode: Requests) -> ModeShare:
    return ModeShare(
        mode=mode,
        requests=len(of_mode),
        failures=int(np.count_nonzero(~of_mode.success)),
        blocks=len(of_mode.blocks_here),
        phases=of_mode.phases_here,
    )


def _support(declared: str | None, blocks: int, order: Order, *, has_prompts: bool) -> Support:
    if declared == CLASSIC:
        return Support.DESCRIPTION
    if declared is None and order is Order.SAME and (blocks > 1 or not has_prompts):
        return Support.DESCRIPTION
    return Support.COMPARISON if blocks > 1 else Support.ESTIMATE


def _order(kept: Requests) -> Order:
    """Tell the order from the requests' times, or from their places where the file has none."""
    in_turn = _in_turn(kept)
    in_turn = in_turn[np.argsort(kept.block[in_turn], kind="stable")]
    starts = np.flatnonzero(np.diff(kept.block[in_turn]))
    first_order: list[int] = []
    varied = False
    for modes in np.split(kept.mode[in_turn], starts + 1):
        visits = modes[np.flatnonzero(np.diff(modes, prepend=-1))]
        order = list(dict.fromkeys(visits.tolist()))
        if len(visits) > len(order):
            return Order.TURNS
        known = [mode for mode in first_order if mode in order]
        varied = varied or [mode for mode in order if mode in first_order] != known
        first_order += [mode for mode in order if mode not in first_order]
    return Order.VARIED if varied else Order.SAME


def _in_turn(kept: Requests) -> Ints:
    """Return the requests' places in the order in which they began, or in the file's where it has no times."""
    is_timed = bool((kept.started_ns >= 0).all())
    return np.argsort(kept.started_ns, kind="stable") if is_timed else np.arange(len(kept))


def _paired_share(kept: Requests) -> float | None:
    """Return which share of the (block, prompt) pairs all modes of the block were asked."""
    if not len(kept) or (kept.prompt < 0).any():
        return None
    _, block = np.unique(kept.block, return_inverse=True)
    modes, prompts = len(kept.modes), len(kept.prompts)
    modes_of_block = np.bincount(np.unique(block * modes + kept.mode) // modes)
    pairs, modes_of_pair = np.unique(
        np.unique((block * prompts + kept.prompt) * modes + kept.mode) // modes, return_counts=True
    )
    return float((modes_of_pair == modes_of_block[pairs // prompts]).mean())


def _sentences(report: DesignReport, kept: Requests) -> Iterator[str]:
    if len(report.modes) > 1:
        yield from _comparison_sentences(report, kept)
    yield from _failure_sentences(report)
    if report.runs_in_file > 1:
        yield (
            f"The file holds {report.runs_in_file} runs; each is described by itself, since nothing says that they ran"
            " under the same conditions."
        )


def _comparison_sentences(report: DesignReport, kept: Requests) -> Iterator[str]:
    supports_none = report.support is Support.DESCRIPTION
    if supports_none:
        yield "This design supports no verdict on which mode is best."
        yield _order_sentence(report, kept)
    elif report.order is Order.SAME and report.blocks > 1:
        yield (
            "By chance the modes ran in the same order in every block, so drift within a block cannot be told from"
            " mode: run more blocks, or another --seed."
        )
    if report.paired_share is None:
        yield "Which prompt a request had is not on record, so requests of different modes are not paired."
    elif report.prompts == 1:
        yield "All requests have the same prompt: what is found holds for it alone."
    elif report.paired_share < 1:
        yield (
            f"{_percent(report.paired_share)} of the prompts asked in a block were asked in all of its modes; the"
            " others take no part in comparisons with a mode that was not asked them."
        )
    yield from _phase_sentences(report)
    if supports_none:
        yield f"Requests of each mode: {_counts(report.modes)}."
        yield from _description(kept)


def _order_sentence(report: DesignReport, kept: Requests) -> str:
    if report.order is not Order.SAME:
        return "The modes did not run in a random order, so drift of the machine cannot be told from mode."
    in_order = dict.fromkeys(kept.mode[_in_turn(kept)].tolist())
    order = ", ".join(shortened([kept.modes[mode] for mode in in_order]))
    times = "once each" if report.blocks == 1 else f"in the same order in all {report.blocks} blocks"
    return f"The modes ran one after another, {times} ({order}): drift of the machine cannot be told from mode."


def _phase_sentences(report: DesignReport) -> Iterator[str]:
    phases_of: dict[tuple[str, ...], list[str]] = {}
    for phase in PHASES:
        having = tuple(share.mode for share in report.modes if phase in share.phases)
        if having and len(having) < len(report.modes):
            phases_of.setdefault(having, []).append(phase.value)
    for having, phases in phases_of.items():
        where = joined(phases)
        if len(having) == 1 and Phase.LOAD in phases:
            yield f"Load reached {named(having[0])} alone: in {where} it can be compared with no other mode."
        elif len(having) <= len(report.modes) / 2:
            yield f"In {where} there are requests of {listed(having)} alone."
        else:
            lacking = [share.mode for share in report.modes if share.mode not in having]
            yield f"In {where} there are no requests of {listed(lacking)}."


def _description(kept: Requests) -> Iterator[str]:
    """Set the scatter within modes beside the distance between them, in the phase that most requests are in."""
    good = kept.successes
    if not len(good):
        return
    phase = PHASES[int(np.bincount(good.phase).argmax())]
    latencies = [of_mode.latency_ms for _, of_mode in good.in_phase(phase).by_mode()]
    means = np.array([mode.mean() for mode in latencies])
    scatters = np.array([mode.std() / mode.mean() for mode in latencies if len(mode) > 1 and mode.mean() > 0])
    if len(means) < 2 or means.min() <= 0 or not len(scatters):
        return
    yield (
        f"It does support a description of each mode by itself: in {phase} the latency's sd within a mode is"
        f" {_percent(scatters.min())} to {_percent(scatters.max())} of its mean, and the highest mean lies"
        f" {_percent(means.max() / means.min() - 1)} above the lowest."
    )


def _failure_sentences(report: DesignReport) -> Iterator[str]:
    failing = [share for share in report.modes if share.failures]
    if not failing:
        return
    if report.failures_unlike:
        worst = sorted(failing, key=lambda share: share.failures / share.requests, reverse=True)
        counts = ", ".join(
            f"{named(share.mode)} {share.failures} of {share.requests}" for share in worst[:_FAILING_MODES_NAMED]
        )
        more = f" and {len(worst) - _FAILING_MODES_NAMED} more" if len(worst) > _FAILING_MODES_NAMED else ""
        yield (
            f"Failed requests are in no time statistic ({counts}{more}): if it is the slow ones that fail, a mode that"
            " fails more looks faster than it is."
        )
    if report.failures_without_time:
        yield "Failures are on record with 0 ms: the time that they took is lost, and goodput comes out too high."


def _counts(modes: Sequence[ModeShare]) -> str:
    """Return how many requests modes had, those with equal numbers together."""
    by_count: dict[int, list[str]] = {}
    for share in modes:
        by_count.setdefault(share.requests, []).append(share.mode)
    if len(by_count) == 1:
        return str(modes[0].requests)
    return "; ".join(f"{count} ({listed(names)})" for count, names in by_count.items())


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
