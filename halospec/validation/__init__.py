"""Whether a run's directory holds what it should: files readable, the plan carried out, clocks sound, load there."""
