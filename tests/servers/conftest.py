from __future__ import annotations

import pytest

from tiny_engines import Pair
from tiny_models import write_tiny_pair


@pytest.fixture(scope="session")
def tiny_pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """A target and a draft of a few hundred kilobytes."""
    return write_tiny_pair(tmp_path_factory.mktemp("models"))
