import pytest

from machine_stand_in import MachineStandIn


@pytest.fixture
def tree(tmp_path):
    """A system that tells nothing yet."""
    return MachineStandIn(tmp_path)
