"""What decides which build of llama.cpp is made and found again, whichever distribution it comes in."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from wheel_builds import PORTABLE, Distribution, Progress, Recipe, compile_jobs, portable_flags

SOME = Distribution("some-llama", "1.2.3", ("-DOWN=1",), "py3", "JOBS")


@pytest.fixture
def recipe() -> Recipe:
    return SOME.recipe({})


class TestKey:
    @pytest.mark.parametrize(
        "change",
        [
            {"version": "0.3.99"},
            {"cmake_args": ("-DGGML_CUDA=ON",)},
            {"toolchain": ("CXX=clang++",)},
            {"python_tag": "cpython-399"},
            {"platform": "macosx-14.0-arm64"},
        ],
    )
    def test_differs_when_anything_that_shapes_the_wheel_differs(self, recipe: Recipe, change: dict[str, Any]) -> None:
        assert replace(recipe, **change).key != recipe.key

    def test_is_the_same_for_the_same_recipe(self, recipe: Recipe) -> None:
        assert replace(recipe).key == recipe.key

    def test_starts_with_the_version_and_is_a_plain_folder_name(self, recipe: Recipe) -> None:
        assert recipe.key.startswith("1.2.3-")
        assert recipe.key == Path(recipe.key).name

    @pytest.mark.parametrize("variable", ["CMAKE_ARGS", "CC", "CXXFLAGS"])
    def test_follows_the_environment_that_the_build_would_see(self, recipe: Recipe, variable: str) -> None:
        assert SOME.recipe({variable: "-DX=1"}).key != recipe.key

    def test_of_a_wheel_for_any_python_says_so(self, recipe: Recipe) -> None:
        assert recipe.python_tag == "py3"
        assert replace(SOME, python_tag=sys.implementation.cache_tag).recipe({}).key != recipe.key


class TestFlags:
    def test_are_the_portable_ones_then_the_distributions_own_then_the_users_which_win(self) -> None:
        flags = SOME.recipe({"CMAKE_ARGS": "-DGGML_NATIVE=ON -DGGML_CUDA=ON"}).cmake_args
        assert flags[: len(PORTABLE)] == PORTABLE
        assert flags[-3:] == ("-DOWN=1", "-DGGML_NATIVE=ON", "-DGGML_CUDA=ON")

    def test_a_cpu_with_avx2_needs_none_but_the_portable_ones(self, tmp_path: Path) -> None:
        cpuinfo = tmp_path / "cpuinfo"
        cpuinfo.write_text("processor\t: 0\nflags\t\t: sse4_2 avx f16c fma bmi2 avx2 avx512f amx_tile\n")
        assert portable_flags("x86_64", cpuinfo) == PORTABLE

    def test_what_an_old_cpu_lacks_is_switched_off(self, tmp_path: Path) -> None:
        cpuinfo = tmp_path / "cpuinfo"
        cpuinfo.write_text("processor\t: 0\nflags\t\t: sse4_2 avx f16c\n")
        added = set(portable_flags("x86_64", cpuinfo)) - set(PORTABLE)
        assert added == {"-DGGML_AVX2=OFF", "-DGGML_FMA=OFF", "-DGGML_BMI2=OFF"}

    @pytest.mark.parametrize("machine", ["aarch64", "arm64"])
    def test_another_architecture_is_not_judged_by_x86_features(self, tmp_path: Path, machine: str) -> None:
        cpuinfo = tmp_path / "cpuinfo"
        cpuinfo.write_text("flags\t\t: none of them\n")
        assert portable_flags(machine, cpuinfo) == PORTABLE


class TestCompileJobs:
    def test_every_core_when_memory_allows(self) -> None:
        assert compile_jobs(4, 64_000_000_000) == 4

    def test_fewer_when_memory_is_short_but_never_none(self) -> None:
        assert compile_jobs(16, 4_000_000_000) == 2
        assert compile_jobs(16, 500_000_000) == 1

    def test_every_core_when_the_system_does_not_say(self) -> None:
        assert compile_jobs(3, None) == 3


class TestProgress:
    def test_is_read_off_ninjas_count_of_files(self) -> None:
        assert Progress.in_line("  [7/300] Building CXX object x.o") == Progress(7, 300, "7/300")

    def test_is_read_off_makes_percentage(self) -> None:
        assert Progress.in_line("  [  4%] Building CXX object x.o") == Progress(4, 100, "4 %")

    @pytest.mark.parametrize("line", ["", "-- Configuring done", "see [1] for more", "[a/b]"])
    def test_other_lines_say_nothing_of_it(self, line: str) -> None:
        assert Progress.in_line(line) is None
