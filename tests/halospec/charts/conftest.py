from collections.abc import Callable

import pytest

from halospec.records.schema import MEASURED_PHASES, Phase, RequestRecord

MakeRecord = Callable[..., RequestRecord]
MS = 1_000_000


@pytest.fixture
def make_record(make_record: MakeRecord) -> MakeRecord:
    """A valid streamed record; each test names only the fields it is about."""
    streamed = {"completion_tokens": 11, "first_token_ns": 10 * MS, "ended_ns": 110 * MS}
    return lambda **fields: make_record(**(streamed | fields))


@pytest.fixture
def run(make_record: MakeRecord) -> list[RequestRecord]:
    """Three modes, five steps a phase, two blocks of different order, and one request of the last trial failed."""
    records = []
    modes = ("fixed_0", "fixed_4", "adaptive")
    for block, in_order in ((1, modes), (2, ("fixed_4", "fixed_0", "adaptive"))):
        for mode in in_order:
            for step in range(1, 16):
                phase = MEASURED_PHASES[(step - 1) // 5]
                k = int(mode[-1]) if mode.startswith("fixed") else 1 + step % 8
                slow = 2 if phase is Phase.LOAD else 1
                began_ns = 500 * MS * len(records)
                records.append(
                    make_record(
                        mode=mode,
                        phase=phase,
                        block=block,
                        step=step,
                        draft_length=k,
                        latency_ms=slow * (200.0 - 10 * k),
                        started_ns=began_ns,
                        first_token_ns=began_ns + 10 * MS,
                        ended_ns=began_ns + (110 + (3 * block + 5 * step + k) % 11) * MS,
                    )
                )
    failed = {"success": False, "error": "HTTP 500", "completion_tokens": None, "first_token_ns": None}
    records[-1] = records[-1].model_copy(update=failed)
    return records
