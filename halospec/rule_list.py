"""The rules that there are, as a person may ask for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import get_type_hints

from pydantic import BaseModel, ConfigDict, JsonValue, TypeAdapter

from halospec.controllers.modes import AUTO
from halospec.controllers.rules import RULES, Rule

SOURCES: Mapping[str, str] = {
    "adaptive": "the original HaloSpec, as its code had it",
    "adaptive_normalised": "the original HaloSpec, as its README tells it",
    "heuristic": "Hugging Face transformers, candidate_generator.py",
    "ema_accept": "SGLang, adaptive_spec_params.py",
    "aimd": "Chiu & Jain 1989 (congestion avoidance)",
    "d_ucb": "Garivier & Moulines 2008, arXiv:0805.3415",
    "exp3": "Auer et al. 2002, SIAM J. Comput. 32",
    "thompson": "Thompson 1933; Raj & Kalyani 2017, arXiv:1707.09727",
    "confidence": "transformers, ConfidenceCriteria; Mamou et al. 2024, arXiv:2405.04304",
    "svip": "Zhang et al. 2024, arXiv:2411.18462",
    "ada_edl": "Agrawal, Jeon & Lee 2024, arXiv:2410.18351",
    "specdec_pp": "Huang, Guo & Wang 2024, arXiv:2405.19715",
    "cost_model": "HaloSpec's own, docs/control.md",
    "uniform": "HaloSpec's own, to record costs with",
    "fixed": "none is needed",
}
"""Where each rule comes from, in a line; its file says more."""


class RuleFacts(BaseModel):
    """A rule.

    Attributes
    ----------
    mode
        How it is spelled where the client chooses k for each request; ``None`` where it cannot.
    mode_in_server
        How it is spelled where it sits in the bundled server and chooses for each round.
    settings
        Those that a spelling may give, and what they are if it does not.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    mode: str | None
    mode_in_server: str | None
    settings: dict[str, JsonValue]
    source: str


def rule_facts() -> tuple[RuleFacts, ...]:
    """Return every rule, in the order in which they are listed."""
    return tuple(_of(rule) for rule in RULES.values())


def _of(rule: Rule) -> RuleFacts:
    return RuleFacts(
        name=rule.name,
        mode=rule.name if rule.in_client is not None else None,
        mode_in_server=AUTO + rule.name if rule.in_server is not None else None,
        settings=_settings(rule.settings),
        source=SOURCES[rule.name],
    )


def _settings(kind: type) -> dict[str, JsonValue]:
    hints = get_type_hints(kind)
    written: dict[str, JsonValue] = TypeAdapter(kind).dump_python(kind(), mode="json")
    # A group of numbers has no spelling: a setting is one value, or several of a kind.
    return {one.name: written[one.name] for one in fields(kind) if not is_dataclass(hints[one.name])}
