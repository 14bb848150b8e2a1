"""Records or CSV rows in memory, as columns and as a summary."""

from __future__ import annotations

from collections.abc import Iterable

from halospec.analysis.loading import requests_of, run_of
from halospec.analysis.requests import Requests
from halospec.analysis.summary import Summary, summarize
from halospec.records.classic_csv import ClassicRow
from halospec.records.schema import RequestRecord


def summarized(
    requests: Iterable[RequestRecord | ClassicRow], *, temperature: float | None = None, torn: bool = False
) -> Summary:
    return summarize(run_of(requests, torn=torn), temperature=temperature)


def measured(requests: Iterable[RequestRecord | ClassicRow]) -> Requests:
    return requests_of(requests).measured
