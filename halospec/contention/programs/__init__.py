"""What load workers run, each as a process of its own; nothing here imports more than the standard library."""
