"""What the server is asked: prompt sets."""
