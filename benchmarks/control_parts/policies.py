"""Which policies are studied: every rule there is, where it can be used, and the variants that the study is about."""

from __future__ import annotations

from halospec.controllers.modes import AUTO
from halospec.controllers.rules import client_rules, server_rules

_NO_RIVALS = ("uniform", "fixed")
"""Rules of the server that are there to record with, or whose like is a reference anyway."""

ALPHAS = tuple(tenth / 10 for tenth in range(1, 11))

IN_CLIENT = tuple(name for name in client_rules() if name not in _NO_RIVALS)
IN_SERVER = tuple(f"{AUTO}{name}" for name in server_rules() if name not in _NO_RIVALS)
SWEEP = tuple(f"adaptive@smoothing={alpha}" for alpha in ALPHAS)

COST_MODEL = f"{AUTO}cost_model"
JOINT = f"{AUTO}cost_model@joint=true"
ONE_THREAD = "@threads=1@draft_threads=1"
THREADS_ALONE = (
    *(f"fixed_{k}{ONE_THREAD}" for k in (0, 4, 8)),
    *(f"{JOINT}@min_length={k}@max_length={k}" for k in (0, 4, 8)),
)
"""One thread throughout, and threads that are chosen while k is not."""

RULES = (*IN_CLIENT, *IN_SERVER, JOINT)
ALL = (*IN_CLIENT, *SWEEP, *IN_SERVER, JOINT, *THREADS_ALONE)
CONTENDERS = ("cost_model", COST_MODEL, JOINT)
OTHERS = ("adaptive", "heuristic", f"{AUTO}heuristic", "ema_accept", f"{AUTO}ema_accept")
TRACKED = (COST_MODEL, JOINT, "adaptive", f"{AUTO}heuristic", f"{AUTO}ema_accept")

QUICK = ("adaptive", f"{AUTO}heuristic")
