"""What runs are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from halospec.compare.runs import unique_names


@pytest.fixture
def folder(tmp_path):
    def make(*names: str) -> list[Path]:
        paths = [tmp_path / name for name in names]
        for path in paths:
            path.mkdir(parents=True)
        return paths

    return make


def test_a_run_is_called_like_its_directory_whichever_of_its_files_is_given(folder):
    a, b = folder("main", "new")
    assert unique_names([a, b / "records.jsonl"]) == ("main", "new")


def test_equal_names_take_as_many_folders_along_as_tell_them_apart(folder):
    assert unique_names(folder("x/y/run", "x/z/run", "other")) == ("y/run", "z/run", "other")


def test_names_steer_no_terminal_and_stay_apart(folder):
    first, second = unique_names(folder("a\x1bb", "a\x07b"))
    assert first != second
    assert (first + second).isprintable()


def test_a_run_is_not_compared_with_itself(folder):
    (a,) = folder("main")
    with pytest.raises(ValueError, match="twice"):
        unique_names([a, a / "records.parquet"])
