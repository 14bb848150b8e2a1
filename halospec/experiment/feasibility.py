"""Whether a plan can be run through a knob: not every way of setting k can set it for each request, or at all."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from halospec.controllers.modes import Mode, mode_named
from halospec.endpoints.bundled import BUNDLED
from halospec.experiment.plan import Plan, Trial
from halospec.knobs.types import Knob, KnobKind
from halospec.records.probe import KnobReport

_LENGTHS_OF_NO_PLAN = (0, 1, 8)
_BUNDLED_KNOB = "draft_length"


class PlanRefused(Exception):
    """A plan that this knob cannot carry out; the message says why, and what to do."""


def require_server_for(plan: Plan, server_kind: str, knobs: Collection[str]) -> None:
    """Make sure, before anything is asked of a server, that it is one that a plan's modes can run on.

    Parameters
    ----------
    knobs
        Those that may be used there.

    Raises
    ------
    PlanRefused
        If a mode needs the bundled server and its own field for k, and cannot have them.
    """
    for mode in _modes(plan):
        if mode.fields and server_kind != BUNDLED.name:
            raise PlanRefused(
                f"Mode {mode.name} {_need(mode)}, and this server was taken for another kind ({server_kind}); measure"
                " the bundled one (`halospec serve`), or leave the mode out."
            )
        if mode.fields and _BUNDLED_KNOB not in knobs:
            raise PlanRefused(_other_knob(mode, ", ".join(knobs)))


def require_feasible(plan: Plan, knob: Knob, report: KnobReport | None = None) -> None:
    """Make sure that every mode of a plan can have its draft lengths through this knob.

    Parameters
    ----------
    report
        What a probe found of the knob: a draft length with which no canary came back is one that no mode can have.

    Raises
    ------
    PlanRefused
        If one cannot.
    """
    for mode in _modes(plan):
        problem = _problem(mode, knob, report)
        if problem is not None:
            raise PlanRefused(problem)
    _require_turns(plan, knob)


def feasible_part(plan: Plan, knob: Knob, report: KnobReport | None = None) -> tuple[Plan, tuple[str, ...]]:
    """Return the plan without the modes that this knob cannot carry out, and why each was left out.

    Takes what `require_feasible` takes.

    Raises
    ------
    PlanRefused
        If no mode is left, or those that are left cannot take turns as the plan has them do.
    """
    problems = {mode.name: problem for mode in _modes(plan) if (problem := _problem(mode, knob, report)) is not None}
    kept = tuple(left for trial in plan.trials if (left := _without(trial, problems)) is not None)
    if not kept:
        raise PlanRefused(next(iter(problems.values())))
    part = replace(plan, trials=kept)
    _require_turns(part, knob)
    return part, tuple(problems.values())


def lengths_of(plan: Plan) -> frozenset[int]:
    """Return every draft length that a plan may ask for."""
    return frozenset().union(*(mode.lengths for mode in _modes(plan)))


def telling_lengths(plan: Plan) -> tuple[int, ...]:
    """Return the draft lengths at which to probe for a plan: its own, and 0, which tells the most."""
    drafting = sorted(lengths_of(plan) - {0})
    if not drafting:
        return _LENGTHS_OF_NO_PLAN
    return tuple(sorted({0, drafting[0], drafting[-1]}))


def _without(trial: Trial, left_out: Collection[str]) -> Trial | None:
    """Return a trial without these modes; None if none of its own is left."""
    modes = tuple(mode for mode in trial.modes if mode not in left_out)
    if not modes:
        return None
    return replace(trial, together=modes) if trial.together else trial


def _require_turns(plan: Plan, knob: Knob) -> None:
    """Refuse to load or start a server anew at every request of modes that take turns."""
    if knob.per_request or all(len(trial.modes) == 1 for trial in plan.trials):
        return
    raise PlanRefused(
        "In an interleaved plan k changes from request to request, and the knob"
        f" {knob.name} changes it only by loading or starting the server anew; use --design blocked, or a knob that"
        " works per request (one model alias per k: `halospec aliases create`)."
    )


def _modes(plan: Plan) -> list[Mode]:
    """Return a plan's modes, fixed ones first, by k: what is told of them should not come in a trial's random order."""
    modes = [mode_named(name) for name in plan.modes]
    return sorted(modes, key=lambda mode: (len(mode.lengths), min(mode.lengths)))


def _need(mode: Mode) -> str:
    if mode.in_server:
        return "has its rule inside the bundled server"
    return f"sets {' and '.join(mode.fields)}, which only the bundled server can"


def _other_knob(mode: Mode, knob: str) -> str:
    return (
        f"Mode {mode.name} {_need(mode)}; its knob is {_BUNDLED_KNOB}, and this run's is {knob}: name"
        f" --knob {_BUNDLED_KNOB}, or leave the mode out."
    )


def _problem(mode: Mode, knob: Knob, report: KnobReport | None) -> str | None:
    if mode.fields and knob.name != _BUNDLED_KNOB:
        return _other_knob(mode, knob.name)
    if knob.lengths is not None and (missing := sorted(mode.lengths - knob.lengths)):
        wanted = ", ".join(map(str, missing))
        advice = "; make them with `halospec aliases create`" if knob.kind is KnobKind.MODEL_ALIAS else ""
        return f"Mode {mode.name} needs k = {wanted}, which the knob {knob.name} does not have{advice}."
    if len(mode.lengths) > 1 and not knob.per_request and knob.kind is not KnobKind.NONE:
        return (
            f"Mode {mode.name} chooses k anew for each request, and the knob {knob.name} changes k only by loading or"
            " starting the server anew; give it a knob that works per request (one model alias per k:"
            " `halospec aliases create`), or leave the mode out."
        )
    if unanswered := sorted(mode.lengths & _unanswered(report)):
        return (
            f"Mode {mode.name} needs k = {', '.join(map(str, unanswered))}, and every request that the probe sent with"
            f" that through the knob {knob.name} failed; leave the mode out, or name another knob (none sends no k)."
        )
    return None


def _unanswered(report: KnobReport | None) -> frozenset[int]:
    found = () if report is None else report.by_length
    return frozenset(at.draft_length for at in found if at.canaries and at.failures == at.canaries)
