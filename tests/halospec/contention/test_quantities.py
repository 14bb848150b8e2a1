from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec.contention.quantities import (
    GIGABYTES_PER_S,
    MEGABYTES,
    MEGABYTES_PER_S,
    PERCENT,
    SECONDS,
    Misspelt,
    Quantity,
)

ALL = (PERCENT, SECONDS, MEGABYTES, MEGABYTES_PER_S, GIGABYTES_PER_S)


@pytest.mark.parametrize(
    ("quantity", "text", "value"),
    [
        (PERCENT, "75%", 75.0),
        (PERCENT, " 12.5 % ", 12.5),
        (SECONDS, "2s", 2.0),
        (SECONDS, "500ms", 0.5),
        (SECONDS, "2m", 120.0),
        (SECONDS, "1.5min", 90.0),
        (SECONDS, "1h", 3600.0),
        (MEGABYTES, "256MB", 256.0),
        (MEGABYTES, "256mb", 256.0),
        (MEGABYTES, "1GB", 1000.0),
        (MEGABYTES, "64MiB", 67.108864),
        (MEGABYTES, "500kB", 0.5),
        (MEGABYTES_PER_S, "50MB/s", 50.0),
        (MEGABYTES_PER_S, "1GBps", 1000.0),
        (GIGABYTES_PER_S, "4GB/s", 4.0),
        (GIGABYTES_PER_S, "4GBps", 4.0),
        (GIGABYTES_PER_S, "4gb/s", 4.0),
        (GIGABYTES_PER_S, "4GiB/s", 4.294967296),
        (GIGABYTES_PER_S, "300MB/s", 0.3),
        (GIGABYTES_PER_S, "1e3MB/s", 1.0),
        (GIGABYTES_PER_S, ".5GB/s", 0.5),
    ],
)
def test_numbers_are_read_in_the_units_that_people_use(quantity: Quantity, text: str, value: float) -> None:
    assert quantity.read(text) == value


@pytest.mark.parametrize(
    ("quantity", "text"),
    [
        (PERCENT, "75"),
        (PERCENT, "%"),
        (PERCENT, "\N{ARABIC-INDIC DIGIT SEVEN}%"),
        (SECONDS, "2"),
        (SECONDS, "2 s s"),
        (SECONDS, "1_000s"),
        (SECONDS, "nan s"),
        (MEGABYTES, "256M"),
        (MEGABYTES, "256Mb"),
        (MEGABYTES, "256MB/s"),
        (GIGABYTES_PER_S, "4GB"),
        (GIGABYTES_PER_S, "4Gb/s"),
        (GIGABYTES_PER_S, "1e999GB/s"),
        (GIGABYTES_PER_S, "1e99999999GB/s"),
        (GIGABYTES_PER_S, ""),
    ],
)
def test_what_is_no_such_quantity_is_answered_with_what_it_should_be(quantity: Quantity, text: str) -> None:
    with pytest.raises(Misspelt) as refusal:
        quantity.read(text)
    assert str(refusal.value) == f"it should be {quantity.should_be}"


@given(quantity=st.sampled_from(ALL), value=st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_is_written_so_that_it_is_read_again_exactly(quantity: Quantity, value: float) -> None:
    assert quantity.read(quantity.written(value)) == value


def test_a_whole_number_is_written_as_one() -> None:
    assert [PERCENT.written(value) for value in (75.0, 12.5, 0.1)] == ["75%", "12.5%", "0.1%"]
