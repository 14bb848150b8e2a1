"""Put a portable build of llama-cpp-python into the virtual environment that runs this program.

``.venv/bin/python servers/build_llama_cpp.py`` compiles the release that ``pyproject.toml`` names as its lower bound,
keeps the wheel in the user's cache and installs it from there, so that only the first set-up on a machine compiles.
It needs the standard library, pip and a C++ compiler; cmake and ninja come through pip.

``wheel_builds.py`` says what portable means; ``CMAKE_ARGS`` (``-DGGML_CUDA=ON``, say) wins over its flags.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import re
import signal
import subprocess
import sys
import tomllib
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from wheel_builds import Distribution, SetUpError, install, run_set_up, say, wheel_of

NAME = "llama-cpp-python"
PYPROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"


def llama_cpp_python(pyproject: Path = PYPROJECT) -> Distribution:
    """Return what the bundled server runs on: llama.cpp as a library, without its multimodal part."""
    return Distribution(
        name=NAME,
        version=pinned_version(pyproject),
        cmake_args=("-DLLAVA_BUILD=OFF",),
        python_tag=sys.implementation.cache_tag,
        jobs_variable="CMAKE_BUILD_PARALLEL_LEVEL",
    )


def pinned_version(pyproject: Path = PYPROJECT) -> str:
    """Return the lower bound of the project's own requirement, so that the number stands in one place."""
    extras = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    for requirement in extras["server"]:
        if match := re.match(rf"{NAME}\s*>=\s*([0-9.]+)", requirement):
            return match[1]
    raise SetUpError(f'{pyproject} has no requirement "{NAME}>=…" in its extra "server".')


def installed_key() -> str | None:
    """Return the cache key of the llama-cpp-python in this environment; ``None`` if it has another origin."""
    try:
        origin = importlib.metadata.distribution(NAME).read_text("direct_url.json")
    except importlib.metadata.PackageNotFoundError:
        return None
    if origin is None:
        return None
    url = urllib.parse.urlparse(json.loads(origin)["url"])
    return Path(urllib.request.url2pathname(url.path)).parent.name


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
            f"{NAME} was installed, but {name} killed it on its first call: this CPU lacks an instruction that "
            "the build uses; name it in CMAKE_ARGS (e.g. -DGGML_AVX2=OFF) and set up again."
        )
    if child.returncode != 0:
        reason = (child.stderr.strip().splitlines() or ["no message"])[-1]
        raise SetUpError(f"{NAME} was installed, but does not load: {reason}")


def set_up(environment: Mapping[str, str]) -> None:
    """Bring this environment's llama-cpp-python to the recipe for this machine."""
    if importlib.util.find_spec("pip") is None:
        raise SetUpError(f"{sys.executable} has no pip: run `{sys.executable} -m ensurepip` first.")
    distribution = llama_cpp_python()
    if installed_key() == distribution.recipe(environment).key:
        verify()
        say(f"{NAME} {distribution.version} is already here.")
        return
    wheel = wheel_of(distribution, environment)
    install(wheel, sys.executable)
    verify()
    say(f"Installed {NAME} {distribution.version} from {wheel}")


if __name__ == "__main__":
    sys.exit(run_set_up(set_up, NAME))
