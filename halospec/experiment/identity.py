"""What makes a trial the same trial, and two runs comparable request by request: hashes of all that it rests on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from pydantic import JsonValue

import halospec
from halospec.contention.spelling import spelled
from halospec.controllers.modes import mode_named
from halospec.experiment.phases import PhasePlan
from halospec.experiment.plan import Plan, Trial
from halospec.workloads.prompts import prompt_set_sha256

_IDENTITY_FORMAT = 2
_PAIRING_FORMAT = 1
_TRIAL_ID_DIGITS = 16


@dataclass(frozen=True)
class Subject:
    """What is measured.

    Attributes
    ----------
    model_sha256s
        Of the model files, the target's first; empty where the server does not say which they are.
    server_kind
        Such as ``bundled`` or ``llama-server``.
    knob
        How k reaches the server, as the command line spells it.
    """

    model: str
    model_sha256s: tuple[str, ...]
    server_kind: str
    knob: str


def trial_id(plan: Plan, trial: Trial, subject: Subject) -> str:
    """Return 16 hexadecimal digits that change with anything that defines a trial.

    The number of blocks and the other modes of the plan do not: a trial stays what it is when a run goes on for longer.
    """
    defined: dict[str, JsonValue] = {
        "identity": _IDENTITY_FORMAT,
        "halospec": halospec.__version__,
        "model": subject.model,
        "model_sha256s": list(subject.model_sha256s),
        "server_kind": subject.server_kind,
        "knob": subject.knob,
        "prompts": prompt_set_sha256(plan.prompts),
        "mode": trial.mode,
        "modes": [{"name": mode, "settings": dict(mode_named(mode).settings)} for mode in trial.modes],
        "block": trial.block,
        "phases": _described(trial.phases),
        "design": plan.design.value,
        "seed": plan.seed,
        "warmup": plan.warmup,
        "stop": list(plan.stop),
        "sampling": asdict(plan.sampling),
        "pauses": asdict(plan.pauses),
        "loads": [spelled(load) for load in plan.loads],
    }
    return _sha256(defined)[:_TRIAL_ID_DIGITS]


def pairing_sha256(plan: Plan) -> str:
    """Return a hash of all that decides which mode, block and step has which prompt and place, and how it is sampled.

    Runs that share it can be compared request by request, in the modes and blocks that both have.
    """
    phases = {_canonical(_described(trial.phases)) for trial in plan.trials}
    decides: dict[str, JsonValue] = {
        "pairing": _PAIRING_FORMAT,
        "prompts": prompt_set_sha256(plan.prompts),
        "seed": plan.seed,
        "design": plan.design.value,
        "phases": [*sorted(phases)],
        "warmup": plan.warmup,
        "stop": list(plan.stop),
        "sampling": asdict(plan.sampling),
    }
    return _sha256(decides)


def _described(phases: PhasePlan) -> dict[str, JsonValue]:
    return asdict(phases)


def _sha256(value: JsonValue) -> str:
    return hashlib.sha256(_canonical(value).encode()).hexdigest()


def _canonical(value: JsonValue) -> str:
    """Return JSON in the one form that equal values share."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
