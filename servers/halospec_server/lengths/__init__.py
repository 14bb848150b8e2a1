"""Draft lengths, round by round: the rules of ``halospec.controllers`` at work on texts, and plain numbers."""
