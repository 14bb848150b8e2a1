"""Courses of a load in time."""
