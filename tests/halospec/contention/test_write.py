from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from halospec.contention.programs.write import OwnFile
from load_workers import ready_worker, worker

MB = 1_000_000
RATE = 10 * MB
SIZE = 1 * MB

on_posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows deletes the file when it is closed")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="open files are looked up under /proc")


def write(directory: Path, rate: int = RATE) -> tuple[str, ...]:
    return ("write", "--bytes-per-s", str(rate), "--size-bytes", str(SIZE), "--directory", str(directory))


def open_files_in(directory: Path, pid: int) -> list[os.stat_result]:
    """Those of a process that lie in a directory, deleted ones included."""
    links = Path(f"/proc/{pid}/fd").iterdir()
    return [link.stat() for link in links if str(link.readlink()).startswith(str(directory))]


def test_it_writes_round_and_round_within_its_size(tmp_path: Path) -> None:
    file = OwnFile(str(tmp_path), 1_000)
    assert [file.write(400) for _ in range(5)] == [400, 400, 200, 400, 400]
    assert os.fstat(file._file.fileno()).st_size == 1_000


def test_equal_pieces_are_not_written_twice(tmp_path: Path) -> None:
    file = OwnFile(str(tmp_path), 100_000)
    for _ in range(20):
        file.write(5_000)
    file._file.seek(0)
    pieces = {file._file.read(5_000) for _ in range(20)}
    assert len(pieces) == 20


def test_every_piece_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []
    monkeypatch.setattr("halospec.contention.programs.write._sync", synced.append)
    file = OwnFile(str(tmp_path), 1_000)
    for _ in range(3):
        file.write(400)
    assert synced == [file._file.fileno()] * 3


@on_posix
def test_the_file_has_no_name(tmp_path: Path) -> None:
    with ready_worker(*write(tmp_path)) as writing:
        writing.set_level(1.0)
        writing.count_from(1)
        assert list(tmp_path.iterdir()) == []


@on_linux
def test_the_file_lies_in_the_directory_and_keeps_its_size(tmp_path: Path) -> None:
    with ready_worker(*write(tmp_path)) as writing:
        writing.set_level(1.0)
        writing.count_from(2 * SIZE)
        [file] = open_files_in(tmp_path, writing.pid)
        assert (file.st_size, file.st_nlink) == (SIZE, 0)


@on_linux
def test_a_kill_leaves_nothing_behind(tmp_path: Path) -> None:
    with ready_worker(*write(tmp_path)) as writing:
        writing.set_level(1.0)
        writing.count_from(1)
        writing.process.kill()
        writing.process.wait()
        assert list(tmp_path.iterdir()) == []


def test_it_writes_what_its_level_says_and_never_more(tmp_path: Path) -> None:
    with ready_worker(*write(tmp_path)) as writing:
        assert writing.count_after(0.1) == 0
        began_s = time.monotonic()
        writing.set_level(0.5)
        written = writing.count_from(2 * SIZE)
        assert written <= 0.5 * RATE * (time.monotonic() - began_s)


def test_it_ends_with_its_lifeline(tmp_path: Path) -> None:
    with ready_worker(*write(tmp_path)) as writing:
        writing.set_level(1.0)
        writing.let_go()
        assert writing.process.wait(timeout=20) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with worker(*write(missing)) as writing:
        assert writing.hear() == f"a file of {SIZE} bytes cannot be written in {missing}: No such file or directory"
        assert writing.hear() == ""
        assert writing.process.wait(timeout=20) == 1


@on_posix
def test_a_file_that_cannot_grow_to_its_size_is_one_sentence(tmp_path: Path) -> None:
    # A limit of the process's own stands for a disk that is full: the same calls fail.
    def limit() -> None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (SIZE // 2, SIZE // 2))

    with worker(*write(tmp_path), beforehand=limit) as writing:
        writing.set_level(1.0)
        lines = list(iter(writing.hear, ""))
        assert lines[-1] == f"a file of {SIZE} bytes cannot be written in {tmp_path}: File too large"
        assert writing.process.wait(timeout=20) == 1


@on_linux
def test_a_disk_that_fills_up_meanwhile_ends_it_with_one_sentence(tmp_path: Path) -> None:
    import resource

    with ready_worker(*write(tmp_path)) as writing:
        resource.prlimit(writing.pid, resource.RLIMIT_FSIZE, (SIZE // 2, SIZE // 2))
        writing.set_level(1.0)
        *counts, sentence = iter(writing.hear, "")
        assert all(count.isdigit() for count in counts)
        assert sentence == f"a file of {SIZE} bytes cannot be written in {tmp_path}: File too large"
        assert writing.process.wait(timeout=20) == 1
