"""Finding the best fixed draft length for a server with few requests."""
