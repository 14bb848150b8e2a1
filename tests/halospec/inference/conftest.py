import pytest

from halospec.inference import bootstrap, max_t


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch):
    """Fewer draws for each interval, where there are hundreds of them: coarser critical values, right on average."""
    monkeypatch.setattr(max_t, "DRAWS", 1_000)
    monkeypatch.setattr(bootstrap, "REPLICATES", 400)
