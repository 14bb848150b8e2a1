"""How to talk to a server: one request in, one completion or one reason out."""
