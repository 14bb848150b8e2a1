"""The trees stand in for ``/proc`` and ``/sys`` of containers."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from halospec.limits import container_limits
from halospec_server import cores
from halospec_server.cores import allowed_cpus, usable_cores
from halospec_server.cpu_quota import cpu_quota

VERSION_1 = "4:memory:/docker/f00\n2:cpu,cpuacct:/docker/f00\n"
TREES = [
    ("0::/\n", {"cpu.max": "150000 100000\n"}, 1.5),
    ("0::/\n", {"cpu.max": "max 100000\n"}, None),
    ("0::/a/b\n", {"a/cpu.max": "100000 100000\n", "a/b/cpu.max": "300000 100000\n", "c/cpu.max": "1 100000\n"}, 1.0),
    ("0::/../x\n", {"cpu.max": "200000 100000\n"}, 2.0),
    (VERSION_1, {"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 0.5),
    (VERSION_1, {"cpu,cpuacct/docker/f00/cpu.cfs_quota_us": "300000\n"}, None),
    (
        VERSION_1,
        {
            "cpu,cpuacct/docker/f00/cpu.cfs_quota_us": "300000\n",
            "cpu,cpuacct/docker/f00/cpu.cfs_period_us": "100000\n",
        },
        3.0,
    ),
    (VERSION_1, {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
    ("", {}, None),
    ("nonsense\n", {"cpu.max": "nonsense\n"}, None),
]


@pytest.mark.parametrize(("groups", "files", "quota"), TREES)
def test_the_least_quota_on_the_way_up_counts_as_the_measuring_side_reads_it(
    groups: str, files: dict[str, str], quota: float | None, tmp_path: Path
) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(groups)
    for name, content in files.items():
        path = tmp_path / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    assert cpu_quota(tmp_path) == quota
    assert container_limits(tmp_path).cpu_cores == quota


@pytest.mark.parametrize(
    ("quota", "logical", "physical"), [(None, 8, 4), (20.0, 8, 4), (6.0, 6, 4), (2.5, 3, 3), (0.5, 1, 1)]
)
def test_a_container_decodes_with_no_more_threads_than_its_quota_feeds(
    quota: float | None, logical: int, physical: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    monkeypatch.setattr(psutil, "cpu_count", lambda logical=True: 8 if logical else 4)
    monkeypatch.setattr(cores, "cpu_quota", lambda: quota)
    assert (allowed_cpus(), usable_cores()) == (logical, physical)
