"""Put a portable build of llama-cpp-python into the virtual environment that runs this program.

``.venv/bin/python servers/build_llama_cpp.py`` compiles the release that ``pyproject.toml`` names as its lower bound,
keeps the wheel in the user's cache and installs it from there, so that only the first set-up on a machine compiles.
It needs the standard library, pip and a C++ compiler; cmake and ninja come through pip.

llama.cpp is built for AVX2 and no more: some virtual machines announce AMX and then kill the process on its first
tile instruction, so a build for "this very CPU" cannot be trusted. ``CMAKE_ARGS`` (``-DGGML_CUDA=ON``, say) is
appended to the flags below and wins over them.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import importlib.util
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
import tomllib
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

DISTRIBUTION = "llama-cpp-python"
PYPROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"
PORTABLE = ("-DGGML_NATIVE=OFF", "-DLLAVA_BUILD=OFF")
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
    """All that decides what is in a wheel."""

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


def pinned_version(pyproject: Path = PYPROJECT) -> str:
    """Return the lower bound of the project's own requirement, so that the number stands in one place."""
    extras = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    for requirement in extras["server"]:
        if match := re.match(rf"{DISTRIBUTION}\s*>=\s*([0-9.]+)", requirement):
            return match[1]
    raise SetUpError(f'{pyproject} has no requirement "{DISTRIBUTION}>=…" in its extra "server".')


def portable_flags(machine: str, cpuinfo: Path = Path("/proc/cpuinfo")) -> tuple[str, ...]:
    """Return cmake flags for code that runs on this CPU and on any other with AVX2, or without where this one is."""
    if machine.lower() not in ("x86_64", "amd64") or not cpuinfo.exists():
        return PORTABLE
    match = re.search(r"^flags\s*:(.*)$", cpuinfo.read_text(encoding="utf-8"), re.MULTILINE)
    present = set(match[1].split()) if match else set(X86_FEATURES)
    return PORTABLE + tuple(flag for feature, flag in X86_FEATURES.items() if feature not in present)


def recipe_for(environment: Mapping[str, str]) -> Recipe:
    """Return what is to be built on this machine, given the user's environment."""
    return Recipe(
        version=pinned_version(),
        cmake_args=portable_flags(platform.machine()) + tuple(environment.get("CMAKE_ARGS", "").split()),
        toolchain=tuple(f"{name}={environment[name]}" for name in TOOLCHAIN_VARIABLES if environment.get(name)),
        python_tag=sys.implementation.cache_tag,
        platform="-".join((sysconfig.get_platform(), *filter(None, platform.libc_ver()))),
    )


def wheel_cache(environment: Mapping[str, str]) -> Path:
    """Return the folder that holds one folder a recipe."""
    base = environment.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "halospec" / "wheels"


def cached_wheel(folder: Path) -> Path | None:
    """Return the wheel in a recipe's folder, if it has been built."""
    return next(folder.glob("*.whl"), None)


def installed_key() -> str | None:
    """Return the cache key of the llama-cpp-python in this environment; ``None`` if it has another origin."""
    try:
        origin = importlib.metadata.distribution(DISTRIBUTION).read_text("direct_url.json")
    except importlib.metadata.PackageNotFoundError:
        return None
    if origin is None:
        return None
    url = urllib.parse.urlparse(json.loads(origin)["url"])
    return Path(urllib.request.url2pathname(url.path)).parent.name


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


def build_wheel(recipe: Recipe, folder: Path, environment: Mapping[str, str]) -> Path:
    """Compile the wheel and move it into the cache as a whole; return where it is.

    Raises
    ------
    SetUpError
        If there is no compiler or the build fails; the log is then kept beside the cache folder.
    """
    require_compiler(environment)
    jobs = compile_jobs(os.cpu_count() or 1, memory_bytes())
    folder.parent.mkdir(parents=True, exist_ok=True)
    # On the cache's own file system, so that the last step is one rename: seen by others whole or not at all.
    with tempfile.TemporaryDirectory(prefix=".building-", dir=folder.parent) as scratch:
        result = Path(scratch, "result")
        result.mkdir()
        log = result / "build.log"
        say(f"Compiling {DISTRIBUTION} {recipe.version}, {jobs} files at a time; this takes some minutes, once.")
        say(f"(log: {log})")
        command = [sys.executable, "-m", "pip", "wheel", "--verbose", "--no-deps", "--wheel-dir", str(result)]
        # pip's own wheel cache does not look at CMAKE_ARGS and would hand back a build with other flags.
        command += ["--no-cache-dir", "--no-binary", DISTRIBUTION, f"{DISTRIBUTION}=={recipe.version}"]
        settings = {
            "CMAKE_BUILD_PARALLEL_LEVEL": str(jobs),
            **environment,
            "CMAKE_ARGS": " ".join(recipe.cmake_args),
        }
        if run_logged(command, settings, log) != 0 or cached_wheel(result) is None:
            kept = folder.with_suffix(".failed.log")
            tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_TAIL_LINES:]
            log.replace(kept)
            raise SetUpError("\n".join([*tail, "", f"Building {DISTRIBUTION} failed; the whole log is {kept}."]))
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
        with log.open("w", encoding="utf-8") as file:
            for line in build.stdout or ():
                file.write(line)
                file.flush()
                show_progress(line)
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


def show_progress(line: str) -> None:
    """Repeat ninja's count of what it has compiled: on one line of a terminal, or once every 20 files in a log."""
    match = re.match(r"\s*\[(\d+)/(\d+)\]", line)
    if match is None:
        return
    done, total = int(match[1]), int(match[2])
    if sys.stderr.isatty():
        sys.stderr.write(f"  {done}/{total}" + ("\n" if done == total else "\r"))
        sys.stderr.flush()
    elif done % 20 == 0 or done == total:
        say(f"  {done}/{total}")


def install(wheel: Path) -> None:
    """Install a wheel from the cache; pip notes where it came from in ``direct_url.json``."""
    command = [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    # The wheel first and by itself: its dependencies need no reinstalling.
    for arguments in (["--force-reinstall", "--no-deps", str(wheel)], [str(wheel)]):
        if subprocess.run([*command, *arguments], check=False).returncode != 0:
            raise SetUpError(f"pip could not install {wheel}; its messages above say why.")


def verify() -> None:
    """Start llama.cpp in a child process, which may die without taking this one along.

    Raises
    ------
    SetUpError
        If the library does not load or its process is killed.
    """
    start = "import llama_cpp; llama_cpp.llama_backend_init()"
    child = subprocess.run([sys.executable, "-c", start], check=False, capture_output=True, text=True, errors="replace")
    if child.returncode < 0:
        name = signal.Signals(-child.returncode).name
        raise SetUpError(
            f"{DISTRIBUTION} was installed, but {name} killed it on its first call: this CPU lacks an instruction that "
            "the build uses; name it in CMAKE_ARGS (e.g. -DGGML_AVX2=OFF) and set up again."
        )
    if child.returncode != 0:
        reason = (child.stderr.strip().splitlines() or ["no message"])[-1]
        raise SetUpError(f"{DISTRIBUTION} was installed, but does not load: {reason}")


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


def set_up(environment: Mapping[str, str]) -> None:
    """Bring this environment's llama-cpp-python to the recipe for this machine."""
    if importlib.util.find_spec("pip") is None:
        raise SetUpError(f"{sys.executable} has no pip: run `{sys.executable} -m ensurepip` first.")
    recipe = recipe_for(environment)
    if installed_key() == recipe.key:
        verify()
        say(f"{DISTRIBUTION} {recipe.version} is already here.")
        return
    folder = wheel_cache(environment) / recipe.key
    wheel = cached_wheel(folder) or build_wheel(recipe, folder, environment)
    install(wheel)
    verify()
    say(f"Installed {DISTRIBUTION} {recipe.version} from {wheel}")


def main() -> int:
    """Set up, and return the exit status."""
    try:
        with termination_as_interrupt():
            set_up(os.environ)
    except SetUpError as error:
        say(str(error))
        return 1
    except OSError as error:
        say(f"Cannot set up {DISTRIBUTION}: {error}.")
        return 1
    except KeyboardInterrupt:
        say("Interrupted; nothing half-built was kept.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
