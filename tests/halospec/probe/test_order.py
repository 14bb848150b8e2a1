import itertools
import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from halospec.probe.order import order_of_blocks


@given(
    cells=st.lists(st.integers(), unique=True, max_size=6),
    blocks=st.integers(min_value=0, max_value=9),
    abreast=st.integers(min_value=1, max_value=4),
    seed=st.integers(),
)
def test_every_block_holds_every_cell_once(cells: list[int], blocks: int, abreast: int, seed: int):
    order = order_of_blocks(cells, range(blocks), random.Random(seed), abreast=abreast)

    assert Counter(order) == Counter((block, cell) for block in range(blocks) for cell in cells)


@given(blocks=st.integers(min_value=2, max_value=9), seed=st.integers())
def test_with_blocks_abreast_no_block_comes_twice_in_a_row(blocks: int, seed: int):
    order = order_of_blocks("abc", range(blocks), random.Random(seed), abreast=2)

    groups = [block for block, _ in order]
    assert all(one != next_one for one, next_one in itertools.pairwise(groups))


def test_one_after_the_other_for_a_server_that_has_to_be_switched():
    order = order_of_blocks("abc", range(4), random.Random(1), abreast=1)

    assert [block for block, _ in order] == sorted(block for block, _ in order)


def test_which_of_two_cells_comes_first_is_a_fair_coin():
    blocks = 2000
    order = order_of_blocks(["short", "long"], range(blocks), random.Random(7), abreast=2)

    first = {}
    for block, cell in order:
        first.setdefault(block, cell)
    # Five standard deviations of a fair coin.
    assert abs(sum(cell == "short" for cell in first.values()) - blocks / 2) < 5 * (blocks / 4) ** 0.5


def test_a_seed_fixes_the_order():
    one, same, other = (order_of_blocks(range(6), range(4), random.Random(n), abreast=2) for n in (3, 3, 4))

    assert one == same != other
