"""What benchmarks/control.py measures and how: one part a file."""
