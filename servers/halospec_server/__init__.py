"""The bundled speculative server: an OpenAI-compatible endpoint whose every draft-and-verify round can be seen."""

import os

# How long GNU OpenMP's threads spin at a barrier before they sleep; it must be set before libgomp is loaded. By default
# they spin so long that beside other busy processes a pass waits for a thread that is not running, many times its own
# length. This little costs nothing on a quiet machine (benchmarks/openmp_spin.py).
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
