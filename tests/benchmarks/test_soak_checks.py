"""What `benchmarks/soak_checks.py` concludes from what a soak has seen."""

from __future__ import annotations

import pytest

import soak_checks as checks

MIB = 2**20


def samples(rss_mib: list[float], *, threads: int = 4, descriptors: int = 10) -> list[object]:
    """Return one sample a second."""
    return [
        checks.Sample(float(second), int(mib * MIB), int(mib * MIB / 2), threads, descriptors)
        for second, mib in enumerate(rss_mib)
    ]


def slot(**state: object) -> object:
    idle = {"running": False, "target_tokens": 5, "target_cells": 5, "draft_tokens": 3, "draft_cells": 3}
    return checks.SlotState.model_validate({"slot": 0, **idle, **state})


def verdicts(found: list[object]) -> dict[str, bool | None]:
    return {check.name: check.passed for check in found}  # type: ignore[attr-defined]


def test_memory_that_stays_passes_whatever_it_did_while_warming_up() -> None:
    warming_up = [100.0 + 10 * second for second in range(9)]
    found = checks.check_memory(samples([*warming_up, *[200.0] * 40]), warm_up_s=12)
    assert verdicts(found) == {"resident memory": True, "private part of it": None}
    assert "200.0 → 200.0 MiB (+0.00%), slope +0.000 MiB/min" in found[0].found


@pytest.mark.parametrize(("growth_percent", "passed"), [(4.9, True), (5.1, False)])
def test_memory_may_grow_by_less_than_five_percent(growth_percent: float, passed: bool) -> None:
    grown = 100.0 + growth_percent
    found = checks.check_memory(samples([*[100.0] * 20, *[grown] * 20]), warm_up_s=12)
    assert verdicts(found)["resident memory"] is passed


def test_a_steady_leak_shows_as_a_slope() -> None:
    found = checks.check_memory(samples([100.0 + second / 60 for second in range(120)]), warm_up_s=12)
    assert "slope +1.000 MiB/min" in found[0].found


def test_one_high_sample_is_no_growth() -> None:
    found = checks.check_memory(samples([*[100.0] * 35, 160.0, *[100.0] * 4]), warm_up_s=12)
    assert verdicts(found)["resident memory"] is True


def test_memory_is_not_judged_by_too_few_samples_or_none() -> None:
    assert verdicts(checks.check_memory(samples([100.0] * 3), warm_up_s=12)) == {"memory": False}
    assert verdicts(checks.check_memory([], warm_up_s=12)) == {"memory": None}


def test_threads_and_descriptors_have_to_come_back() -> None:
    (before,) = samples([1.0], threads=4, descriptors=10)
    (after,) = samples([1.0], threads=3, descriptors=11)
    assert verdicts(checks.check_back_at_idle(before, after)) == {"threads": True, "descriptors": False}
    assert verdicts(checks.check_back_at_idle(None, None)) == {"threads, descriptors": None}


def test_slots_pass_when_idle_and_as_in_the_books() -> None:
    assert checks.check_slots([slot(), slot(slot=1, draft_tokens=0, draft_cells=0)]).passed


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"running": True}, "slot 0 still runs"),
        ({"target_cells": 6}, "slot 0, target: 6 cells for 5 tokens"),
        ({"draft_cells": 2}, "slot 0, draft: 2 cells for 3 tokens"),
    ],
)
def test_slots_that_leak_or_run_are_named(fault: dict[str, object], said: str) -> None:
    check = checks.check_slots([slot(**fault), slot(slot=1)])
    assert check.passed is False
    assert said in check.found


def test_slots_are_read_under_llama_servers_names_too() -> None:
    state = slot(slot=7)
    other = checks.SlotState.model_validate(
        {"id": 7, "is_processing": False, "target_tokens": 5, "target_cells": 5, "draft_tokens": 3, "draft_cells": 3}
    )
    assert other == state


METRICS = """# HELP llamacpp:requests_processing Requests that run.
# TYPE llamacpp:requests_processing gauge
llamacpp:requests_processing 0.0
llamacpp:requests_deferred 0.0
vllm:num_requests_running{model_name="tiny"} 0.0
vllm:num_requests_waiting{model_name="tiny"} 0.0
"""


def test_metrics_of_an_idle_server_pass() -> None:
    assert checks.check_nothing_in_hand(METRICS).passed


@pytest.mark.parametrize("name", ["llamacpp:requests_deferred", 'vllm:num_requests_running{model_name="tiny"}'])
def test_a_request_in_hand_is_seen_under_either_name(name: str) -> None:
    assert checks.check_nothing_in_hand(METRICS.replace(f"{name} 0.0", f"{name} 2.0")).passed is False


def test_metrics_that_do_not_say_are_no_pass() -> None:
    assert checks.check_nothing_in_hand("llamacpp:requests_processing 0\n").passed is False


def test_every_fault_of_an_answer_counts_and_the_first_are_shown() -> None:
    assert checks.check_answers(10, []).passed
    check = checks.check_answers(10, [f"fault {number}" for number in range(5)])
    assert check.passed is False
    assert check.found == "fault 0; fault 1; fault 2 … and 2 more"


def test_a_soak_that_never_met_the_queues_limit_fails() -> None:
    assert checks.check_refusals({200: 5, 429: 1}).passed
    assert checks.check_refusals({200: 5}).passed is False


def test_a_canary_has_to_sing_as_before() -> None:
    expected = {"prompt": "la la"}
    assert checks.check_canaries("canaries", expected, [("prompt", "la la", "k = 4")]).passed
    other = checks.check_canaries("canaries", expected, [("prompt", "la la", "k = 4"), ("prompt", "la lo", "k = 5")])
    assert other.passed is False
    assert "k = 5" in other.found
    assert checks.check_canaries("canaries", expected, []).passed is False


@pytest.mark.parametrize(
    ("code", "took_s", "passed"), [(0, 3.0, True), (0, 11.0, False), (-15, 1.0, False), (None, 60.0, False)]
)
def test_the_server_has_to_end_in_order_and_in_time(code: int | None, took_s: float, passed: bool) -> None:
    assert checks.check_exit(code, took_s, grace_s=10.0).passed is passed


@pytest.mark.parametrize(
    ("fault", "passed"), [(None, True), ("an error in the stream: {}", True), ("ReadError: ", False)]
)
def test_the_last_reply_is_finished_or_refused_but_not_cut_off(fault: str | None, passed: bool) -> None:
    assert checks.check_last_reply(fault).passed is passed
