from __future__ import annotations

import sys
from pathlib import Path

import pytest

from halospec.contention.last_level_cache import DEFAULT_BYTES, last_level_cache, size_by_sysctl, size_in_sysfs

KIB = 1024


def put_cache(root: Path, cpu: int, index: int, *, level: str, kind: str, size: str) -> None:
    """Lay out one cache of one core as the kernel shows it."""
    folder = root / f"cpu{cpu}" / "cache" / f"index{index}"
    folder.mkdir(parents=True)
    for name, text in (("level", level), ("type", kind), ("size", size)):
        (folder / name).write_text(text + "\n")


def test_linux_it_is_the_largest_of_the_highest_level(tmp_path: Path) -> None:
    for cpu, last in ((0, "32768K"), (1, "98304K")):
        put_cache(tmp_path, cpu, 0, level="1", kind="Data", size="48K")
        put_cache(tmp_path, cpu, 1, level="1", kind="Instruction", size="32K")
        put_cache(tmp_path, cpu, 2, level="2", kind="Unified", size="1024K")
        put_cache(tmp_path, cpu, 3, level="3", kind="Unified", size=last)
    assert size_in_sysfs(tmp_path) == 98304 * KIB


def test_linux_a_level_counts_for_more_than_a_size(tmp_path: Path) -> None:
    put_cache(tmp_path, 0, 0, level="2", kind="Unified", size="16M")
    put_cache(tmp_path, 0, 1, level="3", kind="Unified", size="4096K")
    assert size_in_sysfs(tmp_path) == 4096 * KIB


def test_linux_instructions_are_not_data(tmp_path: Path) -> None:
    put_cache(tmp_path, 0, 0, level="1", kind="Data", size="16K")
    put_cache(tmp_path, 0, 1, level="2", kind="Instruction", size="64K")
    assert size_in_sysfs(tmp_path) == 16 * KIB


@pytest.mark.parametrize(
    ("size", "size_bytes"), [("512K", 512 * KIB), ("4M", 4 * KIB**2), ("1G", KIB**3), ("777", 777)]
)
def test_linux_sizes_come_with_suffixes(tmp_path: Path, size: str, size_bytes: int) -> None:
    put_cache(tmp_path, 0, 0, level="2", kind="Unified", size=size)
    assert size_in_sysfs(tmp_path) == size_bytes


@pytest.mark.parametrize(("level", "size"), [("3", ""), ("3", "0K"), ("", "64K"), ("3", "a lot"), ("3", "K")])
def test_linux_a_cache_that_is_not_described_is_passed_over(tmp_path: Path, level: str, size: str) -> None:
    put_cache(tmp_path, 0, 0, level="1", kind="Data", size="16K")
    put_cache(tmp_path, 0, 1, level=level, kind="Unified", size=size)
    assert size_in_sysfs(tmp_path) == 16 * KIB


def test_linux_says_nothing_where_there_are_no_caches(tmp_path: Path) -> None:
    (tmp_path / "cpu0" / "cache" / "index0").mkdir(parents=True)
    assert size_in_sysfs(tmp_path) is None


@pytest.mark.parametrize(
    ("said", "size_bytes"),
    [
        ({"hw.l3cachesize": "8388608", "hw.l2cachesize": "262144"}, 8_388_608),
        ({"hw.l3cachesize": "0", "hw.perflevel0.l2cachesize": "16777216", "hw.l2cachesize": "4194304"}, 16_777_216),
        ({"hw.l2cachesize": "4194304\n"}, 4_194_304),
        ({}, None),
    ],
)
def test_macos_it_is_the_third_level_or_that_of_the_fast_cores(said: dict[str, str], size_bytes: int | None) -> None:
    assert size_by_sysctl(lambda name: said.get(name, "")) == size_bytes


def test_where_the_system_does_not_say_a_default_is_taken_and_said_to_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "plan9")
    assert (last_level_cache().size_bytes, last_level_cache().known) == (DEFAULT_BYTES, False)


def test_this_machine_has_one() -> None:
    assert 16 * KIB <= last_level_cache().size_bytes < 16 * KIB**3
