"""Charts of a study: one file a chart."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg

from halospec.charts.style import drawing_rules, head_and_foot
from halospec.records.store import write_whole
from halospec.simulate.charts.length_over_time import length_over_time
from halospec.simulate.charts.regret_over_time import regret_over_time
from halospec.simulate.findings import ScenarioFindings, Study

_DRAWN = (
    ("regret", "Regret over time against the phase oracle", regret_over_time),
    ("length", "Draft length over time", length_over_time),
)
_DPI = 85
"""Below 100 kB a picture, however restless its lines."""


def draw_study(study: Study, out_dir: Path) -> tuple[Path, ...]:
    """Draw every scenario's charts into ``out_dir`` as ``PAIR-SCENARIO-CHART.png``.

    Raises
    ------
    StoreError
        If a file cannot be written.
    """
    paths = []
    for scenario in study.scenarios:
        for name, title, panels in _DRAWN:
            path = out_dir / f"{_file_name(study.pair)}-{_file_name(scenario.name)}-{name}.png"
            with drawing_rules():
                picture = panels(scenario)
                FigureCanvasAgg(picture.figure)
                head_and_foot(picture, title, _subtitle(study, scenario))
                buffer = BytesIO()
                # Version numbers would make equal pictures differ.
                picture.figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
            write_whole(path, buffer.getvalue())
            paths.append(path)
    return tuple(paths)


def _subtitle(study: Study, scenario: ScenarioFindings) -> str:
    return (
        f"{study.pair}, {scenario.name}: {scenario.title}; simulated, {scenario.tokens} tokens, {scenario.seeds} seeds"
    )


def _file_name(text: str) -> str:
    """Return a text as a file's name may be; scenarios are named by whoever wrote them."""
    return "".join(character if character.isalnum() or character in "-_" else "_" for character in text)
