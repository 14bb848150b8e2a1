"""Rules that end a draft early, by what the draft model offers for the next token."""
