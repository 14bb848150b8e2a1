"""Lines of ``load.jsonl``, new and old."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from halospec.records.loads import InjectedLoad, LoadKind, LoadReport

OLD = {
    "block": 1,
    "mode": "adaptive",
    "workers": 2,
    "offered_percent": 75.0,
    "achieved_percent": 51.2,
    "started_ns": 100,
    "ended_ns": 300,
    "samples": [[100, 200, 59.0], [200, 300, 0.4]],
}


def test_a_line_reads_back_as_it_was_written():
    load = InjectedLoad(
        name="memory:4GB/s", kind=LoadKind.MEMORY, unit="GB/s", workers=1, offered=4, samples=((1, 2, 3.9, 4.0, True),)
    )
    report = LoadReport(block=2, mode="fixed_4", loads=(load,), trial_id="ab", trial_attempt=2, steps=8)
    assert LoadReport.model_validate_json(report.model_dump_json()) == report


def test_a_line_from_when_there_was_cpu_load_alone_is_one_of_cpu_load():
    (load,) = LoadReport.model_validate_json(json.dumps(OLD)).loads
    assert (load.kind, load.unit, load.workers, load.offered, load.achieved) == (LoadKind.CPU, "%", 2, 75.0, 51.2)
    assert load.samples == ((100, 200, 59.0, 75.0, True), (200, 300, 0.4, 75.0, False))
    none = OLD | {"workers": 0, "offered_percent": 0.0, "achieved_percent": None, "samples": []}
    assert LoadReport.model_validate_json(json.dumps(none)).loads == ()


@pytest.mark.parametrize(
    "wrong",
    [
        {"samples": None},
        {"samples": [[1, 2]]},
        {"samples": [[1, 2, "much"]]},
        {"samples": [[1, 2**70, 5.0]]},
        {"offered_percent": None},
        {"offered_percent": "all"},
        {"workers": "two"},
    ],
    ids=str,
)
def test_an_old_line_that_is_none_is_refused_as_any_other(wrong):
    with pytest.raises(ValidationError):
        LoadReport.model_validate_json(json.dumps(OLD | wrong))
