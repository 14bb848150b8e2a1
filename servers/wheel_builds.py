"""Compile a llama.cpp distribution for any machine of this kind, and keep the wheel in the user's cache.

What `build_llama_cpp.py` and `build_llama_server.py` share. llama.cpp is built for AVX2 and no more: some virtual
machines announce AMX and then kill the process on its first tile instruction, so a build for "this very CPU" cannot be
trusted. ``CMAKE_ARGS`` (``-DGGML_CUDA=ON``, say) is appended to the flags below and wins over them.

Only the standard library, pip and a C++ compiler are needed: this runs before anything is installed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

PORTABLE = ("-DGGML_NATIVE=OFF",)
X86_FEATURES = {
    "sse4_2": "-DGGML_SSE42=OFF",
    "avx": "-DGGML_AVX=OFF",
    "f16c": "-DGGML_F16C=OFF",
    "fma": "-DGGML_FMA=OFF",
    "bmi2": "-DGGML_BMI2=OFF",
    "avx2": "-DGGML_AVX2=OFF",
}
"""What a portable x86-64 build takes for granted (as /proc/cpuinfo names it), and the flag that does without it."""
COMPILERS = ("c++", "g++", "clang++")
TOOLCHAIN_VARIABLES = ("CC", "CXX", "CFLAGS", "CXXFLAGS", "LDFLAGS")
JOB_MEMORY_BYTES = 1_500_000_000
"""What the largest of llama.cpp's translation units may need while it compiles."""
LOG_TAIL_LINES = 20
INTERRUPT_GRACE_S = 10.0


class SetUpError(Exception):
    """A set-up that cannot go on; the message is one sentence for the user."""


@dataclass(frozen=True)
class Recipe:
    """All that decides what is in a wheel of one distribution."""

    version: str
    cmake_args: tuple[str, ...]
    toolchain: tuple[str, ...]
    python_tag: str
    platform: str

    @property
    def key(self) -> str:
        """Name of this wheel's folder in the cache."""
        digest = hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()
        return f"{self.version}-{digest[:16]}"


@dataclass(frozen=True)
class Progress:
    """How far a build says it is: in files (ninja) or in percent (make)."""

    done: int
    total: int
    text: str

    @classmethod
    def in_line(cls, line: str) -> Progress | None:
        """Find what a line of a build's output says about it."""
        if files := re.match(r"\s*\[(\d+)/(\d+)\]", line):
            return cls(int(files[1]), int(files[2]), f"{files[1]}/{files[2]}")
        if percent := re.match(r"\s*\[\s*(\d+)%\]", line):
            return cls(int(percent[1]), 100, f"{percent[1]} %")
        return None


@dataclass(frozen=True)
class Distribution:
    """A source distribution that compiles llama.cpp.

    Attributes
    ----------
    cmake_args
        What it needs to be told beside the portable flags.
    python_tag
        What its wheels depend on: this interpreter, or ``py3`` for none in particular.
    jobs_variable
        The environment variable in which its build looks for the number of parallel jobs.
    """

    name: str
    version: str
    cmake_args: tuple[str, ...]
    python_tag: str
    jobs_variable: str

    def recipe(self, environment: Mapping[str, str]) -> Recipe:
        """Return what is to be built on this machine, given the user's environment."""
        return Recipe(
            version=self.version,
            cmake_args=(
                *portable_flags(platform.machine()),
                *self.cmake_args,
                *environment.get("CMAKE_ARGS", "").split(),
            ),
            toolchain=tuple(f"{name}={environment[name]}" for name in TOOLCHAIN_VARIABLES if environment.get(name)),
            python_tag=self.python_tag,
            platform="-".join((sysconfig.get_platform(), *filter(None, platform.libc_ver()))),
        )


def portable_flags(machine: str, cpuinfo: Path = Path("/proc/cpuinfo")) -> tuple[str, ...]:
    """Return cmake flags for code that runs on this CPU and on any other with AVX2, or without where this one is."""
    if machine.lower() not in ("x86_64", "amd64") or not cpuinfo.exists():
        return PORTABLE
    match = re.search(r"^flags\s*:(.*)$", cpuinfo.read_text(encoding="utf-8"), re.MULTILINE)
    present = set(match[1].split()) if match else set(X86_FEATURES)
    return PORTABLE + tuple(flag for feature, flag in X86_FEATURES.items() if feature not in present)


def user_cache(environment: Mapping[str, str]) -> Path:
    """Return the folder in which HaloSpec keeps what is dear to make."""
    base = environment.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "halospec"


def wheel_of(distribution: Distribution, environment: Mapping[str, str]) -> Path:
    """Return the cached wheel for this machine, built first if there is none yet.

    Raises
    ------
    SetUpError
        If there is no compiler or the build fails.
    """
    recipe = distribution.recipe(environment)
    folder = user_cache(environment) / "wheels" / recipe.key
    return cached_wheel(folder) or build_wheel(distribution, recipe, folder, environment)


def cached_wheel(folder: Path) -> Path | None:
    """Return the wheel in a recipe's folder, if it has been built."""
    return next(folder.glob("*.whl"), None)


def require_compiler(environment: Mapping[str, str]) -> None:
    """Raise `SetUpError` unless there is something to compile C++ with."""
    if os.name == "nt":
        # cmake finds Visual Studio through its installer's registry, not through PATH.
        programs = Path(environment.get("ProgramFiles(x86)", ""))
        if (programs / "Microsoft Visual Studio" / "Installer" / "vswhere.exe").exists():
            return
    wanted = tuple(environment.get("CXX", "").split()[:1]) or COMPILERS
    if not any(shutil.which(name, path=environment.get("PATH", "")) for name in wanted):
        raise SetUpError(
            f"No C++ compiler found (looked for {', '.join(wanted)}): install one, e.g. `sudo apt-get install "
            "build-essential`, `xcode-select --install`, or Visual Studio's C++ build tools."
        )


def memory_bytes() -> int | None:
    """Return the memory that this process may still take, or ``None`` where the system does not say."""
    limits = []
    with contextlib.suppress(OSError):
        meminfo = Path("/proc/meminfo").read_text(encoding="utf-8")
        limits += [1024 * int(kib) for kib in re.findall(r"^MemAvailable:\s*(\d+) kB", meminfo, re.MULTILINE)]
    with contextlib.suppress(OSError):
        control_group = Path("/sys/fs/cgroup/memory.max").read_text(encoding="utf-8").strip()
        limits += [int(control_group)] if control_group.isdigit() else []
    return min(limits, default=None)


def compile_jobs(cores: int, memory: int | None) -> int:
    """Return how many translation units to compile at once."""
    return max(1, cores if memory is None else min(cores, memory // JOB_MEMORY_BYTES))


def build_wheel(distribution: Distribution, recipe: Recipe, folder: Path, environment: Mapping[str, str]) -> Path:
    """Compile the wheel and move it into the cache as a whole; return where it is.

    Raises
    ------
    SetUpError
        If there is no compiler or the build fails; the log is then kept beside the cache folder.
    """
    require_compiler(environment)
    name = distribution.name
    jobs = compile_jobs(os.cpu_count() or 1, memory_bytes())
    folder.parent.mkdir(parents=True, exist_ok=True)
    # On the cache's own file system, so that the last step is one rename: seen by others whole or not at all.
    with tempfile.TemporaryDirectory(prefix=".building-", dir=folder.parent) as scratch:
        result = Path(scratch, "result")
        result.mkdir()
        log = result / "build.log"
        say(f"Compiling {name} {recipe.version}, {jobs} files at a time; this takes some minutes, once.")
        say(f"(log: {log})")
        command = [sys.executable, "-m", "pip", "wheel", "--verbose", "--no-deps", "--wheel-dir", str(result)]
        # pip's own wheel cache does not look at CMAKE_ARGS and would hand back a build with other flags.
        command += ["--no-cache-dir", "--no-binary", name, f"{name}=={recipe.version}"]
        settings = {
            distribution.jobs_variable: str(jobs),
            **environment,
            "CMAKE_ARGS": " ".join(recipe.cmake_args),
        }
        if run_logged(command, settings, log) != 0 or cached_wheel(result) is None:
            kept = folder.with_suffix(".failed.log")
            tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_TAIL_LINES:]
            log.replace(kept)
            raise SetUpError("\n".join([*tail, "", f"Building {name} failed; the whole log is {kept}."]))
        (result / "recipe.json").write_text(json.dumps(asdict(recipe), indent=2) + "\n", encoding="utf-8")
        # A set-up beside this one may have put the same wheel there first; then its wheel is as good as ours.
        with contextlib.suppress(OSError):
            result.rename(folder)
    wheel = cached_wheel(folder)
    if wheel is None:
        raise SetUpError(f"The wheel was built, but {folder} cannot be written.")
    return wheel


def run_logged(command: list[str], environment: Mapping[str, str], log: Path) -> int:
    """Run a build, all its output into ``log`` and its progress to the terminal; return the exit status."""
    # A session of its own: whatever ends this program, the compilers that pip started can be ended with it.
    build = subprocess.Popen(
        command,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        shown: Progress | None = None
        with log.open("w", encoding="utf-8") as file:
            for line in build.stdout or ():
                file.write(line)
                file.flush()
                progress = Progress.in_line(line)
                if progress is not None and progress != shown:
                    shown = progress
                    show(progress)
        return build.wait()
    finally:
        if build.poll() is None:
            end_group(build)


def end_group(build: subprocess.Popen[str]) -> None:
    """End a build and all that it started; pip gets the time to remove its temporary files."""
    if os.name == "nt":
        build.kill()
        build.wait()
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(build.pid, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            build.wait(timeout=INTERRUPT_GRACE_S)
        os.killpg(build.pid, signal.SIGKILL)
    build.wait()


def show(progress: Progress) -> None:
    """Say how far a build is: on one line of a terminal, or every 20 units in a log."""
    if sys.stderr.isatty():
        sys.stderr.write(f"  {progress.text}" + ("\n" if progress.done == progress.total else "\r"))
        sys.stderr.flush()
    elif progress.done % 20 == 0 or progress.done == progress.total:
        say(f"  {progress.text}")


def install(wheel: Path, python: str, extra: str | None = None) -> None:
    """Install a wheel into an interpreter's environment; pip notes where it came from in ``direct_url.json``.

    Raises
    ------
    SetUpError
        If pip refuses.
    """
    command = [python, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    # The wheel first and by itself: its dependencies need no reinstalling.
    for arguments in (["--force-reinstall", "--no-deps", str(wheel)], [f"{wheel}[{extra}]" if extra else str(wheel)]):
        if subprocess.run([*command, *arguments], check=False).returncode != 0:
            raise SetUpError(f"pip could not install {wheel}; its messages above say why.")


def say(sentence: str) -> None:
    """Tell the user what goes on, apart from anything that a pipe might read."""
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()


@contextlib.contextmanager
def termination_as_interrupt() -> Iterator[None]:
    """Let SIGTERM unwind the stack as Ctrl-C does, so that nothing half-built stays behind."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def run_set_up(set_up: Callable[[Mapping[str, str]], None], distribution: str) -> int:
    """Set up with the user's environment, and return the exit status: what goes wrong is one sentence."""
    try:
        with termination_as_interrupt():
            set_up(os.environ)
    except SetUpError as error:
        say(str(error))
        return 1
    except OSError as error:
        say(f"Cannot set up {distribution}: {error}.")
        return 1
    except KeyboardInterrupt:
        say("Interrupted; nothing half-built was kept.")
        return 130
    return 0
