"""What a study shows, as grids of cells: the same for the terminal and for a document."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from halospec.inference.types import CONFIDENCE
from halospec.simulate.findings import PolicyFindings, ScenarioFindings, Study
from halospec.simulate.intervals import Difference, Verdict

MISSING = "–"
ORACLE = "phase oracle"


@dataclass(frozen=True)
class Cell:
    """A cell's text.

    Attributes
    ----------
    strong
        Whether its interval excludes 0 on the better side.
    foreign
        Whether some of it was written by others and is not to be trusted.
    """

    text: str
    strong: bool = False
    foreign: bool = False


@dataclass(frozen=True)
class Row:
    """A row of cells.

    Attributes
    ----------
    spelling
        Whether its name is a policy's, which is set as code.
    other
        A second policy, with which the first is compared.
    """

    name: str
    cells: tuple[Cell, ...]
    spelling: bool = True
    other: str | None = None

    @property
    def words(self) -> str:
        """The name, and what it is compared with."""
        return self.name if self.other is None else f"{self.name} against {self.other}"


@dataclass(frozen=True)
class Grid:
    """A table before it has a form. ``corner`` is the head of the rows' names."""

    title: str
    corner: str
    head: tuple[str, ...]
    rows: tuple[Row, ...]
    caption: str = ""


def study_grids(study: Study) -> tuple[Grid, ...]:
    """Return every grid of a study that holds anything."""
    grids = (_to_best_fixed(study), _hindsight(study), _regret(study), *_by_load(study), _to_others(study))
    return tuple(grid for grid in grids if grid.rows)


def percent(value: float) -> str:
    """Return a signed percentage without its sign of percent."""
    text = f"{value:+.1f}"
    return "0.0" if float(text) == 0 else text.replace("-", "−")


def difference_cell(difference: Difference | None) -> Cell:
    """Return a difference with its interval, strong where all of that is below 0."""
    if difference is None:
        return Cell(MISSING)
    text = percent(difference.percent)
    if difference.low_percent is not None and difference.high_percent is not None:
        text += f" [{percent(difference.low_percent)}, {percent(difference.high_percent)}]"
    return Cell(text, strong=difference.verdict is Verdict.BETTER)


def caption(study: Study) -> str:
    """Return what the numbers are, and what their intervals do not cover."""
    if study.seeds < 2:
        return "One seed: no intervals, and nothing can be told apart."
    return (
        f"Time per token, % more than the reference; less than 0 is better. In brackets {CONFIDENCE:.0%} intervals"
        f" (Student's t on log ratios, paired over {study.seeds} seeds), each by itself; strong: all below 0."
        " Seeds vary the simulation alone, that is which recorded rounds and texts follow each other: the intervals"
        f" hold for the texts and costs recorded as {study.pair}, not for other machines or models. References were"
        " chosen with the same seeds, which flatters them a little."
    )


def _to_best_fixed(study: Study) -> Grid:
    oracle = Row(ORACLE, tuple(difference_cell(scenario.headroom) for scenario in study.scenarios), spelling=False)
    return Grid(
        f"{study.pair}: against the best fixed draft length in hindsight",
        "policy",
        _names(study),
        (oracle, *_policy_rows(study, lambda _, policy: difference_cell(policy.to_best_fixed))),
        caption(study),
    )


def _hindsight(study: Study) -> Grid:
    def cells(scenario: ScenarioFindings) -> tuple[Cell, ...]:
        by_kind = "; ".join(f"{kind.label}: {kind.best}" for kind in scenario.kinds)
        return (
            Cell(f"{scenario.tokens}"),
            Cell(f"{scenario.best_fixed}"),
            Cell(f"{scenario.best_fixed_ms_per_token:.2f}"),
            Cell(by_kind, foreign=True),
            Cell(f"{scenario.oracle_ms_per_token:.2f}"),
            difference_cell(scenario.headroom),
        )

    return Grid(
        f"{study.pair}: what hindsight would have chosen",
        "scenario",
        ("tokens", "best fixed k", "ms per token", "oracle's k", "ms per token", "headroom, %"),
        tuple(Row(f"{one.name}: {one.title}", cells(one), spelling=False) for one in study.scenarios),
        f"Fixed k = 0 to {study.max_length} with the server's own threads, by mean time over {study.seeds} seeds.",
    )


def _regret(study: Study) -> Grid:
    def cell(_: ScenarioFindings, policy: PolicyFindings) -> Cell:
        regrets = f"{policy.regret_ms:+.2f} / {policy.oracle_regret_ms:+.2f}".replace("-", "−")
        return Cell(f"{regrets} ({percent(policy.to_oracle.percent)} %)")

    return Grid(
        f"{study.pair}: regret per token",
        "policy",
        _names(study),
        tuple(_policy_rows(study, cell)),
        "ms per token: against the best fixed k / against the phase oracle; in brackets, relative to the oracle.",
    )


def _by_load(study: Study) -> Iterator[Grid]:
    mixed = tuple(scenario for scenario in study.scenarios if scenario.best_fixed_under_load is not None)
    if not mixed:
        return
    of_these = study.model_copy(update={"scenarios": mixed})

    def loaded(_: ScenarioFindings, policy: PolicyFindings) -> Cell:
        return difference_cell(policy.under_load)

    def quiet(_: ScenarioFindings, policy: PolicyFindings) -> Cell:
        return difference_cell(policy.quiet)

    for words, cell in (("with load", loaded), ("without load", quiet)):
        yield Grid(
            f"{study.pair}: the stretches {words} alone, against the fixed k that is best in them",
            "policy",
            _names(of_these),
            tuple(_policy_rows(of_these, cell)),
        )


def _to_others(study: Study) -> Grid:
    def cell(scenario: ScenarioFindings, spelling: str, other: str) -> Cell:
        found = next(one.difference for one in scenario.policy(spelling).others if one.other == other)
        shown = difference_cell(found)
        return Cell(f"{shown.text} {found.verdict}", shown.strong)

    pairs = dict.fromkeys(
        (policy.spelling, against.other)
        for scenario in study.scenarios
        for policy in scenario.policies
        for against in policy.others
    )
    return Grid(
        f"{study.pair}: policies against each other",
        "policies",
        _names(study),
        tuple(
            Row(spelling, tuple(cell(scenario, spelling, other) for scenario in study.scenarios), other=other)
            for spelling, other in pairs
        ),
    )


def _names(study: Study) -> tuple[str, ...]:
    return tuple(scenario.name for scenario in study.scenarios)


def _policy_rows(study: Study, cell: Callable[[ScenarioFindings, PolicyFindings], Cell]) -> Iterator[Row]:
    """Yield a row a policy, fixed draft lengths left out."""
    references = {f"fixed_{k}" for k in range(study.max_length + 1)}
    for spelling in study.spellings:
        if spelling not in references:
            yield Row(spelling, tuple(cell(scenario, scenario.policy(spelling)) for scenario in study.scenarios))
