"""Rules that choose k, tried on recorded acceptance and recorded costs instead of a server."""
