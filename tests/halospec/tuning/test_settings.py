from __future__ import annotations

import pytest
from pydantic import ValidationError

from halospec.contention.loads import CpuLoad, Load
from halospec.cores import available_cores
from halospec.tuning.settings import TuneSettings


def settings(**fields):
    return TuneSettings.model_validate({"url": "http://127.0.0.1:1", "out": "runs/x"} | fields)


def test_k_0_is_always_among_the_lengths():
    assert settings(lengths=(4, 2)).wanted_lengths == (0, 2, 4)
    assert settings().wanted_lengths == tuple(range(9))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"lengths": (0,)}, "nothing to tune"),
        ({"lengths": (0, 17)}, "from 0 to 16"),
        ({"budget": 20, "lengths": tuple(range(9))}, "--budget 20 is too small for 9 draft lengths; give at least"),
        ({"slo": ("speed=3",)}, "names no objective"),
        ({"slo": ("auto",), "warmup": 0}, "--warmup must be at least 1"),
        ({"load_workers": 2}, "need --load"),
        ({"load_workers": 2, "inject": ("memory:4GB/s",)}, "need --load; an --inject says such things itself"),
        ({"inject": ("gravity:9.81",)}, "gravity"),
        ({"attainment": 1.0}, "less than 1"),
        ({"knob": "restart"}, "--server-command"),
    ],
)
def test_what_makes_no_sense_is_refused(fields, said):
    with pytest.raises(ValidationError, match=said):
        settings(**fields)


def test_a_budget_that_is_enough_for_fewer_lengths_is():
    assert settings(lengths=(0, 4), budget=20, warmup=1).budget == 20


def test_load_is_put_on_only_where_it_is_asked_for():
    assert settings().loads() == ()
    assert settings(load=True, load_workers=1, load_percent=50).loads() == (Load(CpuLoad(1, 50.0)),)
    assert settings(inject=("cpu:1",)).loads() == (Load(CpuLoad(1)),)
    both = settings(load=True, load_workers=1, load_percent=50, inject=("cpu:1",)).loads()
    assert both == (Load(CpuLoad(1, 50.0)), Load(CpuLoad(1)))


def test_the_same_load_twice_and_more_than_the_machine_has_are_refused():
    with pytest.raises(ValueError, match=r"--load .* asks for cpu:100%"):
        settings(load=True, load_workers=1, inject=("cpu:1",)).loads()
    with pytest.raises(ValueError, match=r"\.$"):
        settings(inject=(f"cpu:{1000 * available_cores()}",)).loads()
