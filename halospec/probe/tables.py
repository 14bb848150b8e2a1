"""A probe's report as tables and sentences for a terminal or a file."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from halospec.analysis.printable import printable
from halospec.analysis.tables import MISSING, WIDTH
from halospec.records.probe import KnobReport, LengthEvidence, ProbedServer, ProbeReport, Traits, Untried, Verdict

KNOB_WIDTH = 30
TESTED_KNOB_WIDTH = 24
POSITIONS_SHOWN = 8

_Groups = Sequence[tuple[KnobReport, ...]]
_WORDS = {Verdict.OBEYED: "obeyed", Verdict.IGNORED: "ignored", Verdict.CANNOT_TELL: "cannot tell"}

_ACCOUNTS = {
    "timings": "the timings in its replies",
    "speculation": "the rounds or statistics in its replies",
    "usage": "the usage details in its replies",
    "metrics": "the totals in its /metrics",
}


def probe_tables(report: ProbeReport) -> list[RenderableType]:
    """Return what to print of a report, in order. Texts from servers are never taken for markup."""
    groups = _groups(report.knobs)
    parts: list[RenderableType] = [*_server_lines(report.server), Text(), *_knob_table(groups), Text()]
    parts += [_reason(group) for group in groups]
    parts += [*_test_table(groups), *_position_table(groups)]
    if report.untried:
        parts += [Text(), *map(_untried_line, report.untried)]
    if report.traits is not None:
        parts += [*_trait_table(report.traits), Text(), *(_sentence(note) for note in report.traits.notes)]
    requests = f"{report.canaries} requests in {report.seconds:.1f} s."
    return [*parts, _sentence(requests), Text(), _sentence(report.advice, style="bold")]


def probe_text(report: ProbeReport, *, width: int = WIDTH) -> str:
    """Return the same as plain text, for a file or a pipe."""
    file = io.StringIO()
    console = Console(file=file, width=width, color_system=None, highlight=False)
    for part in probe_tables(report):
        console.print(part)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"


def _groups(knobs: Sequence[KnobReport]) -> _Groups:
    """Put fields that were tried in one request, and so share all their evidence, next to each other."""
    by_company: dict[frozenset[str], list[KnobReport]] = {}
    for knob in knobs:
        by_company.setdefault(frozenset({knob.knob, *knob.together_with}), []).append(knob)
    return [tuple(group) for group in by_company.values()]


def _server_lines(server: ProbedServer) -> Iterator[Text]:
    version = f" {server.version}" if server.version else ""
    yield _sentence(f"{server.title}{version} at {server.base_url}, model {server.model}", style="bold")
    says = f" Of its speculation it says: {server.speculation}." if server.speculation else ""
    yield _sentence(f"Recognised by: {server.recognised_by}.{says}")


def _knob_table(groups: _Groups) -> Iterator[RenderableType]:
    columns = ("k", "ok", "fail", "drafted\n/round", "most in\na round", "accept\n%", "TPOT\nms", "tokens\n/burst")
    table = _table(["knob", "verdict", "by"], columns)
    for group in groups:
        rows = group[0].by_length or (None,)
        names = [knob.knob for knob in group]
        # One line for each k, and as many names as there are: whichever is longer.
        for index in range(max(len(rows), len(names))):
            knob = group[0]
            verdict = (_WORDS[knob.verdict], knob.basis.value) if index == 0 else ("", "")
            name = names[index] if index < len(names) else ""
            evidence = rows[index] if index < len(rows) else None
            table.add_row(_cut(name, KNOB_WIDTH), *verdict, *_length_cells(evidence))
    yield Text("Does k have an effect?", style="bold")
    yield table
    yield Text("TPOT: median over canaries of (end - first token) / (tokens - 1); burst: came together.", style="dim")
    accounts = dict.fromkeys(group[0].counts_from for group in groups if group[0].counts_from is not None)
    if accounts:
        told = " and ".join(_ACCOUNTS.get(name, name) for name in accounts)
        yield _sentence(f"Drafts are counted by {told}.", style="dim")


def _length_cells(evidence: LengthEvidence | None) -> list[str]:
    if evidence is None:
        return [""] * 8
    accepted, drafted = evidence.accepted, evidence.drafted
    return [
        str(evidence.draft_length),
        str(evidence.canaries - evidence.failures),
        str(evidence.failures),
        _decimals(evidence.drafted_per_round, 2),
        MISSING if evidence.most_drafted_in_a_round is None else str(evidence.most_drafted_in_a_round),
        f"{100 * accepted / drafted:.1f}" if accepted is not None and drafted else MISSING,
        _decimals(evidence.tpot_ms, 2),
        _decimals(evidence.tokens_per_burst, 2),
    ]


def _reason(group: Sequence[KnobReport]) -> Text:
    knob = group[0]
    names = ", ".join(member.knob for member in group)
    together = " (all in one request)" if len(group) > 1 else ""
    switching = "" if knob.switch_ms is None else f" Changing k took {knob.switch_ms:,.0f} ms (median)."
    return _sentence(f"{names}{together}: {_WORDS[knob.verdict]}: {knob.reason.rstrip('.')}.{switching}")


def _test_table(groups: _Groups) -> Iterator[RenderableType]:
    columns = ("k", "pairs", "ratio", "95 %\ninterval", "adjusted\np")
    table = _table(["knob", "quantity"], columns)
    for group in groups:
        for test in group[0].tests:
            interval = MISSING if test.low is None or test.high is None else f"{test.low:.2f} to {test.high:.2f}"
            table.add_row(
                _cut(group[0].knob, TESTED_KNOB_WIDTH),
                _cut(test.quantity, TESTED_KNOB_WIDTH),
                f"{test.longer} : {test.shorter}",
                str(test.pairs),
                f"{test.ratio:.3f}",
                interval,
                f"{test.p_adjusted:.2g}",
            )
    if table.row_count:
        yield Text("\nPaired sign-flip tests, the longer k over the shorter", style="bold")
        yield table
        yield Text("Geometric means; p is adjusted for all tests of this report (Holm).", style="dim")


def _position_table(groups: _Groups) -> Iterator[RenderableType]:
    rows = [(group[0].knob, known) for group in groups for known in group[0].by_length if known.accepted_by_position]
    longest = max((len(known.accepted_by_position) for _, known in rows), default=0)
    shown = min(longest, POSITIONS_SHOWN)
    table = _table(["knob"], ("k", *(str(place) for place in range(1, shown + 1))))
    for name, known in rows:
        rates = [f"{100 * at.accepted / at.drafted:.0f}" for at in known.accepted_by_position[:shown]]
        table.add_row(_cut(name, KNOB_WIDTH), str(known.draft_length), *rates)
    if rows:
        yield Text("\nAccepted by position in the draft, %", style="bold")
        yield table
        yield Text("Of the rounds that drafted this far, those that kept this token.", style="dim")


def _untried_line(untried: Untried) -> Text:
    return _sentence(f"Not tried: {untried.knob}: {untried.reason}")


def _trait_table(traits: Traits) -> Iterator[RenderableType]:
    table = _table(["trait", "value"], ())
    for name, value in _trait_rows(traits):
        if value != MISSING:
            table.add_row(name, _cut(value, KNOB_WIDTH))
    yield Text("\nWhat else was found out", style="bold")
    yield table


def _trait_rows(traits: Traits) -> Iterator[tuple[str, str]]:
    yield "streams its replies", _yes_no(traits.streams)
    yield "reports usage in streams", _yes_no(traits.usage_in_stream)
    yield "reports timings in streams", _yes_no(traits.timings_in_stream)
    yield "tokens an event", _decimals(traits.tokens_per_event, 2)
    yield "tokens a burst, at the longest k", _decimals(traits.tokens_per_burst, 2)
    yield "time inside a burst, between tokens", _ms(traits.within_burst_ms)
    yield "time between bursts", _ms(traits.between_bursts_ms)
    yield "caches prompts", _yes_no(traits.caches_prompts)
    yield "obeys cache_prompt: false", _yes_no(traits.obeys_cache_prompt)
    yield "greedy output repeats", _yes_no(traits.greedy_repeats)
    yield "two requests at once", MISSING if traits.two_at_once is None else traits.two_at_once.replace("_", " ")
    yield "time per token, two over one", _decimals(traits.slowdown_at_two, 2)
    yield "its decode time over ours", _decimals(traits.own_decode_over_ours, 3)
    yield "its prompt time over our time to first token", _decimals(traits.own_prompt_over_ours, 3)


def _table(texts: Sequence[str], numbers: Sequence[str]) -> Table:
    # No title or caption of its own: they would be folded to the table's width.
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=0, collapse_padding=True, show_edge=False)
    for name in texts:
        table.add_column(name, no_wrap=True)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _sentence(text: str, style: str = "") -> Text:
    return Text(printable(text), style=style)


def _cut(name: str, width: int) -> Text:
    return Text(printable(name, limit=width))


def _decimals(value: float | None, places: int) -> str:
    return MISSING if value is None else f"{value:.{places}f}"


def _ms(value: float | None) -> str:
    return MISSING if value is None else f"{value:.2f} ms"


def _yes_no(value: bool | None) -> str:
    return MISSING if value is None else "yes" if value else "no"
