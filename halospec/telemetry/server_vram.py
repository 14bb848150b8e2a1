"""GPU memory of the server's processes, through NVML."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import pynvml


class ServerVram:
    """Sums what the driver says that processes hold, over all NVIDIA GPUs. Made by `open_vram`."""

    def __init__(self) -> None:
        self._handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        self._is_open = True

    def bytes_of(self, pids: Collection[int]) -> float | None:
        """Return what processes hold together; ``None`` where the driver knows none of them, or will not say.

        In a container the driver speaks of other process ids than we see, so an unknown one is no sign of none.
        """
        held: dict[tuple[int, int], int] = {}
        for device, handle in enumerate(self._handles):
            for process in _running_on(handle):
                if process.pid in pids and process.usedGpuMemory is not None:
                    # A process that computes and draws is listed twice, with the same memory.
                    held[device, process.pid] = max(int(process.usedGpuMemory), held.get((device, process.pid), 0))
        return float(sum(held.values())) if held else None

    def close(self) -> None:
        """Let the driver go; closing twice does nothing."""
        if self._is_open:
            self._is_open = False
            pynvml.nvmlShutdown()


def open_vram() -> ServerVram | None:
    """Return what asks the driver; ``None`` where there is no driver or no GPU."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    try:
        return ServerVram()
    except pynvml.NVMLError:
        pynvml.nvmlShutdown()
        return None


def _running_on(handle: object) -> Iterator[pynvml.c_nvmlProcessInfo_t]:
    for ask in (pynvml.nvmlDeviceGetComputeRunningProcesses, pynvml.nvmlDeviceGetGraphicsRunningProcesses):
        try:
            yield from ask(handle)
        except pynvml.NVMLError:
            continue
