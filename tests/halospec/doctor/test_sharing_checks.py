"""Who else takes CPU and memory: other processes, pressure, swap, a hypervisor, a container."""

from __future__ import annotations

import pytest

from halospec.doctor.checks.affinity import affinity
from halospec.doctor.checks.container import container, judge_limits
from halospec.doctor.checks.disk_space import disk_space, judge_space
from halospec.doctor.checks.memory import judge_memory
from halospec.doctor.checks.other_load import judge_load_average, judge_look, other_load
from halospec.doctor.checks.pressure import pressure
from halospec.doctor.checks.virtual_machine import virtual_machine
from halospec.doctor.judgement import Unseen
from halospec.doctor.look import CpuUser
from halospec.limits import ContainerLimits
from halospec.records.fitness import State
from machine_stand_in import CPU, made_look

GIB = 2**30


@pytest.mark.parametrize(
    ("cores", "others", "state"),
    [
        (2, 0.05, State.GOOD),
        (2, 0.15, State.WARNING),
        (2, 0.6, State.BAD),
        (64, 0.4, State.GOOD),
        (64, 0.6, State.WARNING),
        (64, 15.0, State.WARNING),
        (64, 17.0, State.BAD),
    ],
)
def test_other_load_is_judged_by_its_share_and_half_a_core_is_always_too_much(cores, others, state):
    assert judge_look(made_look(machine_cores=cores, others_cores=others)).state is state


def test_the_biggest_are_named_and_no_name_steers_a_terminal():
    users = tuple(CpuUser(pid, name, 0.4) for pid, name in enumerate(("\x1b[31mred", "b" * 80, "c", "d"), 1))
    found = judge_look(made_look(others_cores=1.6, users=users)).found
    assert "\N{REPLACEMENT CHARACTER}[31mred [1] 0.40" in found
    assert "\x1b" not in found
    assert "b" * 30 not in found
    assert "c [3]" in found
    assert "d [4]" not in found


@pytest.mark.parametrize(("others", "tells"), [(0.65, True), (0.12, False)])
def test_what_no_process_accounts_for_is_told_of(others, tells):
    found = judge_look(made_look(others_cores=others, users=(CpuUser(1, "python", 0.1),))).found
    assert ("ended meanwhile or hidden 0.55" in found) == tells


def test_without_a_look_the_load_average_speaks(tree, monkeypatch):
    monkeypatch.setattr("os.getloadavg", lambda: (3.5, 1.0, 1.0), raising=False)
    monkeypatch.setattr("psutil.cpu_count", lambda: 4)
    judgement = other_load(tree.machine())
    assert (judgement.state, "3.50" in judgement.found) == (State.WARNING, True)
    assert judge_load_average(1.2, 4).state is State.GOOD
    monkeypatch.delattr("os.getloadavg")
    with pytest.raises(Unseen):
        other_load(tree.machine())


def put_pressure(tree, **percents):
    for what, percent in percents.items():
        tree.put(
            f"proc/pressure/{what}",
            f"some avg10={percent:.2f} avg60=0.00 avg300=0.00 total=1\nfull avg10=99.00 avg60=0.00 avg300=0.00 total=1",
        )
    return tree.machine()


def test_pressure_is_judged_by_the_last_10_seconds_of_each(tree):
    assert pressure(put_pressure(tree, cpu=2.0, memory=0.0, io=1.0)).state is State.GOOD
    for waiting in ({"cpu": 40.0}, {"memory": 2.0}, {"io": 30.0}):
        judgement = pressure(put_pressure(tree, **({"cpu": 0.0, "memory": 0.0, "io": 0.0} | waiting)))
        (what, percent), *_ = waiting.items()
        assert judgement.state is State.WARNING
        assert f"{what} {percent:.1f} %" in judgement.found


def test_a_kernel_without_an_account_of_pressure_is_named_as_such(tree):
    with pytest.raises(Unseen, match="CONFIG_PSI"):
        pressure(tree.machine())


def test_a_malformed_account_of_pressure_is_an_error_and_no_number(tree):
    with pytest.raises(ValueError, match="some"):
        pressure(tree.put("proc/pressure/cpu", "full avg10=1").machine())


@pytest.mark.parametrize(
    ("available", "swap", "swapped", "state"),
    [
        (8.0, 0.0, 0, State.GOOD),
        (8.0, 0.1, None, State.GOOD),
        (1.0, 0.0, 0, State.WARNING),
        (0.3, 0.0, 0, State.BAD),
        (8.0, 2.0, 0, State.WARNING),
        (8.0, 2.0, 4096, State.BAD),
    ],
)
def test_memory_is_judged_by_what_is_left_and_what_is_swapped(available, swap, swapped, state):
    judgement = judge_memory(16 * GIB, int(available * GIB), int(swap * GIB), swapped)
    assert judgement.state is state
    assert (judgement.remedy is None) == (state is State.GOOD)


def test_scarce_memory_and_swapping_keep_both_their_remedies():
    judgement = judge_memory(16 * GIB, GIB, GIB, 4096)
    assert judgement.state is State.BAD
    assert "end what holds memory" in judgement.remedy
    assert "nothing is swapped" in judgement.remedy


def test_a_virtual_machine_is_a_note_until_its_host_takes_time_from_it(tree):
    machine = tree.flags("sse2", "hypervisor").machine
    assert virtual_machine(machine()).state is State.NOTE
    assert virtual_machine(machine(made_look(stolen_cores=0.001))).state is State.NOTE
    stolen = virtual_machine(machine(made_look(stolen_cores=0.1)))
    assert (stolen.state, "5.0 %" in stolen.found) == (State.WARNING, True)


def test_a_hypervisor_is_found_where_no_flag_tells_of_it(tree):
    tree.put("proc/cpuinfo", "processor : 0\nFeatures : fp asimd\n")
    assert virtual_machine(tree.machine()).state is State.GOOD
    assert virtual_machine(tree.put("sys/hypervisor/type", "xen").machine()).state is State.NOTE


NO_LIMITS = ContainerLimits(cpu_cores=None, memory_bytes=None, memory_used_bytes=None)


def test_no_container_is_good(tree):
    assert judge_limits(NO_LIMITS, machine_cores=8, stops=0, stops_in_look=0).state is State.GOOD
    assert container(tree.machine()).state is State.GOOD


def test_a_quota_below_the_machines_cores_is_a_warning_and_being_stopped_by_it_is_bad():
    limits = ContainerLimits(cpu_cores=1.5, memory_bytes=None, memory_used_bytes=None)
    quota = judge_limits(limits, machine_cores=8, stops=0, stops_in_look=0)
    assert (quota.state, "1.5 of 8 cores" in quota.found) == (State.WARNING, True)
    stopped = judge_limits(limits, machine_cores=8, stops=9, stops_in_look=2)
    assert (stopped.state, "2 times while we looked" in stopped.found) == (State.BAD, True)
    wide = ContainerLimits(cpu_cores=8.0, memory_bytes=None, memory_used_bytes=None)
    assert judge_limits(wide, machine_cores=8, stops=0, stops_in_look=0).state is State.GOOD


def test_a_memory_limit_is_judged_by_what_it_leaves():
    roomy = ContainerLimits(cpu_cores=None, memory_bytes=4 * GIB, memory_used_bytes=GIB)
    assert judge_limits(roomy, machine_cores=2, stops=0, stops_in_look=0).state is State.GOOD
    tight = ContainerLimits(cpu_cores=None, memory_bytes=4 * GIB, memory_used_bytes=int(3.9 * GIB))
    judgement = judge_limits(tight, machine_cores=2, stops=0, stops_in_look=0)
    assert (judgement.state, "3.9 of 4.0 GiB" in judgement.found) == (State.WARNING, True)


def test_a_containers_files_are_read_under_the_root(tree, monkeypatch):
    monkeypatch.setattr("psutil.cpu_count", lambda: 8)
    tree.put("proc/self/cgroup", "0::/").put("sys/fs/cgroup/cpu.max", "150000 100000")
    tree.put("sys/fs/cgroup/cpu.stat", "usage_usec 5\nnr_periods 20\nnr_throttled 7")
    judgement = container(tree.machine())
    assert judgement.state is State.WARNING
    assert "1.5 of 8 cores" in judgement.found
    assert "7 times so far" in judgement.found


def test_a_process_kept_to_some_cores_is_a_note(tree):
    tree.put(f"{CPU}/online", "0-7").put("proc/self/status", "Name:\tpython\nCpus_allowed_list:\t0-1,4")
    judgement = affinity(tree.machine())
    assert (judgement.state, "3 of 8 cores (0-1,4)" in judgement.found) == (State.NOTE, True)
    tree.put("proc/self/status", "Cpus_allowed_list:\t0-63")
    assert affinity(tree.machine()).state is State.GOOD


def test_disk_space_is_judged_where_runs_would_go(tree):
    assert judge_space(50 * GIB, tree.root).state is State.GOOD
    assert judge_space(GIB // 2, tree.root).state is State.WARNING
    assert judge_space(GIB // 100, tree.root).state is State.BAD
    assert str(tree.root / "runs") in disk_space(tree.machine()).found
