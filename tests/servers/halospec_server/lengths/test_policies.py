from __future__ import annotations

import pytest

from halospec_server.lengths.heuristic import HeuristicLength
from halospec_server.lengths.policies import LENGTH_POLICIES, make_policy


@pytest.mark.parametrize("name", LENGTH_POLICIES)
def test_every_sequence_gets_a_policy_of_its_own(name: str) -> None:
    assert make_policy(name) is not make_policy(name)


def test_the_heuristic_is_known_by_name() -> None:
    assert isinstance(make_policy("heuristic"), HeuristicLength)


def test_an_unknown_name_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ValueError, match="no length policy 'clever'; choose one of heuristic, fixed"):
        make_policy("clever")
