"""What benchmarks/engine.py measures and how: one part a file."""
