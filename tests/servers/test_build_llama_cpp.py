"""What `servers/build_llama_cpp.py` promises. Nothing here compiles: a stand-in pip "builds" a stand-in wheel."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import textwrap
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PROGRAM = Path(__file__).resolve().parents[2] / "servers" / "build_llama_cpp.py"
WHEEL_NAME = "llama_cpp_python-{version}-py3-none-any.whl"
NOTES_ITS_CALLS = """
import os, pathlib, sys, time
stand_ins = pathlib.Path(__file__).parents[1]
with open(stand_ins / "pip-calls", "a") as calls:
    calls.write(sys.argv[1] + "\\n")
if sys.argv[1] == "wheel":
"""
WRITES_A_WHEEL = f"""
folder = pathlib.Path(sys.argv[sys.argv.index("--wheel-dir") + 1])
version = sys.argv[-1].partition("==")[2]
(folder / {WHEEL_NAME!r}.format(version=version)).write_bytes(b"stand-in")
"""
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


def load_program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_llama_cpp", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


program = load_program()
posix_only = pytest.mark.skipif(os.name == "nt", reason="POSIX signals and paths")


@dataclass(frozen=True)
class SetUp:
    """A bare virtual environment, an empty cache, and stand-ins in front of what is installed."""

    python: Path
    cache: Path
    stand_ins: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.cache.parent),
            "XDG_CACHE_HOME": str(self.cache),
            "PYTHONPATH": str(self.stand_ins),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    @property
    def wheels(self) -> Path:
        return self.cache / "halospec" / "wheels"

    @property
    def pip_calls(self) -> list[str]:
        """The subcommands that the stand-in pip was called with, in order."""
        calls = self.stand_ins / "pip-calls"
        return calls.read_text().split() if calls.exists() else []

    def stand_in(self, package: str, file: str, source: str) -> None:
        path = self.stand_ins / package / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source))

    def stand_in_pip(self, on_wheel: str) -> None:
        """Put a pip in place that notes its subcommand, installs nothing, and does ``on_wheel`` when asked to build."""
        self.stand_in("pip", "__init__.py", "")
        self.stand_in("pip", "__main__.py", NOTES_ITS_CALLS + textwrap.indent(on_wheel, "    "))

    def run(self, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.python, PROGRAM],
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


def python_of(environment: Path) -> Path:
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


@pytest.fixture(scope="module")
def bare_environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("a path with spaces") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    return folder


@pytest.fixture
def set_up(bare_environment: Path, tmp_path: Path) -> SetUp:
    stand_ins = tmp_path / "stand-ins"
    made = SetUp(python=python_of(bare_environment), cache=tmp_path / "cache", stand_ins=stand_ins)
    made.stand_in("llama_cpp", "__init__.py", "def llama_backend_init(): pass\n")
    return made


@pytest.fixture
def recipe() -> Any:
    return program.recipe_for({})


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
    def test_differs_when_anything_that_shapes_the_wheel_differs(self, recipe: Any, change: dict[str, Any]) -> None:
        assert replace(recipe, **change).key != recipe.key

    def test_is_the_same_for_the_same_recipe(self, recipe: Any) -> None:
        assert replace(recipe).key == recipe.key

    def test_starts_with_the_version_and_is_a_plain_folder_name(self, recipe: Any) -> None:
        assert recipe.key.startswith(f"{recipe.version}-")
        assert recipe.key == Path(recipe.key).name

    @pytest.mark.parametrize("variable", ["CMAKE_ARGS", "CC", "CXXFLAGS"])
    def test_follows_the_environment_that_the_build_would_see(self, recipe: Any, variable: str) -> None:
        assert program.recipe_for({variable: "-DX=1"}).key != recipe.key


class TestFlags:
    def test_the_users_flags_come_last_so_that_they_win(self) -> None:
        assert program.recipe_for({"CMAKE_ARGS": "-DGGML_NATIVE=ON -DGGML_CUDA=ON"}).cmake_args[-2:] == (
            "-DGGML_NATIVE=ON",
            "-DGGML_CUDA=ON",
        )

    def test_a_cpu_with_avx2_needs_none_but_the_portable_ones(self, tmp_path: Path) -> None:
        cpuinfo = tmp_path / "cpuinfo"
        cpuinfo.write_text("processor\t: 0\nflags\t\t: sse4_2 avx f16c fma bmi2 avx2 avx512f amx_tile\n")
        assert program.portable_flags("x86_64", cpuinfo) == program.PORTABLE

    def test_what_an_old_cpu_lacks_is_switched_off(self, tmp_path: Path) -> None:
        cpuinfo = tmp_path / "cpuinfo"
        cpuinfo.write_text("processor\t: 0\nflags\t\t: sse4_2 avx f16c\n")
        added = set(program.portable_flags("x86_64", cpuinfo)) - set(program.PORTABLE)
        assert added == {"-DGGML_AVX2=OFF", "-DGGML_FMA=OFF", "-DGGML_BMI2=OFF"}

    @pytest.mark.parametrize("machine", ["aarch64", "arm64"])
    def test_another_architecture_is_not_judged_by_x86_features(self, tmp_path: Path, machine: str) -> None:
        cpuinfo = tmp_path / "cpuinfo"
        cpuinfo.write_text("flags\t\t: none of them\n")
        assert program.portable_flags(machine, cpuinfo) == program.PORTABLE


class TestCompileJobs:
    def test_every_core_when_memory_allows(self) -> None:
        assert program.compile_jobs(4, 64_000_000_000) == 4

    def test_fewer_when_memory_is_short_but_never_none(self) -> None:
        assert program.compile_jobs(16, 4_000_000_000) == 2
        assert program.compile_jobs(16, 500_000_000) == 1

    def test_every_core_when_the_system_does_not_say(self) -> None:
        assert program.compile_jobs(3, None) == 3


def test_the_version_is_the_lower_bound_of_the_projects_requirement(tmp_path: Path) -> None:
    pyproject = tmp_path / "pyproject.toml"
    pyproject.write_text('[project.optional-dependencies]\nserver = ["a", "llama-cpp-python>=1.2.3,<2"]\n')
    assert program.pinned_version(pyproject) == "1.2.3"


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
        name = program.recipe_for({}).key
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
    set_up = SetUp(python=python_of(environment), cache=tmp_path / "cache", stand_ins=tmp_path / "none")
    recipe = program.recipe_for({})
    put_stand_in_wheel(set_up.wheels / recipe.key, recipe.version)

    first, second = set_up.run(PATH=""), set_up.run(PATH="")

    assert first.returncode == 0, first.stderr
    assert f"Installed llama-cpp-python {recipe.version} from " in first.stderr
    assert second.returncode == 0
    assert second.stderr == f"llama-cpp-python {recipe.version} is already here.\n"


def put_stand_in_wheel(folder: Path, version: str) -> None:
    """Write the smallest wheel that pip accepts as llama-cpp-python."""
    folder.mkdir(parents=True)
    metadata = f"llama_cpp_python-{version}.dist-info"
    with zipfile.ZipFile(folder / WHEEL_NAME.format(version=version), "w") as wheel:
        wheel.writestr("llama_cpp/__init__.py", "def llama_backend_init(): pass\n")
        wheel.writestr(f"{metadata}/METADATA", f"Metadata-Version: 2.1\nName: llama-cpp-python\nVersion: {version}\n")
        wheel.writestr(
            f"{metadata}/WHEEL", "Wheel-Version: 1.0\nGenerator: a test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{metadata}/RECORD", "")


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(1200):
        if condition():
            return
        time.sleep(0.05)
    pytest.fail("waited a minute in vain")
