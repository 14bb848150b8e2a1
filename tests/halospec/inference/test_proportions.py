import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from halospec.inference.proportions import wilson
from halospec.inference.types import Share


@given(st.integers(1, 500).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_the_interval_is_scipys_and_holds_the_share(counts: tuple[int, int]):
    count, of = counts
    expected = stats.binomtest(count, of).proportion_ci(0.95, method="wilson")
    share = wilson(count, of)

    assert share == Share(count / of, pytest.approx(expected.low), pytest.approx(expected.high), count, of)
    assert 0 <= share.low <= share.value <= share.high <= 1


def test_none_of_ten_is_not_certainly_never():
    assert wilson(0, 10).low == 0
    assert wilson(0, 10).high == pytest.approx(0.278, abs=0.001)


@pytest.mark.parametrize(("count", "of"), [(0, 0), (3, 2), (-1, 4)])
def test_what_is_no_share_is_refused(count: int, of: int):
    with pytest.raises(ValueError, match="is not a share"):
        wilson(count, of)
