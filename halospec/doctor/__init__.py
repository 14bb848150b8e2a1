"""How fit this machine is to measure on: what is looked at, what was found, and what to do about it."""

from halospec.doctor.examination import QUICK_LOOK_S, examine
from halospec.records.fitness import Finding, State

__all__ = ["QUICK_LOOK_S", "Finding", "State", "examine"]
