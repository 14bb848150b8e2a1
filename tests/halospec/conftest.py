from collections.abc import Callable
from typing import Any

import pytest

from halospec.records.schema import Phase, RequestRecord

MakeRecord = Callable[..., RequestRecord]


@pytest.fixture(scope="session")
def make_record() -> MakeRecord:
    """A valid record; each test names only the fields it is about."""

    def make(**fields: Any) -> RequestRecord:
        defaults: dict[str, Any] = {
            "mode": "fixed_2",
            "phase": Phase.STEADY,
            "step": 1,
            "global_step": 1,
            "block": 1,
            "prompt_id": "p1",
            "draft_length": 2,
            "success": True,
            "latency_ms": 100.0,
            "completion_tokens": 32,
            "started_ns": 0,
            "ended_ns": 100_000_000,
        }
        return RequestRecord(**(defaults | fields))

    return make
