"""The trees stand in for ``/proc`` and ``/sys`` of containers as Docker, Podman and Kubernetes lay them out."""

from __future__ import annotations

from pathlib import Path

import pytest

from halospec.limits import ContainerLimits, container_limits

NO_LIMIT_IN_VERSION_1 = "9223372036854771712\n"
NONE = ContainerLimits(cpu_cores=None, memory_bytes=None, memory_used_bytes=None)


def tree(root: Path, groups: str, files: dict[str, str]) -> Path:
    """A root directory whose process is in ``groups``, with these files under ``/sys/fs/cgroup``."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(groups)
    for name, content in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def test_a_container_of_version_2_finds_its_limits_at_the_top(tmp_path: Path) -> None:
    files = {"cpu.max": "150000 100000\n", "memory.max": "2000000000\n", "memory.current": "500000000\n"}
    assert container_limits(tree(tmp_path, "0::/\n", files)) == ContainerLimits(1.5, 2_000_000_000, 500_000_000)


def test_the_least_on_the_way_up_counts(tmp_path: Path) -> None:
    files = {
        "a/cpu.max": "100000 100000\n",
        "a/b/cpu.max": "max 100000\n",
        "a/b/c/cpu.max": "300000 100000\n",
        "a/memory.max": "4000\n",
        "a/memory.current": "1000\n",
        "a/b/memory.max": "3000\n",
        "a/b/memory.current": "900\n",
        "a/b/c/memory.max": "max\n",
        "a/b/c/memory.current": "800\n",
        "beside/cpu.max": "1000 100000\n",
        "beside/memory.max": "1\n",
    }
    assert container_limits(tree(tmp_path, "0::/a/b/c\n", files)) == ContainerLimits(1.0, 3000, 900)


def test_a_larger_group_that_others_have_filled_leaves_less(tmp_path: Path) -> None:
    files = {
        "pod/memory.max": "8000\n",
        "pod/memory.current": "7900\n",
        "pod/ours/memory.max": "4000\n",
        "pod/ours/memory.current": "1000\n",
    }
    limits = container_limits(tree(tmp_path, "0::/pod/ours\n", files))
    assert (limits.memory_bytes, limits.memory_used_bytes, limits.memory_left_bytes) == (8000, 7900, 100)


def test_files_kept_in_memory_while_nobody_needs_the_room_are_not_in_use(tmp_path: Path) -> None:
    files = {
        "memory.max": "1000\n",
        "memory.current": "900\n",
        "memory.stat": "anon 300\nfile 600\ninactive_file 500\nactive_file 100\n",
    }
    limits = container_limits(tree(tmp_path, "0::/\n", files))
    assert (limits.memory_used_bytes, limits.memory_left_bytes) == (400, 600)


VERSION_1 = "4:memory:/docker/f00\n2:cpu,cpuacct:/docker/f00\n1:name=systemd:/docker/f00\n"


@pytest.mark.parametrize("cpu", ["cpu", "cpu,cpuacct"])
@pytest.mark.parametrize("group", ["docker/f00/", ""], ids=["as on the host", "mounted as the top"])
def test_version_1_has_a_folder_for_each_controller(cpu: str, group: str, tmp_path: Path) -> None:
    files = {
        f"{cpu}/{group}cpu.cfs_quota_us": "50000\n",
        f"{cpu}/{group}cpu.cfs_period_us": "100000\n",
        f"memory/{group}memory.limit_in_bytes": "1000\n",
        f"memory/{group}memory.usage_in_bytes": "700\n",
        f"memory/{group}memory.stat": "inactive_file 1\ntotal_inactive_file 200\n",
    }
    assert container_limits(tree(tmp_path, VERSION_1, files)) == ContainerLimits(0.5, 1000, 500)


def test_version_1_writes_huge_numbers_for_no_limit(tmp_path: Path) -> None:
    files = {
        "cpu/cpu.cfs_quota_us": "-1\n",
        "cpu/cpu.cfs_period_us": "100000\n",
        "memory/memory.limit_in_bytes": NO_LIMIT_IN_VERSION_1,
        "memory/memory.usage_in_bytes": "700\n",
    }
    assert container_limits(tree(tmp_path, VERSION_1, files)) == NONE


def test_the_versions_may_stand_side_by_side(tmp_path: Path) -> None:
    groups = "2:memory:/x\n1:name=systemd:/x\n0::/x\n"
    files = {"memory/x/memory.limit_in_bytes": "1000\n", "unified/x/cpu.max": "200000 100000\n"}
    assert container_limits(tree(tmp_path, groups, files)) == ContainerLimits(2.0, 1000, None)


def test_a_group_outside_of_what_is_mounted_is_looked_for_at_the_top(tmp_path: Path) -> None:
    root = tree(tmp_path / "inner", "0::/../../elsewhere\n", {"cpu.max": "100000 100000\n"})
    (tmp_path / "inner/sys/elsewhere").mkdir()
    (tmp_path / "inner/sys/elsewhere/cpu.max").write_text("1000 100000\n")
    assert container_limits(root).cpu_cores == 1.0


@pytest.mark.parametrize(
    ("groups", "files"),
    [
        ("", {}),
        ("0::/\n", {}),
        ("0::/\n", {"cpu.max": "max 100000\n", "memory.max": "max\n", "memory.current": "5\n"}),
        ("0::/\n", {"cpu.max": "\n", "memory.max": "plenty\n"}),
        ("0::/\n", {"cpu.max": "100000 0\n"}),
        ("0::/\n", {"cpu.max": "100000\n"}),
        ("nonsense\n:\n", {"cpu.max": "", "memory.max": ""}),
    ],
)
def test_what_is_absent_or_cannot_be_read_is_no_limit(groups: str, files: dict[str, str], tmp_path: Path) -> None:
    assert container_limits(tree(tmp_path, groups, files)) == NONE


def test_without_proc_and_sys_there_is_no_limit(tmp_path: Path) -> None:
    assert container_limits(tmp_path) == NONE
    assert NONE.memory_left_bytes is None


def test_this_machine_can_be_asked() -> None:
    limits = container_limits()
    assert limits.cpu_cores is None or limits.cpu_cores > 0
    assert limits.memory_bytes is None or limits.memory_bytes > 0
