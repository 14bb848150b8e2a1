"""Runs beside each other: how the same mode and phase differ between them, and whether a gate lets that pass."""
