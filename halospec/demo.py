"""``halospec demo``: the whole way through on the embedded model, with nothing to set up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from halospec.analysis.loading import read_run
from halospec.analysis.statistics import tpot_ms
from halospec.config import RunSettings
from halospec.execution import Conclusion, execute
from halospec.plan_settings import LoadSettings
from halospec.records.manifest import Status
from halospec.records.store import RunFiles, StoreError
from halospec.server_process import bundled_server

DEMO_MODES = ("fixed_0", "fixed_2", "fixed_4", "fixed_8", "adaptive")
DEMO_PHASES = "steady:5,load:3,recovery:3"
DEMO_MAX_TOKENS = 32
REFERENCE_TARGET = "smollm2-135m-q4_1"
REFERENCE_DIRECTORY = "plain-q4_1"


@dataclass(frozen=True)
class DemoResult:
    """What the demo found.

    Attributes
    ----------
    plain_draft_tpot_ms
        Time per output token of the draft's own file decoding alone, without speculation.
    """

    conclusion: Conclusion
    plain_draft_tpot_ms: float | None


def run_demo(out: Path, console: Console) -> DemoResult:
    """Measure the embedded pair with load, then the draft's file alone, each on a server of its own.

    Raises
    ------
    ServerProcessError
        If the bundled server cannot be started.
    """
    _move_aside(out)
    console.print("Starting the bundled server (the first time it fetches and makes its model files) …")
    with bundled_server([], out / "server.log") as url:
        conclusion = _measure(_settings(url, out), console)
    if conclusion.status is not Status.COMPLETE:
        return DemoResult(conclusion, None)
    console.print("Measuring plain decoding of the draft's own Q4_1 file, for comparison …")
    reference = out / REFERENCE_DIRECTORY
    with bundled_server(["--target", REFERENCE_TARGET, "--draft", "none"], out / "server.log") as url:
        _measure(_reference_settings(url, reference), console)
    plain = tpot_ms(read_run(reference).requests.measured.successes)
    return DemoResult(conclusion, plain)


def plain_draft_sentence(tpot: float | None) -> str:
    """Say what the draft's file does alone, so that the gains above are not taken for more than they are."""
    if tpot is None:
        return "Plain Q4_1 decoding could not be measured."
    return (
        f"Plain Q4_1 decoding (the draft's file alone, no speculation, no load): {tpot:.1f} ms per token. The demo's "
        "F32 target holds the same weights in a slower format: it is there to study the draft length, not to be served."
    )


def _measure(settings: RunSettings, console: Console) -> Conclusion:
    return execute(settings, settings.plan(), console)


def _settings(url: str, out: Path) -> RunSettings:
    return RunSettings(
        url=url,
        out=out,
        modes=DEMO_MODES,
        phases=DEMO_PHASES,
        max_tokens=DEMO_MAX_TOKENS,
        ignore_eos=True,
        load=LoadSettings(enabled=True),
    )


def _reference_settings(url: str, out: Path) -> RunSettings:
    return RunSettings(
        url=url, out=out, modes=("fixed_0",), phases="steady:5", max_tokens=DEMO_MAX_TOKENS, ignore_eos=True, warmup=2
    )


def _move_aside(out: Path) -> None:
    """Keep an earlier demo's records under another name."""
    files = RunFiles(out)
    if not out.exists():
        return
    stamp = files.records if files.records.exists() else out
    when = datetime.fromtimestamp(stamp.stat().st_mtime, UTC).strftime("%Y%m%dT%H%M%S")
    try:
        out.rename(out.with_name(f"{out.name}-{when}"))
    except OSError as error:
        raise StoreError(f"The earlier {out} could not be moved aside: {error.strerror or error}.") from error
