"""In what order canaries are sent."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


def order_of_blocks(
    cells: Sequence[Item], blocks: Sequence[int], chance: random.Random, *, abreast: int
) -> list[tuple[int, Item]]:
    """Return every cell once for every block, in random order within each.

    That order is what the sign-flip test rests on: a fair coin decides which of two cells comes first, so that neither
    drift nor what came just before favours one of them.

    Parameters
    ----------
    abreast
        Blocks that take turns (one more in the last group, if one would be left over). With two or more, the same
        prompt never comes twice in a row: a server that caches its latest prompt would read it another way the second
        time, and may then write another text.
    """
    queues = [[(block, cell) for cell in chance.sample(list(cells), len(cells))] for block in blocks]
    order: list[tuple[int, Item]] = []
    while queues:
        one_would_be_left = abreast > 1 and len(queues) == abreast + 1
        taking_turns = abreast + 1 if one_would_be_left else abreast
        group, queues = queues[:taking_turns], queues[taking_turns:]
        order += [item for turn in zip(*group, strict=True) for item in turn]
    return order
