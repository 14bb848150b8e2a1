"""What proposes tokens: a small model, or text seen before."""
