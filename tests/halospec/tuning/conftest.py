"""Records of searches that never were."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from halospec.records.schema import RequestRecord

AnswerOf = Callable[..., RequestRecord]


@pytest.fixture(scope="session")
def answer_of(make_record) -> AnswerOf:
    """A measured request of k at a step of a block, with this time per token; None for one that failed."""

    def make(k: int, block: int, step: int, tpot_ms: float | None, **fields: object) -> RequestRecord:
        place = {"mode": f"fixed_{k}", "draft_length": k, "block": block, "step": step, "prompt_id": f"p{step}"}
        if tpot_ms is None:
            return make_record(**place | {"success": False, "error": "no answer", "completion_tokens": None} | fields)
        ended_ns = 50_000_000 + round(tpot_ms * 10 * 1e6)
        times = {
            "completion_tokens": 11,
            "first_token_ns": 50_000_000,
            "ttft_ms": 50.0,
            "ended_ns": ended_ns,
            "latency_ms": ended_ns / 1e6,
            "drafted": 4 * k,
            "accepted": 3 * k,
        }
        return make_record(**place | times | fields)

    return make
