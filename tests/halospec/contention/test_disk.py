from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from halospec.contention import disk
from halospec.contention.disk import directory_of, file_bytes, is_in_memory, program_of_disk
from halospec.contention.loads import DiskLoad
from halospec.contention.program import Counted


@pytest.fixture
def mounted(monkeypatch: pytest.MonkeyPatch) -> dict[Path, str]:
    """File systems by where they are mounted, in place of this machine's."""
    mounts: dict[Path, str] = {}
    monkeypatch.setattr(
        disk.psutil,
        "disk_partitions",
        lambda **_: [SimpleNamespace(mountpoint=str(at), fstype=kind) for at, kind in mounts.items()],
    )
    return mounts


def test_the_writer_is_told_rate_size_and_place(tmp_path: Path) -> None:
    program = program_of_disk(DiskLoad(50.0, size_mb=2.5, directory=tmp_path))
    assert program.arguments == (
        *("write", "--bytes-per-s", "50000000.0"),
        *("--size-bytes", "2500000"),
        *("--directory", str(tmp_path)),
    )
    assert program.workers == 1


def test_its_bytes_become_megabytes_a_second_and_a_hundredth_of_the_amount_is_work() -> None:
    program = program_of_disk(DiskLoad(50.0))
    assert program.counted is Counted.OWN_COUNT
    assert 50_000_000 * program.scale / 1_000_000_000 == 50.0
    assert program.at_work_above == pytest.approx(0.5)


def test_a_file_has_at_least_a_byte() -> None:
    assert file_bytes(DiskLoad(50.0, size_mb=1e-9)) == 1


def test_a_directory_lies_on_what_is_mounted_nearest_above_it(tmp_path: Path, mounted: dict[Path, str]) -> None:
    here = tmp_path.resolve()
    mounted |= {Path(here.anchor): "ext4", here: "tmpfs", here / "disk": "xfs"}
    assert is_in_memory(tmp_path)
    assert is_in_memory(tmp_path / "folder")
    assert not is_in_memory(tmp_path / "disk" / "folder")
    assert not is_in_memory(tmp_path.parent)


def test_a_link_lies_where_it_leads_to(tmp_path: Path, mounted: dict[Path, str]) -> None:
    mounted |= {Path(tmp_path.resolve().anchor): "ext4", tmp_path.resolve() / "memory": "tmpfs"}
    (tmp_path / "memory").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "memory")
    assert is_in_memory(tmp_path / "link")


def test_the_file_lies_where_it_is_told_to(tmp_path: Path) -> None:
    assert directory_of(DiskLoad(50.0, directory=tmp_path)) == tmp_path


def test_by_default_it_lies_in_the_temporary_folder(
    tmp_path: Path, mounted: dict[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted[Path(tmp_path.resolve().anchor)] = "ext4"
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert directory_of(DiskLoad(50.0)) == tmp_path


def test_a_temporary_folder_in_memory_is_passed_over_where_there_is_one_on_disk(
    tmp_path: Path, mounted: dict[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    in_memory, on_disk = tmp_path / "memory", tmp_path / "disk"
    mounted |= {Path(tmp_path.resolve().anchor): "ext4", in_memory.resolve(): "tmpfs"}
    monkeypatch.setattr("tempfile.tempdir", str(in_memory))
    monkeypatch.setattr(disk, "_ON_DISK_BY_CUSTOM", on_disk)
    assert directory_of(DiskLoad(50.0)) == in_memory
    on_disk.mkdir()
    assert directory_of(DiskLoad(50.0)) == on_disk
