"""The whole examination: every check has its line, and none can break the others."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from halospec.doctor import Finding, State, examine
from halospec.doctor.examination import CHECKS
from machine_stand_in import CPU

DOCS = Path(__file__).parents[3] / "docs" / "doctor.md"


def named(findings):
    return {one.name: one for one in findings}


@pytest.fixture
def machine(tree):
    """A Linux that tells of a CPU and nothing else."""
    return tree.flags("sse2")


def test_every_check_has_one_finding_in_order_on_this_machine():
    assert [one.name for one in examine(look_s=0.02)] == [check.name for check in CHECKS]


def test_a_tree_is_what_is_examined(machine):
    machine.put(f"{CPU}/intel_pstate/no_turbo", 0).put(f"{CPU}/smt/active", 1)
    findings = named(examine(machine.root, look_s=0))
    assert findings["turbo"].state is State.WARNING
    assert findings["hardware threads"].state is State.NOTE
    assert findings["governor"] == Finding(
        name="governor",
        state=State.UNKNOWN,
        found="the system shows no control of the clock, as is usual in a virtual machine",
    )


def test_a_check_that_fails_is_unknown_with_the_reason_and_the_others_stand(machine):
    machine.put(f"{CPU}/smt/active", "perhaps").put(f"{CPU}/intel_pstate/no_turbo", 1)
    machine.put(f"{CPU}/cpu0/cpufreq/scaling_governor/not_a_file", "")
    findings = named(examine(machine.root, look_s=0))
    assert findings["hardware threads"].state is State.UNKNOWN
    assert "makes no sense" in findings["hardware threads"].found
    assert findings["governor"].state is State.UNKNOWN
    assert "scaling_governor: Is a directory" in findings["governor"].found
    assert findings["turbo"].state is State.GOOD


def test_no_text_of_the_system_steers_a_terminal(machine):
    machine.put(f"{CPU}/cpu0/cpufreq/scaling_governor", "\x1b[31m" + "x" * 5000)
    found = named(examine(machine.root, look_s=0))["governor"].found
    assert "\x1b" not in found
    assert len(found) <= 400


def test_elsewhere_than_on_linux_psutil_tells_what_it_can_and_the_rest_has_one_reason(tmp_path):
    findings = examine(tmp_path, look_s=0)
    unseen = {one.name for one in findings if one.found == "only Linux shows this to a program"}
    assert unseen == {check.name for check in CHECKS if check.by_files}
    assert {one.state for one in findings if one.name in unseen} == {State.UNKNOWN}
    assert named(findings)["memory"].state is not State.UNKNOWN


def test_a_machine_that_cannot_be_watched_is_examined_all_the_same(machine, monkeypatch):
    def refuse():
        raise PermissionError(13, "Permission denied", "/proc/stat")

    monkeypatch.setattr(psutil, "cpu_times", refuse)
    monkeypatch.setattr("os.getloadavg", lambda: (0.5, 0.5, 0.5), raising=False)
    findings = named(examine(machine.root, look_s=0.01))
    assert "runnable" in findings["other load"].found


def test_the_doctors_page_has_a_row_for_every_check():
    rows = [line.split("|")[1].strip() for line in DOCS.read_text().splitlines() if line.startswith("| ")]
    assert [check.name for check in CHECKS] == [row for row in rows if row in {check.name for check in CHECKS}]


def test_a_named_server_has_a_line_of_its_own(machine):
    assert examine(machine.root, look_s=0, server_url="http://127.0.0.1:1/v1")[-1].name == "server"
    assert "server" not in named(examine(machine.root, look_s=0))
