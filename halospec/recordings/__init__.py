"""What a model pair accepts and what its rounds cost, recorded once, so that rules can be tried without it."""
