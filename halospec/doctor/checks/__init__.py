"""What is looked at, one check a file: each takes a machine and judges one thing about it."""
