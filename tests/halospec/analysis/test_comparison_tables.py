import io
from dataclasses import replace

import pytest
from rich.console import Console

from halospec.analysis.comparison_tables import conclusion, difference_tables
from halospec.analysis.comparisons import comparisons
from halospec.analysis.design import design_of
from halospec.analysis.tables import WIDTH
from halospec.analysis.verdicts import ONE_BLOCK, verdicts
from halospec.records.schema import Phase
from simulated_requests import simulated

NINE = (*(f"fixed_{k}" for k in range(9)), "adaptive")


def printed(requests, **facts) -> str:
    result, design = comparisons(requests), design_of(requests, **facts)
    file = io.StringIO()
    console = Console(file=file, width=WIDTH, color_system=None, highlight=False)
    for part in (*difference_tables(result, design), *conclusion(design, verdicts(result, design))):
        console.print(part)
    return file.getvalue()


def rows_of(text: str, mode: str) -> list[list[str]]:
    lines = text.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("Per token, against fixed_0"))
    first = next(n for n in range(start, len(lines)) if lines[n].startswith(f"{mode} "))
    return [line.replace(mode, "").split() for line in lines[first : first + 3]]


@pytest.mark.parametrize("blocks", [1, 2, 5])
def test_nothing_is_cut_off_at_a_hundred_columns(blocks):
    requests = simulated(modes=NINE, blocks=blocks, effects={"fixed_2": -0.5})
    slow = replace(requests, decode_ms=300 * requests.decode_ms, latency_ms=300 * requests.latency_ms)
    text = printed(slow)
    assert "…" not in text
    assert max(len(line) for line in text.splitlines()) <= WIDTH


def test_a_row_holds_estimate_difference_and_what_was_found():
    requests = simulated(effects={"fixed_2": -0.7}, mode_in_block_sd=0.01)
    result = comparisons(requests)
    assert result is not None
    assert result.primary is not None
    row = next(row for row in result.primary.rows if row.mode == "fixed_2")
    phase, tpot, *_, blocks, word = rows_of(printed(requests), "fixed_2")[0]
    assert (phase, tpot, blocks, word) == ("steady", f"{row.value_ms:.2f}", "6", "faster")
    assert "reference" in rows_of(printed(requests), "fixed_0")[0]


def test_the_caption_names_the_method():
    text = " ".join(printed(simulated()).split())
    assert "simultaneously over 12 comparisons (max-t; t on the log ratios of blocks" in text
    alone = " ".join(printed(simulated(modes=("fixed_0", "fixed_2"), phases=(Phase.STEADY,))).split())
    assert "of the difference: t on the log ratios" in alone
    assert "1 comparisons" not in alone


def test_one_block_shows_no_interval():
    text = printed(simulated(blocks=1))
    assert ONE_BLOCK in text
    assert "One block: no interval" in text
    assert "[" not in text
    assert "against the best fixed k" not in text


def test_a_design_that_supports_no_comparison_shows_none():
    text = printed(simulated(), declared="classic")
    assert "This design supports no verdict" in text
    assert "against" not in text


def test_one_mode_alone_prints_nothing():
    assert printed(simulated(modes=("fixed_2",))) == ""


def test_a_mode_name_from_a_file_is_neither_markup_nor_a_terminal_command():
    requests = simulated(modes=("fixed_0", "fixed_2"))
    foreign = replace(requests, modes=("fixed_0", "[bold]\x1b[31m"))
    text = printed(foreign)
    assert "[bold]" in text
    assert "\x1b" not in text
