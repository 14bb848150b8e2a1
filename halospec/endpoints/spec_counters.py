"""What a server has drafted and accepted since it started, from the Prometheus page that llama-server and vLLM have."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from halospec.endpoints.api import ServerApi

# llama-server's; Lemonade's, which passes those of its llama-servers on; vLLM's. The bundled server has the first and
# the last, with the same values.
_PREFIXES = ("llamacpp:spec_decode_", "lemonade_llamacpp_spec_decode_", "vllm:spec_decode_")
_DRAFTED, _ACCEPTED, _ROUNDS = "num_draft_tokens_total", "num_accepted_tokens_total", "num_drafts_total"
_MODEL_LABEL = "model_name"


@dataclass(frozen=True)
class SpecCounters:
    """Totals since the server (or the model, in a router) started.

    Attributes
    ----------
    rounds
        Rounds with a draft; those without one are counted nowhere. None where the server does not count them.
    """

    drafted: int
    accepted: int
    rounds: int | None

    def delta(self, earlier: SpecCounters) -> SpecCounters | None:
        """Return what came since ``earlier``; None if they do not belong together, since a server started anew."""
        rounds = None if self.rounds is None or earlier.rounds is None else self.rounds - earlier.rounds
        since = SpecCounters(self.drafted - earlier.drafted, self.accepted - earlier.accepted, rounds)
        return None if min(since.drafted, since.accepted, since.rounds or 0) < 0 else since


async def read_spec_counters(api: ServerApi, model: str | None = None) -> SpecCounters | None:
    """Return a server's counters; None where it has no such page (llama-server wants ``--metrics``) or none of them.

    Parameters
    ----------
    model
        Count this model's alone, where a server tells them apart. A router has a page for each model, and none for one
        that is not loaded; asking does not load it.
    """
    # Servers with one page do not look at the query.
    query = None if model is None else {"model": model, "autoload": "false"}
    page = await api.find_text("/metrics", query)
    if page is None:
        return None
    try:
        samples = [sample for family in text_string_to_metric_families(page) for sample in family.samples]
    except (ValueError, IndexError):
        # The parser looks past the end of some lines that are cut short.
        return None
    for prefix in _PREFIXES:
        drafted = _total(samples, prefix + _DRAFTED, model)
        accepted = _total(samples, prefix + _ACCEPTED, model)
        if drafted is not None and accepted is not None:
            return SpecCounters(drafted, accepted, _total(samples, prefix + _ROUNDS, model))
    return None


def _total(samples: list[Sample], name: str, model: str | None) -> int | None:
    values = list(_values(samples, name, model))
    return int(sum(values)) if values and all(map(math.isfinite, values)) else None


def _values(samples: list[Sample], name: str, model: str | None) -> Iterator[float]:
    for sample in samples:
        # Lemonade lists a user's model without the prefix that requests may give it.
        if sample.name == name and (
            model is None or sample.labels.get(_MODEL_LABEL, model) in (model, model.removeprefix("user."))
        ):
            yield sample.value
