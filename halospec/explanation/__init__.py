"""What rules chose, why, and what came of it: read from a run's records and decisions alone."""
