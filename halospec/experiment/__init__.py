"""What will run, and the one loop that runs it."""
