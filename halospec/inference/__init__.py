"""Intervals, tests and designs as functions of arrays. Nothing here knows what a request is."""
