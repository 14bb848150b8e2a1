from __future__ import annotations

import sys
from pathlib import Path

# As for a benchmark that is run as a program: what it shares with others lies beside it.
sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))
