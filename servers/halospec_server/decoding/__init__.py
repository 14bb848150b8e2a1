"""The decode loop and what it works on: sequences, slots, cached texts, logits to tokens."""
