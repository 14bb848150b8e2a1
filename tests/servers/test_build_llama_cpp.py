"""What `servers/build_llama_cpp.py` promises. Nothing here compiles: a stand-in pip "builds" a stand-in wheel."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import build_llama_cpp
from set_ups import SERVERS, WRITES_A_WHEEL, SetUp, make_bare_environment, put_stand_in_wheel, python_of

PROGRAM = SERVERS / "build_llama_cpp.py"
NEVER_ENDS = """
(stand_ins / "started.new").write_text(str(os.getpid()))
(stand_ins / "started.new").rename(stand_ins / "started")
time.sleep(600)
"""
WINS_THE_RACE = """
faster = folder.parent.parent / {name!r}
faster.mkdir()
(faster / "other.whl").write_bytes(b"stand-in of the faster one")
"""


posix_only = pytest.mark.skipif(os.name == "nt", reason="POSIX signals and paths")


@pytest.fixture(scope="module")
def bare_environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bare_environment(tmp_path_factory.mktemp("a path with spaces") / "venv")


@pytest.fixture
def set_up(bare_environment: Path, tmp_path: Path) -> SetUp:
    made = SetUp(PROGRAM, python_of(bare_environment), tmp_path / "cache", tmp_path / "stand-ins")
    made.stand_in("llama_cpp", "__init__.py", "def llama_backend_init(): pass\n")
    return made


def test_the_version_is_the_lower_bound_of_the_projects_requirement(tmp_path: Path) -> None:
    pyproject = tmp_path / "pyproject.toml"
    pyproject.write_text('[project.optional-dependencies]\nserver = ["a", "llama-cpp-python>=1.2.3,<2"]\n')
    assert build_llama_cpp.pinned_version(pyproject) == "1.2.3"


class TestWithoutACompiler:
    def test_says_so_in_one_sentence_before_anything_is_fetched(self, set_up: SetUp) -> None:
        set_up.stand_in_pip(WRITES_A_WHEEL)
        ended = set_up.run(PATH="")
        assert ended.returncode == 1
        assert ended.stderr.startswith("No C++ compiler found (looked for c++, g++, clang++): install one, e.g. ")
        assert ended.stderr.count("\n") == 1
        assert set_up.pip_calls == []

    def test_names_the_compiler_that_the_user_asked_for(self, set_up: SetUp) -> None:
        set_up.stand_in_pip(WRITES_A_WHEEL)
        assert "looked for no-such-c++" in set_up.run(CXX="no-such-c++").stderr

    def test_a_cached_wheel_needs_none(self, set_up: SetUp) -> None:
        set_up.stand_in_pip(WRITES_A_WHEEL)
        assert set_up.run().returncode == 0
        assert set_up.run(PATH="").returncode == 0


class TestBuild:
    def test_happens_once_and_the_next_set_up_installs_from_the_cache(self, set_up: SetUp) -> None:
        set_up.stand_in_pip(WRITES_A_WHEEL)
        first, second = set_up.run(), set_up.run()
        assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
        assert set_up.pip_calls.count("wheel") == 1
        assert set_up.pip_calls[-1] == "install"
        (folder,) = set_up.wheels.iterdir()
        assert str(folder) in second.stderr

    def test_with_other_flags_has_a_wheel_of_its_own(self, set_up: SetUp) -> None:
        set_up.stand_in_pip(WRITES_A_WHEEL)
        set_up.run()
        set_up.run(CMAKE_ARGS="-DGGML_CUDA=ON")
        assert set_up.pip_calls.count("wheel") == 2
        assert len(list(set_up.wheels.iterdir())) == 2

    def test_gets_the_portable_flags_and_bypasses_pips_own_cache(self, set_up: SetUp) -> None:
        set_up.stand_in_pip('print(os.environ["CMAKE_ARGS"], *sys.argv); sys.exit(1)')
        ended = set_up.run(CMAKE_ARGS="-DGGML_CUDA=ON")
        assert "-DGGML_NATIVE=OFF -DLLAVA_BUILD=OFF" in ended.stderr
        assert "-DGGML_CUDA=ON" in ended.stderr
        assert "--no-cache-dir" in ended.stderr

    def test_that_fails_shows_its_last_lines_and_keeps_its_log(self, set_up: SetUp) -> None:
        set_up.stand_in_pip('for i in range(100): print("line", i)\nprint("ninja: build stopped"); sys.exit(1)')
        ended = set_up.run()
        assert ended.returncode == 1
        assert "ninja: build stopped" in ended.stderr
        assert "line 0\n" not in ended.stderr
        assert "Traceback" not in ended.stderr
        (log,) = set_up.wheels.iterdir()
        assert str(log) in ended.stderr
        assert "line 0\n" in log.read_text()

    def test_beside_another_that_was_faster_takes_the_others_wheel(self, set_up: SetUp) -> None:
        name = build_llama_cpp.llama_cpp_python().recipe({}).key
        set_up.stand_in_pip(WRITES_A_WHEEL + WINS_THE_RACE.format(name=name))
        ended = set_up.run()
        assert ended.returncode == 0, ended.stderr
        assert [path.name for path in set_up.wheels.iterdir()] == [name]
        assert (set_up.wheels / name / "other.whl").read_bytes() == b"stand-in of the faster one"

    @posix_only
    @pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
    def test_that_is_interrupted_leaves_no_half_wheel_and_no_process(self, set_up: SetUp, end: signal.Signals) -> None:
        set_up.stand_in_pip(WRITES_A_WHEEL + NEVER_ENDS)
        running = subprocess.Popen([set_up.python, PROGRAM], env=set_up.environment, stderr=subprocess.PIPE, text=True)
        started = set_up.stand_ins / "started"
        wait_until(lambda: started.exists() or running.poll() is not None)
        running.send_signal(end)
        _, stderr = running.communicate(timeout=60)
        assert running.returncode == 130
        assert stderr.endswith("Interrupted; nothing half-built was kept.\n")
        assert list(set_up.wheels.iterdir()) == []
        with pytest.raises(ProcessLookupError):
            os.kill(int(started.read_text()), 0)


class TestVerification:
    @posix_only
    def test_a_library_killed_by_a_signal_is_one_clear_sentence(self, set_up: SetUp) -> None:
        set_up.stand_in_pip(WRITES_A_WHEEL)
        fatal = "import os, signal\ndef llama_backend_init(): os.kill(os.getpid(), signal.SIGILL)\n"
        set_up.stand_in("llama_cpp", "__init__.py", fatal)
        ended = set_up.run()
        assert ended.returncode == 1
        assert "SIGILL killed it on its first call" in ended.stderr.splitlines()[-1]
        assert "Traceback" not in ended.stderr

    def test_a_library_that_does_not_load_says_why(self, set_up: SetUp) -> None:
        set_up.stand_in_pip(WRITES_A_WHEEL)
        set_up.stand_in("llama_cpp", "__init__.py", "raise OSError('libgomp.so.1: cannot open shared object file')\n")
        ended = set_up.run()
        assert ended.returncode == 1
        assert ended.stderr.splitlines()[-1].endswith("libgomp.so.1: cannot open shared object file")
        assert "Traceback" not in ended.stderr


def test_an_environment_without_pip_is_one_clear_sentence(set_up: SetUp) -> None:
    ended = set_up.run()
    assert ended.returncode == 1
    assert "has no pip" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_real_pip_installs_a_stand_in_wheel_from_the_cache_and_then_has_nothing_to_do(tmp_path: Path) -> None:
    environment = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    set_up = SetUp(PROGRAM, python_of(environment), tmp_path / "cache", tmp_path / "none")
    recipe = build_llama_cpp.llama_cpp_python().recipe({})
    library = {"llama_cpp/__init__.py": "def llama_backend_init(): pass\n"}
    put_stand_in_wheel(set_up.wheels / recipe.key, build_llama_cpp.NAME, recipe.version, library)

    first, second = set_up.run(PATH=""), set_up.run(PATH="")

    assert first.returncode == 0, first.stderr
    assert f"Installed llama-cpp-python {recipe.version} from " in first.stderr
    assert second.returncode == 0
    assert second.stderr == f"llama-cpp-python {recipe.version} is already here.\n"


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(1200):
        if condition():
            return
        time.sleep(0.05)
    pytest.fail("waited a minute in vain")
