from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from draft_requests import Watched, open_watched
from halospec_server.drafters.model import ModelDrafter
from halospec_server.llama import Context
from tiny_engines import Pair
from tiny_models import N_VOCAB


@pytest.fixture(scope="session")
def used_drafter(tiny_pair: Pair) -> Iterator[ModelDrafter]:
    """The tiny draft model as a drafter, with whatever earlier tests left in it."""
    with closing(ModelDrafter(open_watched(tiny_pair[1]), N_VOCAB)) as drafter:
        yield drafter


@pytest.fixture
def model_drafter(used_drafter: ModelDrafter, watched: Watched) -> ModelDrafter:
    """The tiny draft model as a drafter that knows no text."""
    used_drafter.reset()
    watched.widths.clear()
    return used_drafter


@pytest.fixture(scope="session")
def watched(used_drafter: ModelDrafter) -> Watched:
    """The drafter's context; its ``widths`` are the tokens in each pass."""
    context = used_drafter.texts.context
    assert isinstance(context, Watched)
    return context


@pytest.fixture(scope="session")
def draft_alone(used_drafter: ModelDrafter) -> Iterator[Context]:
    """The draft model by itself, for what follows a text."""
    with closing(
        Context(used_drafter.model, n_ctx=512, n_threads=1, n_batch=512, max_outputs=32, attention="exact")
    ) as context:
        yield context
