"""What is seen while a machine is watched for a moment."""

from __future__ import annotations

import mmap
import os
import time

import psutil
import pytest

from halospec.doctor.counters import heat_throttles, quota_stops, swapped_bytes
from halospec.doctor.look import between, look
from halospec.doctor.snapshot import ProcessTime, Snapshot, snapshot
from halospec.doctor.system_files import SystemFiles
from machine_stand_in import CPU


def at(at_s, busy_s, own_s=0.0, processes=(), **counters):
    return Snapshot(at_s, busy_s, own_s, processes={one.pid: one for one in processes}, **counters)


def test_our_own_time_is_none_of_the_others():
    seen = between(at(10.0, 100.0, 5.0), at(12.0, 103.0, 6.0), machine_cores=4)
    assert seen.others_cores == pytest.approx(1.0)
    assert seen.seconds == pytest.approx(2.0)


def test_the_biggest_user_comes_first_and_we_are_not_among_them():
    before = [ProcessTime(1, 0.0, "small", 1.0), ProcessTime(2, 0.0, "big", 1.0), ProcessTime(3, 0.0, "we", 1.0)]
    after = [ProcessTime(1, 0.0, "small", 1.1), ProcessTime(2, 0.0, "big", 1.5), ProcessTime(3, 0.0, "we", 2.0)]
    seen = between(at(0.0, 0.0, 0.0, before), at(1.0, 1.6, 1.0, after), machine_cores=4, own_pid=3)
    assert [(user.name, round(user.cores, 6)) for user in seen.users] == [("big", 0.5), ("small", 0.1)]


def test_a_process_that_began_meanwhile_brings_all_its_time_even_under_an_old_number():
    before = [ProcessTime(7, 100.0, "old", 50.0)]
    after = [ProcessTime(7, 200.0, "new", 0.4), ProcessTime(8, 200.0, "newer", 0.2)]
    seen = between(at(0.0, 0.0, 0.0, before), at(1.0, 0.6, 0.0, after), machine_cores=1, own_pid=1)
    assert [(user.name, user.cores) for user in seen.users] == [("new", 0.4), ("newer", 0.2)]


def test_counters_are_told_by_what_they_grew_and_what_is_not_counted_stays_unknown():
    before = at(0.0, 0.0, stolen_s=1.0, swapped_bytes=4096, heat_throttles=None, quota_stops=3)
    after = at(0.5, 0.0, stolen_s=1.1, swapped_bytes=4096, heat_throttles=2, quota_stops=5)
    seen = between(before, after, machine_cores=2)
    assert seen.stolen_cores == pytest.approx(0.2)
    assert (seen.swapped_bytes, seen.heat_throttles, seen.quota_stops) == (0, None, 2)


def test_two_snapshots_of_one_moment_show_nothing():
    with pytest.raises(ValueError, match="same moment"):
        between(at(1.0, 0.0), at(1.0, 0.0), machine_cores=1)


def test_a_real_look_sees_this_machine(tmp_path):
    seen = look(SystemFiles(tmp_path), 0.05)
    assert 0.05 <= seen.seconds < 30
    assert seen.machine_cores == psutil.cpu_count()
    assert os.getpid() not in {user.pid for user in seen.users}
    assert (seen.swapped_bytes, seen.heat_throttles, seen.quota_stops) == (None, None, None)


def test_a_snapshot_holds_this_process(tree):
    started = time.process_time()
    taken = snapshot(SystemFiles(tree.root))
    assert taken.processes[os.getpid()].cpu_s >= 0
    assert taken.own_s >= started
    assert taken.busy_s > 0


def test_a_counter_that_may_not_be_read_does_not_lose_the_others(tree):
    tree.put("proc/vmstat", "pswpin 1\npswpout 2\n").forbid(f"{CPU}/cpu0/thermal_throttle/core_throttle_count")
    taken = snapshot(tree.machine().files)
    assert (taken.swapped_bytes, taken.heat_throttles) == (3 * mmap.PAGESIZE, None)


def test_heat_is_counted_over_all_cores_and_packages(tree):
    files = SystemFiles(tree.root)
    assert heat_throttles(files) is None
    for core in range(2):
        tree.put(f"{CPU}/cpu{core}/thermal_throttle/core_throttle_count", 2)
        tree.put(f"{CPU}/cpu{core}/thermal_throttle/package_throttle_count", 3)
    assert heat_throttles(files) == 10


@pytest.mark.parametrize(
    ("groups", "statistics"),
    [
        ("0::/", "sys/fs/cgroup/cpu.stat"),
        ("0::/a.slice/b.scope", "sys/fs/cgroup/a.slice/b.scope/cpu.stat"),
        ("0::/a.slice/b.scope", "sys/fs/cgroup/a.slice/cpu.stat"),
        ("0::/../outside", "sys/fs/cgroup/cpu.stat"),
        ("5:cpuset:/x\n4:cpu,cpuacct:/docker/1\n0::/", "sys/fs/cgroup/cpu,cpuacct/docker/1/cpu.stat"),
        ("4:cpu,cpuacct:/docker/1", "sys/fs/cgroup/cpu/cpu.stat"),
    ],
)
def test_a_containers_stops_are_found_wherever_its_group_is_mounted(tree, groups, statistics):
    tree.put("proc/self/cgroup", groups)
    assert quota_stops(SystemFiles(tree.root)) is None
    tree.put(statistics, "nr_periods 9\nnr_throttled 4\nthrottled_usec 100")
    assert quota_stops(SystemFiles(tree.root)) == 4


def test_swapping_counts_both_ways(tree):
    assert swapped_bytes(SystemFiles(tree.root)) is None
    tree.put("proc/vmstat", "nr_free_pages 7\npswpin 10\npswpout 5")
    assert swapped_bytes(SystemFiles(tree.root)) == 15 * mmap.PAGESIZE
