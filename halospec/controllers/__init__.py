"""The rules behind the modes: each chooses a draft length from what the last requests cost. No I/O here."""
