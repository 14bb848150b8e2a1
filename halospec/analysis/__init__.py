"""What records say: pure functions from records to values, and tables that print those values."""
