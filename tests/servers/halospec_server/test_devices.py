"""Where models go. The GPUs here are made up; the CPU is what llama.cpp itself lists."""

from __future__ import annotations

import llama_cpp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from halospec_server.devices import (
    ALL_LAYERS,
    NO_WISH,
    ON_CPU,
    Device,
    DeviceError,
    DeviceKind,
    PairBytes,
    Placement,
    PlacementWish,
    Preset,
    place_pair,
    placements,
)
from halospec_server.llama import Context, Model, Piece
from halospec_server.llama.devices import available_devices, place
from tiny_engines import Pair

GB = 10**9


def made_up(name: str, free_gb: float, kind: DeviceKind = DeviceKind.GPU) -> Device:
    return Device(name, "made up", kind, round(free_gb * GB), 24 * GB)


CPU = made_up("CPU", 32, DeviceKind.CPU)
MADE_UP_LAPTOP = (made_up("Vulkan0", 8, DeviceKind.IGPU), CPU)
MADE_UP_GPU = (made_up("CUDA0", 10), CPU)
MADE_UP_GPUS = (made_up("CUDA0", 10), made_up("CUDA1", 20), CPU)
SMALL = PairBytes(target=5 * GB, draft=1 * GB)
LARGE = PairBytes(target=20 * GB, draft=2 * GB)
HUGE = PairBytes(target=200 * GB, draft=2 * GB)


def whole_on(name: str) -> Placement:
    return Placement(ALL_LAYERS, (name,))


def test_same_puts_both_on_the_first_gpu() -> None:
    assert placements(Preset.SAME, MADE_UP_GPUS, SMALL) == (whole_on("CUDA0"), whole_on("CUDA0"))


def test_separate_puts_the_draft_on_the_second_gpu_or_on_the_cpu() -> None:
    assert placements(Preset.SEPARATE, MADE_UP_GPUS, SMALL) == (whole_on("CUDA0"), whole_on("CUDA1"))
    assert placements(Preset.SEPARATE, MADE_UP_GPU, SMALL) == (whole_on("CUDA0"), ON_CPU)


def test_ratio_splits_the_target_by_free_memory_and_puts_the_draft_where_most_is_left() -> None:
    target, draft = placements(Preset.RATIO, MADE_UP_GPUS, LARGE)
    assert (target.gpu_layers, target.devices) == (ALL_LAYERS, ("CUDA0", "CUDA1"))
    assert target.tensor_split[1] == pytest.approx(2 * target.tensor_split[0])
    assert draft == whole_on("CUDA1")


def test_ratio_takes_shares_that_are_given() -> None:
    target, draft = placements(Preset.RATIO, MADE_UP_GPUS, LARGE, shares=(0.0, 1.0))
    assert target.tensor_split == (0.0, 1.0)
    assert draft == whole_on("CUDA0")


def test_as_many_shares_are_wanted_as_there_are_gpus() -> None:
    with pytest.raises(DeviceError, match="gives 3 shares and there are 2 GPUs: CUDA0, CUDA1"):
        placements(Preset.RATIO, MADE_UP_GPUS, LARGE, shares=(1.0, 1.0, 1.0))


def test_auto_prefers_one_gpu_then_all_then_the_cpu() -> None:
    assert placements(Preset.AUTO, MADE_UP_GPUS, SMALL) == (whole_on("CUDA1"), whole_on("CUDA1"))
    assert placements(Preset.AUTO, MADE_UP_GPUS, LARGE) == placements(Preset.RATIO, MADE_UP_GPUS, LARGE)
    assert placements(Preset.AUTO, MADE_UP_GPUS, HUGE) == (ON_CPU, ON_CPU)
    assert placements(Preset.AUTO, (CPU,), SMALL) == (ON_CPU, ON_CPU)


def test_auto_leaves_a_tenth_of_a_gpu_free() -> None:
    assert placements(Preset.AUTO, MADE_UP_GPU, PairBytes(8 * GB, 1 * GB))[0] == whole_on("CUDA0")
    assert placements(Preset.AUTO, MADE_UP_GPU, PairBytes(8 * GB, 1 * GB + 1))[0] == ON_CPU


def test_an_integrated_gpu_counts_where_there_is_no_other() -> None:
    assert placements(Preset.SAME, MADE_UP_LAPTOP, SMALL) == (whole_on("Vulkan0"), whole_on("Vulkan0"))
    both = (*MADE_UP_LAPTOP, *MADE_UP_GPU)
    assert placements(Preset.SEPARATE, both, SMALL) == (whole_on("CUDA0"), ON_CPU)


@pytest.mark.parametrize("preset", [Preset.SAME, Preset.SEPARATE, Preset.RATIO])
def test_a_preset_that_needs_a_gpu_is_refused_without_one(preset: Preset) -> None:
    with pytest.raises(DeviceError, match=rf"^--placement {preset} asks for a GPU .* has none \(it lists: CPU\)"):
        placements(preset, (CPU,), SMALL)


@given(
    free_gb=st.lists(st.floats(0, 100), max_size=4),
    needed=st.builds(PairBytes, target=st.integers(0, 10**12), draft=st.integers(0, 10**11)),
)
def test_auto_always_finds_a_place_that_exists_and_holds(free_gb: list[float], needed: PairBytes) -> None:
    devices = [CPU, *(made_up(f"CUDA{number}", free) for number, free in enumerate(free_gb))]
    free_bytes = {device.name: device.free_bytes for device in devices}
    target, draft = placements(Preset.AUTO, devices, needed)
    taken = dict.fromkeys(free_bytes, 0.0)
    for name, share in zip(target.devices, target.tensor_split or (1.0,), strict=False):
        taken[name] += needed.target * share / sum(target.tensor_split or (1.0,))
    for name in draft.devices:
        taken[name] += needed.draft
    # To a byte: shares are floats.
    assert all(taken[name] <= free_bytes[name] + 1 for name in taken)


class TestWishes:
    """What is asked of one model by name stands above the preset."""

    def test_without_a_wish_the_preset_decides(self) -> None:
        assert place_pair(Preset.SAME, NO_WISH, NO_WISH, MADE_UP_GPUS, SMALL) == placements(
            Preset.SAME, MADE_UP_GPUS, SMALL
        )

    def test_layers_can_be_given(self) -> None:
        target, draft = place_pair(Preset.AUTO, PlacementWish(gpu_layers=20), NO_WISH, MADE_UP_GPU, SMALL)
        assert target == Placement(20, ("CUDA0",))
        assert draft == whole_on("CUDA0")

    def test_no_layers_mean_the_cpu(self) -> None:
        wish = PlacementWish(gpu_layers=0, devices=("CUDA0",))
        assert place_pair(Preset.SAME, wish, NO_WISH, MADE_UP_GPU, SMALL) == (ON_CPU, whole_on("CUDA0"))

    def test_no_layers_can_be_asked_for_where_there_is_no_gpu(self) -> None:
        wish = PlacementWish(gpu_layers=0)
        assert place_pair(Preset.AUTO, wish, wish, (CPU,), SMALL) == (ON_CPU, ON_CPU)

    def test_a_device_can_be_given_and_takes_all_layers(self) -> None:
        wish = PlacementWish(devices=("cuda1",))
        assert place_pair(Preset.AUTO, NO_WISH, wish, MADE_UP_GPUS, HUGE) == (ON_CPU, whole_on("cuda1"))

    def test_shares_can_be_given_with_and_without_devices(self) -> None:
        wish = PlacementWish(devices=("CUDA1", "CUDA0"), tensor_split=(3.0, 1.0))
        target, _ = place_pair(Preset.AUTO, wish, NO_WISH, MADE_UP_GPUS, SMALL)
        assert target == Placement(ALL_LAYERS, ("CUDA1", "CUDA0"), (3.0, 1.0))
        target, _ = place_pair(Preset.SAME, PlacementWish(tensor_split=(3.0, 1.0)), NO_WISH, MADE_UP_GPUS, SMALL)
        assert target == Placement(ALL_LAYERS, (), (3.0, 1.0))

    def test_shares_of_the_target_are_the_ratio(self) -> None:
        wish = PlacementWish(tensor_split=(0.0, 1.0))
        target, draft = place_pair(Preset.RATIO, wish, NO_WISH, MADE_UP_GPUS, LARGE)
        assert target.tensor_split == (0.0, 1.0)
        assert draft == whole_on("CUDA0")

    def test_as_many_shares_are_wanted_as_devices(self) -> None:
        wish = PlacementWish(devices=("CUDA0",), tensor_split=(1.0, 1.0))
        with pytest.raises(DeviceError, match="gives 2 shares for 1 device"):
            place_pair(Preset.AUTO, wish, NO_WISH, MADE_UP_GPUS, SMALL)

    @pytest.mark.parametrize("name", ["CUDA7", "CPU"])
    def test_a_device_that_is_not_there_is_named_with_those_that_are(self, name: str) -> None:
        with pytest.raises(DeviceError, match=f"no GPU '{name}' here; it lists: CUDA0, CPU"):
            place_pair(Preset.AUTO, PlacementWish(devices=(name,)), NO_WISH, MADE_UP_GPU, SMALL)

    @pytest.mark.parametrize(
        ("wish", "option"),
        [
            (PlacementWish(gpu_layers=-1), "gpu-layers"),
            (PlacementWish(devices=("CUDA0",)), "device"),
            (PlacementWish(tensor_split=(1.0,)), "tensor-split"),
        ],
    )
    def test_a_wish_for_a_gpu_is_refused_without_one(self, wish: PlacementWish, option: str) -> None:
        with pytest.raises(DeviceError, match=f"^--{option} asks for a GPU"):
            place_pair(Preset.AUTO, wish, NO_WISH, (CPU,), SMALL)
        with pytest.raises(DeviceError, match=f"^--draft-{option} asks for a GPU"):
            place_pair(Preset.AUTO, NO_WISH, wish, (CPU,), SMALL)


class TestLlamaCpp:
    """What this build of llama.cpp lists, and takes."""

    def test_the_cpu_is_listed(self) -> None:
        cpu = next(device for device in available_devices() if device.kind is DeviceKind.CPU)
        assert cpu.name == "CPU"
        assert cpu.description
        assert 0 < cpu.free_bytes <= cpu.total_bytes

    def test_a_model_on_the_cpu_has_no_other_device(self) -> None:
        params = llama_cpp.llama_model_default_params()
        devices, split = kept = place(params, ON_CPU)  # type: ignore[misc]
        assert list(devices) == [None]
        assert split is None
        assert params.n_gpu_layers == 0
        assert not params.tensor_split
        assert kept

    def test_shares_reach_llama_cpp(self) -> None:
        params = llama_cpp.llama_model_default_params()
        kept = place(params, Placement(ALL_LAYERS, (), (3.0, 1.0)))
        assert params.n_gpu_layers == ALL_LAYERS
        assert params.devices is None
        assert params.tensor_split[: llama_cpp.llama_max_devices()] == [
            3.0, 1.0, *[0.0] * (llama_cpp.llama_max_devices() - 2)
        ]  # fmt: skip
        assert kept

    def test_a_device_it_does_not_list_is_refused(self) -> None:
        with pytest.raises(DeviceError, match=r"no device 'CUDA7' here; it lists: .*CPU"):
            place(llama_cpp.llama_model_default_params(), whole_on("CUDA7"))

    def test_more_shares_than_it_takes_are_refused(self) -> None:
        too_many = (1.0,) * (llama_cpp.llama_max_devices() + 1)
        with pytest.raises(DeviceError, match="at most"):
            place(llama_cpp.llama_model_default_params(), Placement(ALL_LAYERS, (), too_many))

    def test_where_there_is_no_gpu_a_model_for_one_runs_on_the_cpu(self, tiny_pair: Pair) -> None:
        rows = []
        for placement in (ON_CPU, Placement(ALL_LAYERS)):
            context = Context(Model(tiny_pair[0], placement), n_ctx=32, n_threads=1, max_outputs=1)
            rows.append(np.array(context.decode([Piece(0, [1, 265, 270], 1)])))
        np.testing.assert_allclose(rows[0], rows[1], rtol=1e-4, atol=1e-4)
