from __future__ import annotations

import itertools

import pytest

from halospec.clock import Clock


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def ticking_clock() -> Clock:
    """Reads 10, 20, 30 … ns: two times then tell how often it was read between them."""
    return itertools.count(10, 10).__next__
